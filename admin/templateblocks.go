package admin

import (
	"context"

	"harken/admin/auth"
	"harken/inventory"
	"harken/inventory/fault"
	"harken/inventory/pathtmpl"
)

type blockedTemplatesRequest struct {
	APICollectionID Int `json:"apiCollectionId" api:"required"`
}

type blockedTemplatesResponse struct {
	BlockedTemplates []blockedTemplate `json:"blockedTemplates"`
}

type blockedTemplate struct {
	APICollectionID int32  `json:"apiCollectionId"`
	Method          string `json:"method"`
	URL             string `json:"url"`
}

// fetchBlockedTemplates lists the templates that people split.
func (a *API) fetchBlockedTemplates(ctx context.Context, c *auth.Caller, in blockedTemplatesRequest) (blockedTemplatesResponse, error) {
	out := blockedTemplatesResponse{BlockedTemplates: []blockedTemplate{}}
	col, err := findCollection(ctx, c, "apiCollectionId", in.APICollectionID.N)
	if err != nil {
		return out, err
	}
	set, _, err := a.templateSet(ctx, c, &col)
	if err != nil {
		return out, err
	}
	for _, b := range set.Blocked() {
		out.BlockedTemplates = append(out.BlockedTemplates, blockedTemplate{col.ID, b.Method, b.Template})
	}
	return out, nil
}

// unblockTemplate lets a template that a person split be made again. Traffic and
// the next look for look-alikes may make it; mergeTemplates and pinTemplate do.
func (a *API) unblockTemplate(ctx context.Context, c *auth.Caller, in endpointRequest) (blockedTemplate, error) {
	out := blockedTemplate{URL: pathtmpl.FromBraces(in.URL)}
	col, err := findCollection(ctx, c, "apiCollectionId", in.APICollectionID.N)
	if err != nil {
		return out, err
	}
	out.APICollectionID = col.ID
	if out.Method, err = templateMethod(in.Method); err != nil {
		return out, err
	}
	return out, a.editTemplates(ctx, c, &col, true, func(set *pathtmpl.Set) error {
		if !set.Unblock(out.Method, out.URL) {
			return fault.New(fault.NotFound, "url: %s %s is not blocked", out.Method, clip(out.URL))
		}
		return nil
	})
}

// A templateSeed is a path of a document that was imported: {id} is STRING.
type templateSeed struct{ method, path string }

// seedTemplates makes the templates that an imported document names, and returns
// how many were refused: people split them, or the collection has too many URLs.
// The learner follows them when it returns, and unites what they cover.
func (a *API) seedTemplates(ctx context.Context, c *auth.Caller, col *inventory.Collection, seeds []templateSeed) (refused int, err error) {
	err = a.editTemplates(ctx, c, col, true, func(set *pathtmpl.Set) error {
		refused = 0 // again after a conflict
		for _, s := range seeds {
			method, err := templateMethod(s.method)
			if err != nil {
				return err
			}
			if url := pathtmpl.FromBraces(s.path); pathtmpl.IsTemplate(url) && !set.Seed(method, url) {
				refused++
			}
		}
		return nil
	})
	return refused, err
}
