package admin

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"

	"harken/admin/auth"
	"harken/ingest"
	"harken/inventory"
	"harken/inventory/fault"
)

// putBatch is how many records are handed to the sink at once.
const putBatch = 500

type ingestDataRequest struct {
	BatchData []json.RawMessage `json:"batchData" api:"required"`
	Origins   []string          `json:"origins"`
}

type ingestDataResponse struct {
	Accepted int         `json:"accepted"`
	Rejected []rejection `json:"rejected"`
}

type rejection struct {
	Index  int    `json:"index"`
	Reason string `json:"reason"`
}

// ingestData takes records of agents and answers when the sink answers for them.
// A record that cannot be read is rejected by its index, the others go on; a
// sink that fails fails the call, and the agent sends all again: origins keep
// what was taken from counting twice.
func (a *API) ingestData(ctx context.Context, c *auth.Caller, in ingestDataRequest) (ingestDataResponse, error) {
	out := ingestDataResponse{Rejected: []rejection{}}
	switch {
	case a.cfg.Sink == nil:
		return out, fault.New(fault.Invalid, "no record log is configured, so nothing can be taken in")
	case len(in.Origins) > 0 && len(in.Origins) != len(in.BatchData):
		return out, fault.New(fault.Invalid, "origins: has %d elements, batchData %d", len(in.Origins), len(in.BatchData))
	case c.Restricted():
		// A record makes the collection of its host; who sees some collections only
		// would write into others.
		return out, fault.New(fault.Denied, "a caller who is limited to some collections cannot send records")
	}
	reject := func(index int, reason string) { out.Rejected = append(out.Rejected, rejection{index, reason}) }
	batch := make([]*ingest.Record, 0, min(putBatch, len(in.BatchData)))
	index := make([]int, 0, cap(batch))
	flush := func() error {
		bad, err := a.put(ctx, batch)
		for _, b := range bad {
			reject(index[b.Index], b.Reason)
		}
		out.Accepted += len(batch) - len(bad)
		batch, index = batch[:0], index[:0]
		return err
	}
	for i, raw := range in.BatchData {
		origin := ""
		if len(in.Origins) > 0 {
			origin = in.Origins[i]
		}
		rec, err := readRecord(raw, origin, c.Account)
		if errors.Is(err, ingest.ErrProbe) {
			continue
		}
		if err != nil {
			reject(i, err.Error())
			continue
		}
		batch, index = append(batch, rec), append(index, i)
		if len(batch) == putBatch {
			if err := flush(); err != nil {
				return out, err
			}
		}
	}
	return out, flush()
}

// readRecord reads one element of batchData: a record, or a record as a string.
func readRecord(raw json.RawMessage, origin string, account int32) (*ingest.Record, error) {
	data := []byte(raw)
	if len(data) > 0 && data[0] == '"' {
		var s string
		if err := json.Unmarshal(data, &s); err != nil {
			return nil, err
		}
		data = []byte(s)
	}
	rec, err := ingest.ParseRecord(data)
	if err != nil {
		return nil, err
	}
	if origin != "" {
		if rec.Origin, err = ingest.ParseOrigin(origin); err != nil {
			return nil, err
		}
	}
	own := strconv.Itoa(int(account))
	if rec.Account == "" && account == inventory.DefaultAccount {
		rec.Account = own
	}
	if rec.Account != own {
		// The account stands in the record's bytes too, which travel on as they are.
		return nil, fault.New(fault.Denied, "account: the record names the account %.20q, the credential is for %s", rec.Account, own)
	}
	return rec, nil
}

// put hands records to the sink and returns those that it will never take.
func (a *API) put(ctx context.Context, recs []*ingest.Record) ([]ingest.Rejection, error) {
	if len(recs) == 0 {
		return nil, nil
	}
	err := a.cfg.Sink.Put(ctx, recs...)
	if rejected, ok := errors.AsType[*ingest.RejectedError](err); ok {
		return rejected.Records, nil
	}
	return nil, err
}
