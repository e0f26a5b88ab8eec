package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"

	"harken/admin/auth"
	"harken/ingest/learn/filter"
	"harken/inventory"
	"harken/inventory/fault"
)

type advancedFiltersResponse struct {
	Filters []filter.Document `json:"filters"` // in the order of their edits
	// Presets are documents to begin with. They are not in use.
	Presets []filter.Document `json:"presets"`
}

// advancedFilters reads the filters of the caller's account. Documents that cannot
// be read are left out.
func advancedFilters(ctx context.Context, c *auth.Caller) ([]filter.Document, error) {
	defs, err := c.Store.Definitions(ctx, inventory.AdvancedFilters)
	docs := []filter.Document{}
	for _, d := range defs {
		var doc filter.Document
		if json.Unmarshal(d.Doc, &doc) == nil {
			docs = append(docs, doc)
		}
	}
	return docs, err
}

// fetchAdvancedFilters lists the traffic filters of the account, and those that one
// may begin with.
func (a *API) fetchAdvancedFilters(ctx context.Context, c *auth.Caller, _ none) (advancedFiltersResponse, error) {
	docs, err := advancedFilters(ctx, c)
	return advancedFiltersResponse{Filters: docs, Presets: filter.DefaultDocuments()}, err
}

// advancedFilterRequest is a filter in YAML. Its id is that in the document; one
// without is stored under ID, or a new id.
type advancedFilterRequest struct {
	ID       string `json:"id"`
	Content  string `json:"content" api:"required"`
	Inactive Bool   `json:"inactive"`
}

// parse checks the filter and returns it as a document.
func (in *advancedFilterRequest) parse() (filter.Document, error) {
	f, err := filter.ParseAdvanced([]byte(in.Content))
	if err != nil {
		return filter.Document{}, fault.New(fault.Invalid, "content: %v", err)
	}
	if in.ID != "" && f.ID() != "" && in.ID != f.ID() {
		return filter.Document{}, fault.New(fault.Invalid, "id: is not the id in content, %s", clip(f.ID()))
	}
	if len(in.ID) > 200 {
		return filter.Document{}, fault.New(fault.Invalid, "id: is longer than 200 bytes")
	}
	return filter.Document{ID: cmp.Or(f.ID(), in.ID), Content: in.Content, Inactive: in.Inactive.B}, nil
}

type saveAdvancedFilterResponse struct {
	Filter filter.Document `json:"filter"`
}

// saveAdvancedFilter adds a traffic filter, or replaces the one with the same id.
func (a *API) saveAdvancedFilter(ctx context.Context, c *auth.Caller, in advancedFilterRequest) (saveAdvancedFilterResponse, error) {
	doc, err := in.parse()
	if err != nil {
		return saveAdvancedFilterResponse{}, err
	}
	doc.ID = cmp.Or(doc.ID, newObjectID())
	docs, err := advancedFilters(ctx, c)
	if err != nil {
		return saveAdvancedFilterResponse{}, err
	}
	seconds := int32(a.cfg.Now().Unix()) //nolint:gosec // until 2038, as published
	doc.Author, doc.CreatedAt, doc.UpdatedAt, doc.Hash = c.User.Email, seconds, seconds, inventory.HashID(doc.Content)
	if i := slices.IndexFunc(docs, func(d filter.Document) bool { return d.ID == doc.ID }); i >= 0 {
		doc.CreatedAt = docs[i].CreatedAt
		if !in.Inactive.Set {
			doc.Inactive = docs[i].Inactive
		}
	} else if len(docs) >= filter.MaxAdvanced {
		return saveAdvancedFilterResponse{}, fault.New(fault.Invalid, "content: there are %d filters, which is the most", len(docs))
	}
	b, err := json.Marshal(doc)
	if err != nil {
		return saveAdvancedFilterResponse{}, err
	}
	return saveAdvancedFilterResponse{doc}, a.putDefinition(ctx, c, inventory.AdvancedFilters, doc.ID, b)
}

type deleteAdvancedFilterRequest struct {
	ID string `json:"id" api:"required"`
}

// deleteAdvancedFilter removes a traffic filter.
func (a *API) deleteAdvancedFilter(ctx context.Context, c *auth.Caller, in deleteAdvancedFilterRequest) (none, error) {
	return none{}, a.deleteDefinition(ctx, c, inventory.AdvancedFilters, in.ID, "id: there is no filter")
}

// testAdvancedFilterRequest is a filter to try beside the active ones, in place of
// the one that has its id, or alone.
type testAdvancedFilterRequest struct {
	ID              string `json:"id"`
	Content         string `json:"content" api:"required"`
	Alone           Bool   `json:"alone"`
	APICollectionID Int    `json:"apiCollectionId"` // absent or -1 is all
}

type testAdvancedFilterResponse struct {
	scanned
	Verdicts map[string]int  `json:"verdicts"` // samples by verdict
	Samples  []filterVerdict `json:"samples"`  // the first 200
}

type filterVerdict struct {
	inventory.EndpointKey
	Timestamp int64  `json:"timestamp"`
	Verdict   string `json:"verdict" enum:"ALLOWED,MODIFIED,BLOCKED,UNCHANGED"` // ALLOWED, MODIFIED, BLOCKED or UNCHANGED
	Filter    string `json:"filter"`                                            // the first that holds
	Dropped   bool   `json:"dropped"`
}

// testAdvancedFilter tries a traffic filter on stored samples and changes nothing.
func (a *API) testAdvancedFilter(ctx context.Context, c *auth.Caller, in testAdvancedFilterRequest) (testAdvancedFilterResponse, error) {
	out := testAdvancedFilterResponse{Verdicts: map[string]int{}, Samples: []filterVerdict{}}
	doc, err := (&advancedFilterRequest{ID: in.ID, Content: in.Content}).parse()
	if err != nil {
		return out, err
	}
	docs := []filter.Document{doc}
	if !in.Alone.B {
		stored, err := advancedFilters(ctx, c)
		if err != nil {
			return out, err
		}
		docs = append(slices.DeleteFunc(stored, func(d filter.Document) bool { return doc.ID != "" && d.ID == doc.ID }), doc)
	}
	// A stored filter that is refused is left out, as the learner does.
	set, _ := filter.CompileAdvanced(docs)
	if !in.APICollectionID.Set {
		in.APICollectionID.N = -1
	}
	ids, err := activeCollections(ctx, c, "apiCollectionId", in.APICollectionID.N)
	if err != nil {
		return out, err
	}
	out.scanned, err = eachTried(ctx, c, ids, func(t *tried) {
		d := set.Evaluate(t.entry, t.sample.Source)
		out.Verdicts[d.Verdict.String()]++
		if len(out.Samples) < maxMatches {
			out.Samples = append(out.Samples, filterVerdict{t.key, t.sample.Time, d.Verdict.String(), d.ID, d.Rule() != ""})
		}
	})
	return out, err
}
