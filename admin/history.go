package admin

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"harken/admin/auth"
	"harken/inventory"
	"harken/inventory/fault"
)

// Bounds of a page of changes.
const (
	defaultChanges = 100
	maxChanges     = 1000
)

type changesRequest struct {
	APICollectionID  Int     `json:"apiCollectionId"` // absent or -1 is all
	APICollectionIDs Ints    `json:"apiCollectionIds"`
	URL              string  `json:"url"`
	Method           string  `json:"method"`
	Kinds            Strings `json:"kinds"`
	StartTimestamp   Int     `json:"startTimestamp"`
	EndTimestamp     Int     `json:"endTimestamp"` // absent: now
	Skip             Int     `json:"skip" min:"0" max:"2147483647"`
	Limit            Int     `json:"limit" min:"1" max:"1000"` // absent: 100; at most 1000
}

type changesResponse struct {
	Changes []change `json:"changes"` // newest first
	Total   int      `json:"total"`
}

type change struct {
	inventory.EndpointKey
	Timestamp int64  `json:"timestamp"`
	Kind      string `json:"kind"`
	Detail    string `json:"detail"`
}

// fetchChanges lists what changed in the inventory, newest first: new endpoints,
// parameters, types, authentication and status codes.
func (a *API) fetchChanges(ctx context.Context, c *auth.Caller, in changesRequest) (changesResponse, error) {
	out := changesResponse{Changes: []change{}}
	f, err := a.changeFilter(ctx, c, &in)
	if err != nil {
		return out, err
	}
	if !in.Limit.Set {
		in.Limit.N = defaultChanges
	}
	if in.Limit.N < 1 || in.Limit.N > maxChanges {
		return out, fault.New(fault.Invalid, "limit: must be from 1 to %d", maxChanges)
	}
	if in.Skip.N < 0 || in.Skip.N > 1<<31-1 {
		return out, fault.New(fault.Invalid, "skip: must not be negative, nor beyond 2147483647")
	}
	page, total, err := c.Store.Changes(ctx, f, int(in.Skip.N), int(in.Limit.N))
	out.Total = total
	for i := range page {
		out.Changes = append(out.Changes, change{page[i].EndpointKey, page[i].Time, page[i].Kind, page[i].Detail})
	}
	return out, err
}

func (a *API) changeFilter(ctx context.Context, c *auth.Caller, in *changesRequest) (inventory.ChangeFilter, error) {
	f := inventory.ChangeFilter{URL: in.URL, Method: inventory.Method(in.Method)}
	known := []string{inventory.NewEndpoint, inventory.NewParam, inventory.NewType, inventory.NewStatus, inventory.NewAuth}
	for i, k := range in.Kinds {
		k = strings.ToLower(strings.TrimSpace(k))
		if !slices.Contains(known, k) {
			return f, fault.New(fault.Invalid, "kinds: element %d is none of %s", i, strings.Join(known, ", "))
		}
		f.Kinds = append(f.Kinds, k)
	}
	from, to, err := a.period(in.StartTimestamp, in.EndTimestamp)
	if err != nil {
		return f, err
	}
	f.From, f.To = from, to+1
	if in.APICollectionIDs == nil {
		if !in.APICollectionID.Set {
			in.APICollectionID.N = -1
		}
		f.Collections, err = activeCollections(ctx, c, "apiCollectionId", in.APICollectionID.N)
		return f, err
	}
	cols, err := visible(ctx, c, "apiCollectionIds", in.APICollectionIDs)
	f.Collections = idsOf(slices.DeleteFunc(cols, func(col inventory.Collection) bool { return col.Deactivated }))
	return f, err
}

type droppedResponse struct {
	Rules   map[string]int64 `json:"rules"` // of the whole account, exact
	Dropped []dropped        `json:"dropped"`
}

type dropped struct {
	Rule     string          `json:"rule"`
	Host     string          `json:"host"` // empty also for hosts beyond the bound
	Count    int64           `json:"count"`
	LastSeen int64           `json:"lastSeen"`
	Example  json.RawMessage `json:"example,omitempty"` // a HAR entry, for those who may read samples
}

// fetchDropped tells what rules dropped. The examples are samples, which not
// everybody who may read rules may read.
func (a *API) fetchDropped(ctx context.Context, c *auth.Caller, _ none) (droppedResponse, error) {
	out := droppedResponse{Dropped: []dropped{}}
	var err error
	if out.Rules, err = c.Store.Dropped(ctx); err != nil {
		return out, err
	}
	if out.Rules == nil {
		out.Rules = map[string]int64{}
	}
	drops, err := c.Store.Drops(ctx)
	samples := c.Check(needs(auth.SampleData, auth.Read)) == nil
	for i := range drops {
		d := dropped{Rule: drops[i].Rule, Host: drops[i].Host, Count: drops[i].Count, LastSeen: drops[i].Last}
		if samples && json.Valid(drops[i].Example) {
			d.Example = drops[i].Example
		}
		out.Dropped = append(out.Dropped, d)
	}
	return out, err
}
