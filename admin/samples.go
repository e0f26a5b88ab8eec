package admin

import (
	"context"

	"harken/admin/auth"
	"harken/ingest"
	"harken/inventory"
)

type fetchSamplesResponse struct {
	SampleDataList      []sampleData   `json:"sampleDataList"`
	Traffic             map[string]any `json:"traffic"`
	SensitiveSampleData map[string]any `json:"sensitiveSampleData"`
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

func (a *API) fetchSamples(ctx context.Context, c *auth.Caller, in endpointRequest) (fetchSamplesResponse, error) {
	out := fetchSamplesResponse{SampleDataList: []sampleData{}, Traffic: map[string]any{}, SensitiveSampleData: map[string]any{}}
	e, err := in.find(ctx, c)
	if err != nil {
		return out, err
	}
	samples, err := c.Store.Samples(ctx, e.EndpointKey)
	if err != nil || len(samples) == 0 {
		return out, err
	}
	data := sampleData{ID: sampleID{EndpointKey: e.EndpointKey, ResponseCode: -1}, CollectionIDs: []int32{e.Collection}}
	for i := range samples {
		text, err := aktoText(&samples[i])
		if err != nil {
			return out, err
		}
		data.Samples = append(data.Samples, text)
	}
	out.SampleDataList = append(out.SampleDataList, data)
	return out, nil
}

// aktoText is the flat form in which the published API shows a sample, whichever
// form it is stored in.
func aktoText(s *inventory.Sample) (string, error) {
	rec, err := ingest.ParseRecord(s.Data)
	if err != nil {
		return "", err
	}
	if rec.Form == ingest.FormAkto {
		return string(rec.Data), nil
	}
	b, err := ingest.AppendAkto(nil, rec)
	return string(b), err
}
