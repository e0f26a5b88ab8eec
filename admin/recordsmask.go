package admin

import (
	"bytes"
	"context"
	"strings"

	"harken/admin/auth"
	"harken/har"
	"harken/har/redact"
	"harken/ingest"
	"harken/ingest/learn/filter"
	"harken/inventory"
	"harken/inventory/datatype"
	"harken/inventory/pathtmpl"
)

// maxMaskBytes bounds the templates that a masker remembers.
const maxMaskBytes = 64 << 20

// A masker leaves out of recorded traffic what the inventory does not store of it: the
// log has records as they came.
type masker struct {
	st       inventory.FullStore
	settings inventory.Settings
	redacted map[int32]bool // collections
	types    *datatype.Detector
	options  pathtmpl.Options
	all      *redact.Redactor
	typed    *redact.Redactor // nil if no type is redacted

	templates map[int32]*pathtmpl.Set // of collections that were met
	bytes     int64
}

func (a *API) newMasker(ctx context.Context, c *auth.Caller, settings *inventory.Settings, cols []inventory.Collection) (*masker, error) {
	types, err := a.types(ctx, c)
	if err != nil {
		return nil, err
	}
	m := &masker{
		st: a.cfg.Stores.Full(c.Account), settings: *settings, redacted: map[int32]bool{}, types: types, templates: map[int32]*pathtmpl.Set{},
		options: pathtmpl.Options{Versions: true, FoldCase: settings.IgnoreCase, Semantic: types.HasType},
	}
	for i := range cols {
		if cols[i].Redact {
			m.redacted[cols[i].ID] = true
		}
	}
	if m.all, err = redact.New(redact.Config{All: true}); err == nil && len(types.RedactedTypes()) > 0 {
		m.typed, err = redact.New(redact.Config{Types: types.RedactedText})
	}
	return m, err
}

// hides reports whether only the shape of a record may be seen. A record whose
// collection is not known may belong to any.
func (m *masker) hides(source string, collection int32, known bool) bool {
	return m.settings.Redacts(source) || m.redacted[collection] && known || len(m.redacted) > 0 && !known
}

// touches reports whether a record may not be given as it came.
func (m *masker) touches(source string, collection int32, known bool) bool {
	return m.typed != nil || m.hides(source, collection, known)
}

// mask takes out of an entry what may not be seen.
func (m *masker) mask(ctx context.Context, e *har.Entry, source string, collection int32, known bool) error {
	path := pathtmpl.Normalize(e.Request.URL)
	template, fits := "", false
	if known {
		set, err := m.templatesOf(ctx, collection)
		if err != nil {
			return err
		}
		template, fits = set.Match(inventory.Method(e.Method()), path)
	}
	if !m.hides(source, collection, known) {
		m.typed.Entry(e, template)
		return nil
	}
	if !fits { // it was not learned
		template, _ = pathtmpl.Parameterize(path, m.options)
	}
	m.all.Entry(e, template)
	return nil
}

// templatesOf reads the templates of a collection.
func (m *masker) templatesOf(ctx context.Context, collection int32) (*pathtmpl.Set, error) {
	if set := m.templates[collection]; set != nil {
		return set, nil
	}
	set := pathtmpl.NewSet(m.options)
	err := m.st.Keys(ctx, collection, func(k inventory.EndpointKey) error {
		if pathtmpl.IsTemplate(k.URL) {
			set.Add(k.Method, k.URL)
		}
		return nil
	})
	if m.bytes += set.Bytes(); m.bytes > maxMaskBytes {
		clear(m.templates)
		m.bytes = set.Bytes()
	}
	m.templates[collection] = set
	return set, err
}

// tells reports whether something that is stored of an endpoint is of a type that is
// redacted, or has a value of one in it.
func (m *masker) tells(ctx context.Context, k inventory.EndpointKey) (bool, error) {
	e, err := m.st.Endpoint(ctx, k)
	if err != nil || m.paramsTell(&e) {
		return err == nil, err
	}
	samples, err := m.st.Samples(ctx, k)
	if err != nil {
		return false, err
	}
	sensitive, err := m.st.SensitiveSamples(ctx, k)
	if err != nil {
		return false, err
	}
	for i := range sensitive {
		samples = append(samples, sensitive[i].Sample)
	}
	for i := range samples {
		rec, err := ingest.ParseRecord(samples[i].Data)
		if err != nil {
			return true, nil //nolint:nilerr // what cannot be read cannot be told to be harmless
		}
		entry, err := rec.Entry()
		if err != nil {
			return true, nil //nolint:nilerr // as above
		}
		before := har.AppendEntry(nil, entry)
		if m.typed.Entry(entry, k.URL); !bytes.Equal(before, har.AppendEntry(nil, entry)) {
			return true, nil
		}
	}
	return false, nil
}

func (m *masker) paramsTell(e *inventory.Endpoint) bool {
	graph := strings.Contains(e.URL, "graph")
	for i := range e.Params {
		p := &e.Params[i]
		if m.types.Redacted(p.Type) && (len(p.Values) > 0 || p.HasRange) {
			return true
		}
		key := p.Name
		if !p.Header && !p.Query && !p.URLParam {
			key = datatype.Key(p.Name)
		}
		for _, v := range p.Values {
			if _, changes := m.typed.Value(p.Header, graph, key, v); changes {
				return true
			}
		}
	}
	return false
}

// hostNames compiles which hosts have another name.
func hostNames(s *inventory.Settings) (*filter.Filter, error) {
	fs, err := filterSettings(s)
	if err != nil {
		return nil, err
	}
	// What is wrong in an entry of a former version is left out, as the learner does.
	f, _ := filter.Compile(fs)
	return f, nil
}
