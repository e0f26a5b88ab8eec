package admin

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"harken/admin/auth"
	"harken/ingest"
	"harken/inventory"
	"harken/inventory/datatype"
	"harken/inventory/fault"
	"harken/inventory/pathtmpl"
)

// Bounds of the templates of one collection while a person changes them.
const (
	maxTemplateURLs  = 1_000_000
	maxTemplateBytes = 256 << 20
	maxStateTries    = 10
	absorbChunk      = 100 // URLs of one transaction
)

// templateSet reads the templates of a collection as the learner has them stored.
func (a *API) templateSet(ctx context.Context, c *auth.Caller, col *inventory.Collection) (*pathtmpl.Set, inventory.TemplateState, error) {
	var state inventory.TemplateState
	if col.Type == inventory.TypeGroup {
		return nil, state, fault.New(fault.Invalid, "apiCollectionId: a group has no templates of its own")
	}
	s, err := c.Store.Settings(ctx)
	if err != nil {
		return nil, state, err
	}
	types, err := a.types(ctx, c)
	if err != nil {
		return nil, state, err
	}
	opt := pathtmpl.Options{
		Versions: s.MergeVersions, FoldCase: s.IgnoreCase, NoExamples: col.Redact || s.RedactPayload, MaxURLs: maxTemplateURLs, MaxBytes: maxTemplateBytes,
		Semantic: types.HasType,
	}
	if state, err = c.Store.TemplateState(ctx, col.ID); err != nil {
		return nil, state, err
	}
	set := pathtmpl.NewSet(opt)
	if len(state.Data) > 0 {
		if set, err = pathtmpl.ParseState(state.Data, opt); err != nil {
			return nil, state, fmt.Errorf("template state of collection %d: %w", col.ID, err)
		}
	}
	blocked := set.Blocked()
	err = c.Store.Keys(ctx, col.ID, func(k inventory.EndpointKey) error {
		if !slices.Contains(blocked, pathtmpl.Blocked{Method: k.Method, Template: k.URL}) {
			set.Add(k.Method, k.URL)
		}
		return nil
	})
	return set, state, err
}

// editTemplates changes the templates of a collection and stores them, again if
// the learner stored them meanwhile. due has look-alikes looked for afterwards.
func (a *API) editTemplates(ctx context.Context, c *auth.Caller, col *inventory.Collection, due bool, edit func(*pathtmpl.Set) error) error {
	for range maxStateTries {
		set, state, err := a.templateSet(ctx, c, col)
		if err != nil {
			return err
		}
		if err := edit(set); err != nil {
			return err
		}
		state.Data, state.Due = set.AppendState(nil), state.Due || due
		_, err = c.Store.PutTemplateState(ctx, col.ID, state)
		if kind, _ := fault.Of(err); err != nil && kind == fault.Conflict {
			continue
		}
		if err != nil {
			return err
		}
		return a.reload(ctx, c)
	}
	return fault.New(fault.Busy, "the templates change all the time; try again later")
}

// templateMethod is a method as endpoints have it.
func templateMethod(s string) (string, error) {
	s = strings.ToUpper(strings.TrimSpace(s))
	if s == "" || len(s) > 20 || strings.ContainsFunc(s, func(r rune) bool { return (r < 'A' || r > 'Z') && r != '-' && r != '_' }) {
		return "", fault.New(fault.Invalid, "method: is not a method")
	}
	return inventory.Method(s), nil
}

type explainResponse struct {
	Method       string               `json:"method"`
	URL          string               `json:"url"`   // by which the path is known, or would be
	Known        bool                 `json:"known"` // false: it would be new
	IsTemplate   bool                 `json:"isTemplate"`
	Rule         string               `json:"rule"` // why the template exists
	Pinned       bool                 `json:"pinned"`
	Placeholders []explainPlaceholder `json:"placeholders"`
	FirstPaths   []string             `json:"firstPaths"`
	Blocked      *string              `json:"blocked"` // the template that a person split
}

type explainPlaceholder struct {
	Index    int      `json:"index"` // of the segment
	Name     string   `json:"name"`
	Examples []string `json:"examples"`
	Distinct int64    `json:"distinct"`
	Exact    bool     `json:"exact"` // false: distinct is an estimate
}

// explainTemplate says by which URL a path is known, and why.
func (a *API) explainTemplate(ctx context.Context, c *auth.Caller, in endpointRequest) (explainResponse, error) {
	var out explainResponse
	col, err := activeCollection(ctx, c, "apiCollectionId", in.APICollectionID.N)
	if err != nil {
		return out, err
	}
	method, err := templateMethod(in.Method)
	if err != nil {
		return out, err
	}
	set, _, err := a.templateSet(ctx, c, &col)
	if err != nil {
		return out, err
	}
	ex := set.Explain(method, in.URL)
	if ex.Known && ex.IsTemplate && ex.Rule == 0 { // the learner did not store yet why it is there
		e, err := c.Store.Endpoint(ctx, inventory.EndpointKey{Collection: col.ID, URL: ex.URL, Method: method})
		if err != nil && !inventory.NotFound(err) {
			return out, err
		}
		set.Recall(method, ex.URL, e.URLValues)
		ex = set.Explain(method, in.URL)
	}
	out = explainResponse{
		Method: ex.Method, URL: ex.URL, Known: ex.Known, IsTemplate: ex.IsTemplate, Pinned: ex.Pinned,
		Placeholders: []explainPlaceholder{}, FirstPaths: orEmpty(ex.FirstPaths), Blocked: orNull(ex.Blocked),
	}
	if ex.IsTemplate {
		out.Rule = ex.Rule.String()
	}
	for _, p := range ex.Placeholders {
		out.Placeholders = append(out.Placeholders, explainPlaceholder{p.Index, p.Name, orEmpty(p.Examples), p.Distinct, p.Exact})
	}
	return out, nil
}

type pinTemplateRequest struct {
	APICollectionID Int    `json:"apiCollectionId" api:"required"`
	URL             string `json:"url" api:"required"` // a path, or a template: {x} is STRING
	Method          string `json:"method" api:"required"`
	Pinned          Bool   `json:"pinned"` // absent: true
}

type pinTemplateResponse struct {
	URL    string `json:"url"`
	Pinned bool   `json:"pinned"`
}

// pinTemplate makes a path template that no learning changes, or, with pinned false,
// lets it change again.
func (a *API) pinTemplate(ctx context.Context, c *auth.Caller, in pinTemplateRequest) (pinTemplateResponse, error) {
	out := pinTemplateResponse{URL: pathtmpl.FromBraces(in.URL), Pinned: in.Pinned.B || !in.Pinned.Set}
	col, err := findCollection(ctx, c, "apiCollectionId", in.APICollectionID.N)
	if err != nil {
		return out, err
	}
	method, err := templateMethod(in.Method)
	if err != nil {
		return out, err
	}
	return out, a.editTemplates(ctx, c, &col, true, func(set *pathtmpl.Set) error {
		if !out.Pinned {
			if !set.Unpin(method, out.URL) {
				return fault.New(fault.NotFound, "url: %s %s is not pinned", method, clip(out.URL))
			}
			return nil
		}
		if !set.Pin(method, out.URL) {
			return errTemplatesFull
		}
		return nil
	})
}

var errTemplatesFull = fault.New(fault.Invalid, "url: the collection has too many URLs to add one")

type mergeTemplatesRequest struct {
	APICollectionID Int     `json:"apiCollectionId" api:"required"`
	Method          string  `json:"method" api:"required"`
	Template        string  `json:"template" api:"required"` // with INTEGER, STRING, ..., or {x}
	URLs            Strings `json:"urls"`                    // absent: all that the template covers
}

type mergeTemplatesResponse struct {
	Template string   `json:"template"`
	Absorbed []string `json:"absorbed"`
}

// mergeTemplates makes a template of URLs: their history becomes that of the
// template.
func (a *API) mergeTemplates(ctx context.Context, c *auth.Caller, in mergeTemplatesRequest) (mergeTemplatesResponse, error) {
	out := mergeTemplatesResponse{Template: pathtmpl.FromBraces(in.Template), Absorbed: []string{}}
	col, err := findCollection(ctx, c, "apiCollectionId", in.APICollectionID.N)
	if err != nil {
		return out, err
	}
	method, err := templateMethod(in.Method)
	if err != nil {
		return out, err
	}
	if !pathtmpl.IsTemplate(out.Template) {
		return out, fault.New(fault.Invalid, "template: has no placeholder")
	}
	err = a.editTemplates(ctx, c, &col, true, func(set *pathtmpl.Set) error {
		urls := []string(in.URLs)
		if in.URLs == nil {
			set.All(func(m, url string) bool {
				if m == method && url != out.Template {
					urls = append(urls, url)
				}
				return true
			})
		}
		absorbed, ok := set.MergeUser(method, out.Template, urls)
		if !ok {
			return errTemplatesFull
		}
		if len(in.URLs) > 0 && len(absorbed) == 0 {
			return fault.New(fault.Invalid, "urls: none of the %d is a URL that the template covers and that is not pinned", len(in.URLs))
		}
		out.Absorbed = orEmpty(absorbed)
		return nil
	})
	if err != nil {
		return out, err
	}
	types, err := a.types(ctx, c)
	if err != nil {
		return out, err
	}
	s, err := c.Store.Settings(ctx)
	if err != nil {
		return out, err
	}
	redacted := col.Redact || s.RedactPayload
	for urls := range slices.Chunk(out.Absorbed, absorbChunk) {
		err := c.Store.Absorb(ctx, inventory.Absorption{
			Collection: col.ID, Method: method, Template: out.Template, URLs: urls,
			Params: func(url string) []inventory.Param { return urlParams(types, out.Template, url, redacted) },
		})
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

// urlParams are the URL parameters that an absorbed URL gives its template.
func urlParams(types *datatype.Detector, template, url string, redacted bool) []inventory.Param {
	var params []inventory.Param
	pathtmpl.Params(template, url, func(index int, _, value string) {
		if pathtmpl.IsTemplate("/" + value) {
			return // a narrower template: its own parameters move with it
		}
		p := inventory.Param{ParamKey: inventory.ParamKey{ResponseCode: -1, URLParam: true, Name: strconv.Itoa(index), Type: types.Text("", value)}}
		if !redacted && !types.Redacted(p.Type) {
			if n, err := strconv.ParseInt(value, 10, 64); err == nil {
				p.HasRange, p.Min, p.Max = true, n, n
			}
			if p.Full = len(value) > inventory.MaxValueBytes; !p.Full {
				p.Values = []string{strings.Clone(value)}
			}
		}
		params = append(params, p)
	})
	return params
}

type splitTemplateResponse struct {
	URLs      []string `json:"urls"`      // what the sampled paths are now
	Relearned int      `json:"relearned"` // samples that are learned again
}

// splitTemplate takes a template apart for good. What it covered is one history,
// which nobody can tell apart again but for the samples: these are published and
// learned anew, each by its own path, and the template is removed.
func (a *API) splitTemplate(ctx context.Context, c *auth.Caller, in endpointRequest) (splitTemplateResponse, error) {
	out := splitTemplateResponse{URLs: []string{}}
	col, err := findCollection(ctx, c, "apiCollectionId", in.APICollectionID.N)
	if err != nil {
		return out, err
	}
	e, err := newFinder(c).one(ctx, col.ID, in.URL, in.Method)
	if err != nil {
		return out, err
	}
	if !pathtmpl.IsTemplate(e.URL) {
		return out, fault.New(fault.Invalid, "url: %s is not a template", clip(e.URL))
	}
	if a.cfg.Learned != nil { // what is on its way still goes by the template
		if err := a.cfg.Learned(ctx); err != nil {
			return out, err
		}
	}
	_, paths, err := a.sampledRecords(ctx, c, &col, e.EndpointKey)
	if err != nil {
		return out, err
	}
	err = a.editTemplates(ctx, c, &col, false, func(set *pathtmpl.Set) error {
		urls := set.Split(e.Method, e.URL, paths)
		slices.Sort(urls)
		out.URLs = orEmpty(slices.Compact(urls))
		return nil
	})
	if err != nil {
		return out, err
	}
	// Only now nothing more is absorbed into it.
	recs, _, err := a.sampledRecords(ctx, c, &col, e.EndpointKey)
	if err != nil {
		return out, err
	}
	if len(recs) > 0 && a.cfg.Sink != nil {
		rejected, err := a.put(ctx, recs)
		if err != nil {
			return out, err
		}
		out.Relearned = len(recs) - len(rejected)
	}
	_, err = c.Store.DeleteEndpoints(ctx, []inventory.EndpointKey{e.EndpointKey})
	return out, err
}

// sampledRecords returns the samples of an endpoint as records to publish, and
// their paths. Redacted samples teach nothing true, so there are none.
func (a *API) sampledRecords(ctx context.Context, c *auth.Caller, col *inventory.Collection, k inventory.EndpointKey) (recs []*ingest.Record, paths []string, err error) {
	s, err := c.Store.Settings(ctx)
	if err != nil || col.Redact || s.RedactPayload {
		return nil, nil, err
	}
	samples, err := c.Store.Samples(ctx, k)
	if err != nil {
		return nil, nil, err
	}
	for i := range samples {
		rec, err := ingest.ParseRecord(samples[i].Data)
		if err != nil {
			continue
		}
		e, err := rec.Entry()
		if err != nil {
			continue
		}
		rec.Account, rec.Origin = strconv.Itoa(int(c.Account)), ingest.Origin{}
		recs, paths = append(recs, rec), append(paths, pathtmpl.Normalize(e.Request.URL))
	}
	return recs, paths, nil
}
