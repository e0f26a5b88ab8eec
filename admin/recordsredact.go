package admin

import (
	"context"

	"harken/admin/auth"
	"harken/har"
	"harken/har/redact"
	"harken/ingest"
	"harken/inventory"
	"harken/inventory/datatype"
	"harken/inventory/pathtmpl"
)

// maxRedactedPaths bounds the collections whose paths are remembered by a logRedactor.
const maxRedactedPaths = 100

// A logRedactor replaces in records of the log what people have redacted: the log
// keeps them as they came. It is for one goroutine.
type logRedactor struct {
	store      inventory.FullStore
	settings   inventory.Settings
	redacted   map[int32]bool // by collection
	detector   *datatype.Detector
	all, typed *redact.Redactor // typed is nil if no type is redacted
	paths      map[int32]*pathtmpl.Set
}

// newLogRedactor reads what is redacted in the caller's account, of which cols are
// all collections.
func (a *API) newLogRedactor(ctx context.Context, c *auth.Caller, cols []inventory.Collection) (*logRedactor, error) {
	r := &logRedactor{store: a.cfg.Stores.Full(c.Account), redacted: map[int32]bool{}, paths: map[int32]*pathtmpl.Set{}}
	for i := range cols {
		if cols[i].Redact {
			r.redacted[cols[i].ID] = true
		}
	}
	var err error
	if r.settings, err = r.store.Settings(ctx); err != nil {
		return nil, err
	}
	if r.detector, err = a.types(ctx, c); err != nil {
		return nil, err
	}
	if r.all, err = redact.New(redact.Config{All: true}); err != nil {
		return nil, err
	}
	if len(r.detector.RedactedTypes()) > 0 {
		r.typed, err = redact.New(redact.Config{Types: r.detector.RedactedText})
	}
	return r, err
}

// wholly says whether nothing of a record may be shown but its shape. One whose
// collection is not known may belong to any.
func (r *logRedactor) wholly(rec *ingest.Record, collection int32, known bool) bool {
	return r.settings.Redacts(rec.Source) || known && r.redacted[collection] || !known && len(r.redacted) > 0
}

// concerns says whether something of a record may have to be replaced.
func (r *logRedactor) concerns(rec *ingest.Record, collection int32, known bool) bool {
	return r.typed != nil || r.wholly(rec, collection, known)
}

// entry replaces it in the entry of a record.
func (r *logRedactor) entry(ctx context.Context, rec *ingest.Record, e *har.Entry, collection int32, known bool) error {
	if !r.wholly(rec, collection, known) {
		if r.typed != nil {
			r.typed.Entry(e, "")
		}
		return nil
	}
	template, ok, path := "", false, pathtmpl.Normalize(e.Request.URL)
	if known {
		set, err := r.pathsOf(ctx, collection)
		if err != nil {
			return err
		}
		template, ok = set.Match(inventory.EndpointMethod(e.Method()), path)
	}
	if !ok { // it was not learned
		template, _ = pathtmpl.Parameterize(path, pathtmpl.Options{Versions: true, Semantic: r.detector.HasType})
	}
	r.all.Entry(e, template)
	return nil
}

func (r *logRedactor) pathsOf(ctx context.Context, collection int32) (*pathtmpl.Set, error) {
	if set := r.paths[collection]; set != nil {
		return set, nil
	}
	if len(r.paths) >= maxRedactedPaths {
		clear(r.paths)
	}
	set := pathtmpl.NewSet(pathtmpl.Options{})
	r.paths[collection] = set
	return set, r.store.Keys(ctx, collection, func(k inventory.EndpointKey) error { set.Add(k.Method, k.URL); return nil })
}
