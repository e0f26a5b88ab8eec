package admin

import (
	"context"

	"harken/admin/auth"
	"harken/inventory"
	"harken/inventory/fault"
)

type endpointDescriptionRequest struct {
	APICollectionID Int    `json:"apiCollectionId" api:"required"`
	URL             string `json:"url" api:"required"`
	Method          string `json:"method" api:"required"`
	Description     Text   `json:"description" api:"required"`
}

// saveEndpointDescription describes an endpoint in words of people.
func (a *API) saveEndpointDescription(ctx context.Context, c *auth.Caller, in endpointDescriptionRequest) (none, error) {
	if err := checkDescription(in.Description.S); err != nil {
		return none{}, err
	}
	at := endpointRequest{in.APICollectionID, in.URL, in.Method}
	found, err := at.find(ctx, newFinder(c), findCollection)
	if err != nil {
		return none{}, err
	}
	_, err = c.Store.EditEndpoints(ctx, keysOf(found), func(e *inventory.Endpoint) (bool, error) {
		changed := e.Description != in.Description.S
		e.Description = in.Description.S
		return changed, nil
	})
	return none{}, err
}

type deleteAPIsRequest struct {
	APIList APIs `json:"apiList" api:"required"`
}

// deleteAPIs removes endpoints and all that is known of them. They come back with
// new traffic.
func (a *API) deleteAPIs(ctx context.Context, c *auth.Caller, in deleteAPIsRequest) (none, error) {
	if len(in.APIList) == 0 {
		return none{}, fault.New(fault.Invalid, "apiList: is empty")
	}
	keys, err := newFinder(c).list(ctx, "apiList", in.APIList)
	if err != nil {
		return none{}, err
	}
	_, err = c.Store.DeleteEndpoints(ctx, keys)
	return none{}, err
}

type endpointsCountRequest struct {
	StartTimestamp Int `json:"startTimestamp"`
	EndTimestamp   Int `json:"endTimestamp"` // absent: now
}

type endpointsCountResponse struct {
	NewCount int `json:"newCount"` // known at the end
	OldCount int `json:"oldCount"` // known at the start
}

// fetchEndpointsCount counts the endpoints of active collections that were known
// at two times.
func (a *API) fetchEndpointsCount(ctx context.Context, c *auth.Caller, in endpointsCountRequest) (endpointsCountResponse, error) {
	var out endpointsCountResponse
	from, to, err := a.period(in.StartTimestamp, in.EndTimestamp)
	if err != nil {
		return out, err
	}
	err = eachVisible(ctx, c, func(e *inventory.Endpoint, col *inventory.Collection) error {
		if !col.Deactivated && e.Discovered <= to {
			out.NewCount++
		}
		if !col.Deactivated && e.Discovered <= from {
			out.OldCount++
		}
		return nil
	})
	return out, err
}

// period checks two times in Unix seconds, of which the second is now if absent.
func (a *API) period(start, end Int) (from, to int64, err error) {
	if !end.Set || end.N == 0 {
		end.N = a.cfg.Now().Unix()
	}
	if start.N < 0 {
		return 0, 0, fault.New(fault.Invalid, "startTimestamp: must not be negative")
	}
	if end.N < start.N {
		return 0, 0, fault.New(fault.Invalid, "endTimestamp: must not be before startTimestamp")
	}
	return start.N, end.N, nil
}

type endpointChanges struct {
	ID           inventory.EndpointKey `json:"_id"`
	StartTS      int64                 `json:"startTs"`      // when it was discovered
	ChangesCount int                   `json:"changesCount"` // of its parameters
}

type endpointChangesResponse struct {
	List []endpointChanges `json:"list"`
}

// fetchFromParams lists the endpoints of a collection by when they were discovered
// and how often their parameters changed.
func (a *API) fetchFromParams(ctx context.Context, c *auth.Caller, in oneCollectionRequest) (endpointChangesResponse, error) {
	out := endpointChangesResponse{List: []endpointChanges{}}
	col, err := activeCollection(ctx, c, "apiCollectionId", in.APICollectionID.N)
	if err != nil {
		return out, err
	}
	err = c.Store.Keys(ctx, col.ID, func(k inventory.EndpointKey) error {
		out.List = append(out.List, endpointChanges{ID: k})
		return nil
	})
	if err != nil {
		return out, err
	}
	kept := out.List[:0]
	for _, row := range out.List {
		e, err := c.Store.Endpoint(ctx, row.ID)
		if isNotFound(err) {
			continue // a template took it over since the keys were read
		}
		if err != nil {
			return out, err
		}
		row.StartTS, row.ChangesCount = e.Discovered, len(e.Params)
		kept = append(kept, row)
	}
	out.List = kept
	return out, nil
}
