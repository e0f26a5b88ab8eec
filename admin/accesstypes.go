package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"harken/admin/auth"
	"harken/ingest"
	"harken/inventory"
)

// jobAccessTypes is the kind of both jobs of this file, so that they run one after
// the other.
const jobAccessTypes = "accessTypes"

type accessTypesArgs struct {
	Reset bool `json:"reset,omitempty"` // also forget what no sample tells
}

// applyAccessType computes the access types of endpoints anew from stored samples,
// in the background.
func (a *API) applyAccessType(ctx context.Context, c *auth.Caller, _ none) (none, error) {
	_, err := a.jobs.Start(ctx, c.Account, jobAccessTypes, accessTypesArgs{})
	return none{}, err
}

type resetAccessTypesResponse struct {
	Response startedResponse `json:"response"`
}

type startedResponse struct {
	Started bool   `json:"started"`
	Message string `json:"message"`
}

// resetAccessTypes forgets the access types of collections and endpoints and
// computes them anew, in the background.
func (a *API) resetAccessTypes(ctx context.Context, c *auth.Caller, _ none) (resetAccessTypesResponse, error) {
	j, err := a.jobs.Start(ctx, c.Account, jobAccessTypes, accessTypesArgs{Reset: true})
	return resetAccessTypesResponse{startedResponse{err == nil, fmt.Sprintf("job %d resets the access types in the background", j.ID)}}, err
}

// runAccessTypes computes access types anew from stored samples.
func (a *API) runAccessTypes(ctx context.Context, account int32, args json.RawMessage) error {
	var in accessTypesArgs
	if err := json.Unmarshal(args, &in); err != nil {
		return fmt.Errorf("arguments: %w", err)
	}
	// What was learned by former lists has to be stored before it is judged anew.
	if a.cfg.Learner != nil {
		if err := a.cfg.Learner.Reload(ctx, account); err != nil {
			return err
		}
	}
	st := a.cfg.Stores.Full(account)
	s, err := st.Settings(ctx)
	if err != nil {
		return err
	}
	// Lists are checked when they are stored; what is wrong in one of a former
	// version is left out, as the learner does.
	policy, _ := inventory.NewAccessPolicy(s.PrivateCIDRs, s.PartnerIPs)
	cols, err := st.Collections(ctx)
	if err != nil {
		return err
	}
	for i := range cols {
		r := &accessRun{st: st, policy: policy, reset: in.Reset}
		if err := r.collection(ctx, &cols[i]); err != nil {
			return fmt.Errorf("collection %d: %w", cols[i].ID, err)
		}
	}
	return nil
}

// An accessRun computes the access types of one collection.
type accessRun struct {
	st     inventory.FullStore
	policy *inventory.AccessPolicy
	reset  bool

	todo     []accessEdit
	again    []inventory.EndpointKey // whose samples changed meanwhile
	last     bool                    // the round in which that does not count
	incoming bool                    // a sample has direction 1
	outgoing bool
}

// An accessEdit is what to store of an endpoint, if it has as many exchanges as
// when its samples were read.
type accessEdit struct {
	key   inventory.EndpointKey
	types []string
	count int64
}

const (
	accessChunk  = 64 // endpoints of one transaction
	accessRounds = 5
)

func (r *accessRun) collection(ctx context.Context, col *inventory.Collection) error {
	var keys []inventory.EndpointKey
	if err := r.st.Keys(ctx, col.ID, func(k inventory.EndpointKey) error {
		keys = append(keys, k)
		return nil
	}); err != nil {
		return err
	}
	for round := 1; len(keys) > 0; round++ {
		r.again, r.last = nil, round == accessRounds
		for i := range keys {
			if err := r.endpoint(ctx, keys[i]); err != nil {
				return err
			}
		}
		if err := r.store(ctx); err != nil {
			return err
		}
		keys = r.again
	}
	if !r.reset {
		return nil
	}
	label := ""
	switch {
	case r.incoming:
		label = inventory.Internal
	case r.outgoing:
		label = inventory.ThirdParty
	}
	if label == col.AccessType {
		return nil
	}
	_, err := r.st.EditCollections(ctx, []int32{col.ID}, func(c *inventory.Collection) (bool, error) {
		c.AccessType = label
		return true, nil
	})
	return err
}

// endpoint reads one endpoint on a reading connection: most have nothing to store.
func (r *accessRun) endpoint(ctx context.Context, k inventory.EndpointKey) error {
	e, err := r.st.Endpoint(ctx, k)
	if inventory.NotFound(err) {
		return nil // deleted meanwhile
	}
	if err != nil {
		return err
	}
	samples, err := r.st.Samples(ctx, k)
	if err != nil {
		return err
	}
	types := r.types(samples)
	// Samples without an address, redacted ones above all, tell nothing.
	if slices.Equal(types, e.AccessTypes) || len(types) == 0 && !r.reset {
		return nil
	}
	r.todo = append(r.todo, accessEdit{k, types, e.Count})
	if len(r.todo) == accessChunk {
		return r.store(ctx)
	}
	return nil
}

func (r *accessRun) store(ctx context.Context) error {
	if len(r.todo) == 0 {
		return nil
	}
	edits := make(map[inventory.EndpointKey]*accessEdit, len(r.todo))
	keys := make([]inventory.EndpointKey, len(r.todo))
	for i := range r.todo {
		keys[i] = r.todo[i].key
		edits[keys[i]] = &r.todo[i]
	}
	_, err := r.st.EditEndpoints(ctx, keys, func(e *inventory.Endpoint) (bool, error) {
		edit := edits[e.EndpointKey]
		if e.Count != edit.count && !r.last {
			r.again = append(r.again, e.EndpointKey)
			return false, nil
		}
		e.AccessTypes = edit.types
		return true, nil
	})
	r.todo = r.todo[:0]
	return err
}

// types returns what samples tell, sorted.
func (r *accessRun) types(samples []inventory.Sample) []string {
	var types []string
	for i := range samples {
		direction, peers := peersOf(&samples[i])
		r.incoming = r.incoming || direction == "1"
		r.outgoing = r.outgoing || direction == "2"
		if t := r.policy.Type(direction, peers...); t != "" {
			types = append(types, t)
		}
	}
	slices.Sort(types)
	return slices.Compact(types)
}

// peersOf returns the direction of a sample and the addresses it names; nothing of
// one that cannot be read.
func peersOf(s *inventory.Sample) (direction string, peers []string) {
	rec, err := ingest.ParseRecord(s.Data)
	if err != nil {
		return "", nil
	}
	e, err := rec.Entry()
	if err != nil {
		return "", nil
	}
	direction = rec.Direction
	for i := range e.Request.Headers {
		if h := &e.Request.Headers[i]; inventory.Forwarded(strings.ToLower(h.Name)) {
			peers = append(peers, h.Value)
		}
	}
	peers = append(peers, e.Server())
	if m := e.Harken; m != nil {
		peers = append(peers, m.Client)
		direction = cmp.Or(direction, m.Direction)
	}
	return direction, peers
}
