package admin

import (
	"context"
	"strings"

	"harken/admin/auth"
	"harken/har"
	"harken/ingest"
	"harken/inventory"
	"harken/inventory/extract"
	"harken/inventory/pathtmpl"
)

// Bounds of a rule that is tried on stored samples: what one request may cost.
const (
	maxTriedEndpoints = 5000
	maxTriedSamples   = 2000
	maxTriedBytes     = 64 << 20
	maxMatches        = 200
)

// A tried is a stored sample that a rule is tried on.
type tried struct {
	key    inventory.EndpointKey
	sample *inventory.Sample
	entry  *har.Entry
}

// scanned says how much of the samples was read.
type scanned struct {
	SamplesScanned int  `json:"samplesScanned"`
	Complete       bool `json:"complete"` // false: there are more than one request reads
}

// eachTried yields samples of collections within the bounds, by collection and in
// no further order. A sample that cannot be read is left out.
func eachTried(ctx context.Context, c *auth.Caller, collections []int32, yield func(*tried)) (scanned, error) {
	out := scanned{Complete: true}
	var keys []inventory.EndpointKey
	listed := map[inventory.EndpointKey]bool{} // groups have what is in others too
	for _, id := range collections {
		err := c.Store.Keys(ctx, id, func(k inventory.EndpointKey) error {
			if listed[k] {
				return nil
			}
			listed[k] = true
			if len(keys) == maxTriedEndpoints {
				out.Complete = false
				return errFull
			}
			keys = append(keys, k)
			return nil
		})
		if err != nil && out.Complete {
			return out, err
		}
		if !out.Complete {
			break
		}
	}
	bytes := 0
	for _, k := range keys {
		samples, err := c.Store.Samples(ctx, k)
		if err != nil {
			return out, err
		}
		for i := range samples {
			bytes += len(samples[i].Data)
			if out.SamplesScanned == maxTriedSamples || bytes > maxTriedBytes {
				out.Complete = false
				return out, nil
			}
			out.SamplesScanned++
			rec, err := ingest.ParseRecord(samples[i].Data)
			if err != nil {
				continue
			}
			if e, err := rec.Entry(); err == nil {
				yield(&tried{key: k, sample: &samples[i], entry: e})
			}
		}
	}
	return out, nil
}

// params yields the parameters of a sample as they were learned of its endpoint: a
// request that holds several, as those of GraphQL do, is one sample of each.
func (t *tried) params(x *extract.Extractor, yield func(extract.Param)) {
	for _, p := range x.Split(t.entry) {
		if path := pathtmpl.Normalize(p.URL); path == t.key.URL || strings.Count(path, "/") == strings.Count(t.key.URL, "/") && fits(t.key, path) {
			x.Part(t.entry, &p, t.key.URL, yield)
			return
		}
	}
	x.Entry(t.entry, t.key.URL, yield)
}

func fits(k inventory.EndpointKey, path string) bool {
	set := pathtmpl.NewSet(pathtmpl.Options{})
	set.Add(k.Method, k.URL)
	found, ok := set.Match(k.Method, path)
	return ok && found == k.URL
}
