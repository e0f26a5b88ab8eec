package admin

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"harken/admin/auth"
	"harken/ingest"
	"harken/inventory"
)

type fetchSamplesResponse struct {
	SampleDataList []sampleData `json:"sampleDataList"`
	// Traffic counts exchanges by the hour since 1970 in which they were; those of
	// days of which the hours are forgotten by the first one.
	Traffic             map[string]int64             `json:"traffic"`
	TrafficByStatus     []statusCount                `json:"trafficByStatus"`
	SensitiveSampleData map[string][]sensitiveSample `json:"sensitiveSampleData"`
}

type statusCount struct {
	Start  int64 `json:"start"`  // Unix seconds
	Length int64 `json:"length"` // seconds: an hour or a day
	Status int   `json:"status"` // 0 is none
	Count  int64 `json:"count"`
}

// sensitiveSample has the records in which one sensitive parameter was.
type sensitiveSample struct {
	ResponseCode int      `json:"responseCode"`
	IsHeader     bool     `json:"isHeader"`
	IsURLParam   bool     `json:"isUrlParam"`
	IsQueryParam bool     `json:"isQueryParam"`
	Param        string   `json:"param"`
	SubType      string   `json:"subType"`
	Samples      []string `json:"samples"`
}

func emptySamples() fetchSamplesResponse {
	return fetchSamplesResponse{
		SampleDataList: []sampleData{}, Traffic: map[string]int64{}, TrafficByStatus: []statusCount{},
		SensitiveSampleData: map[string][]sensitiveSample{},
	}
}

type sampleData struct {
	ID            sampleID `json:"id"`
	Samples       []string `json:"samples"`
	CollectionIDs []int32  `json:"collectionIds"`
}

type sampleID struct {
	inventory.EndpointKey
	ResponseCode     int `json:"responseCode"`
	BucketStartEpoch int `json:"bucketStartEpoch"`
	BucketEndEpoch   int `json:"bucketEndEpoch"`
}

// fetchSamples gives the stored samples of an endpoint, and its traffic over time.
func (a *API) fetchSamples(ctx context.Context, c *auth.Caller, in endpointRequest) (fetchSamplesResponse, error) {
	out := emptySamples()
	var samples [][]inventory.Sample // of each that is found
	f := newFinder(c)
	f.load = func(ctx context.Context, k inventory.EndpointKey) (inventory.Endpoint, error) {
		e, of, err := c.Store.Sampled(ctx, k)
		if err == nil {
			samples = append(samples, of)
		}
		return e, err
	}
	found, err := in.find(ctx, f, activeCollection)
	if err != nil {
		return out, err
	}
	texts := a.sampleTexts()
	defer a.samples.Put(texts)
	for i := range found {
		if err := out.add(&found[i], samples[i], texts); err != nil {
			return out, err
		}
	}
	return out, nil
}

// add appends the traffic and the samples of one endpoint.
func (r *fetchSamplesResponse) add(e *inventory.Endpoint, samples []inventory.Sample, texts *sampleTexts) error {
	r.addTraffic(e.Traffic)
	if len(samples) == 0 {
		return nil
	}
	data := sampleData{
		ID: sampleID{EndpointKey: e.EndpointKey, ResponseCode: -1}, Samples: make([]string, 0, len(samples)),
		CollectionIDs: collectionIDs(e.Collection, e.Groups),
	}
	for i := range samples {
		text, err := texts.text(&samples[i])
		if err != nil {
			return err
		}
		data.Samples = append(data.Samples, text)
	}
	r.SampleDataList = append(r.SampleDataList, data)
	return nil
}

func (r *fetchSamplesResponse) addTraffic(counts []inventory.TrafficCount) {
	const hour = 3600
	for _, t := range counts {
		s := statusCount{Start: t.Start, Length: hour, Status: t.Status, Count: t.Count}
		if t.Day {
			s.Length = 24 * hour
		}
		r.Traffic[strconv.FormatInt(t.Start/hour, 10)] += t.Count
		r.TrafficByStatus = append(r.TrafficByStatus, s)
	}
}

// fetchSensitiveSamples gives the samples of an endpoint that have sensitive values,
// by the name of the parameter, which may be that of several.
func (a *API) fetchSensitiveSamples(ctx context.Context, c *auth.Caller, in endpointRequest) (fetchSamplesResponse, error) {
	out := emptySamples()
	found, err := in.active(ctx, c)
	if err != nil {
		return out, err
	}
	texts := a.sampleTexts()
	defer a.samples.Put(texts)
	byParam := map[inventory.ParamKey][]string{}
	for i := range found {
		samples, err := c.Store.SensitiveSamples(ctx, found[i].EndpointKey)
		if err != nil {
			return out, err
		}
		for j := range samples {
			text, err := texts.text(&samples[j].Sample)
			if err != nil {
				return out, err
			}
			for _, p := range samples[j].Params {
				byParam[p] = append(byParam[p], text)
			}
		}
	}
	keys := slices.SortedFunc(maps.Keys(byParam), func(x, y inventory.ParamKey) int { return x.Compare(&y) })
	for _, p := range keys {
		out.SensitiveSampleData[p.Name] = append(out.SensitiveSampleData[p.Name], sensitiveSample{
			ResponseCode: p.ResponseCode, IsHeader: p.Header, IsURLParam: p.URLParam, IsQueryParam: p.Query,
			Param: p.Name, SubType: p.Type, Samples: byParam[p],
		})
	}
	return out, nil
}

// sampleTexts makes the flat form in which the published API shows a sample,
// whichever form it is stored in. It is for one goroutine.
type sampleTexts struct {
	akto ingest.AktoEncoder
	buf  []byte
}

func (a *API) sampleTexts() *sampleTexts {
	if t, ok := a.samples.Get().(*sampleTexts); ok {
		return t
	}
	return new(sampleTexts)
}

func (t *sampleTexts) text(s *inventory.Sample) (string, error) {
	if cap(t.buf) > keptReply {
		t.buf = nil
	}
	var err error
	t.buf, err = t.akto.AppendStored(t.buf[:0], s.Data, time.Unix(s.Time, 0))
	return string(t.buf), err
}
