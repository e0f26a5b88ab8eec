package admin

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"harken/admin/auth"
	"harken/har"
	"harken/ingest"
	"harken/ingest/learn/filter"
	"harken/inventory"
	"harken/inventory/fault"
	"harken/inventory/pathtmpl"
)

// A file is an answer that is written as it is made.
type file struct {
	name, kind string
	write      func(ctx context.Context, w io.Writer) error
}

// send writes the file. When that fails halfway the connection is broken, so that
// nobody takes the part for the whole.
func (f *file) send(a *API, c *call) {
	h := c.w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Content-Disposition", `attachment; filename="`+f.name+`"`)
	c.w.WriteHeader(http.StatusOK)
	if c.r.Method == http.MethodHead {
		return
	}
	if err := f.write(c.r.Context(), c.w); err != nil {
		if c.r.Context().Err() == nil {
			a.log.ErrorContext(c.r.Context(), "download broken off", "path", c.route.url(), "err", err)
		}
		panic(http.ErrAbortHandler)
	}
}

type recordsHARRequest struct {
	Collection Int    `json:"collection"`
	Endpoint   string `json:"endpoint"` // "METHOD URL"
	From       Int    `json:"from"`     // Unix seconds
	To         Int    `json:"to"`       // Unix seconds, not included
}

// recordsHAR gives the recorded traffic as a HAR file, all or that of a collection,
// an endpoint or a time. What is redacted now is left out, also of what was recorded
// before.
func (a *API) recordsHAR(ctx context.Context, c *auth.Caller, in recordsHARRequest) (*file, error) {
	d := &harDump{api: a, caller: c, account: strconv.Itoa(int(c.Account))}
	for _, t := range []struct {
		name string
		in   Int
		to   *time.Time
	}{{"from", in.From, &d.from}, {"to", in.To, &d.to}} {
		if t.in.N < 0 || t.in.N > 1<<40 {
			return nil, fault.New(fault.Invalid, "%s: must be a time in Unix seconds", t.name)
		}
		if t.in.Set {
			*t.to = time.Unix(t.in.N, 0)
		}
	}
	name := "harken"
	if in.Collection.Set {
		col, err := findCollection(ctx, c, "collection", in.Collection.N)
		if err != nil {
			return nil, err
		}
		d.only = &col
		name += "-" + safeName(col.DisplayName())
	}
	if in.Endpoint != "" {
		if err := d.pick(ctx, in.Endpoint); err != nil {
			return nil, err
		}
		name += "-" + safeName(in.Endpoint)
	}
	if err := d.prepare(ctx); err != nil {
		return nil, err
	}
	return &file{name: name + ".har", kind: "application/json; charset=utf-8", write: d.write}, nil
}

// safeName is a part of a file name that needs no quoting anywhere.
func safeName(s string) string {
	s = strings.Trim(strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '.' || r == '_' {
			return r
		}
		return '-'
	}, s), "-.")
	return s[:min(len(s), 60)]
}

// A harDump writes the records that a caller may see and asked for.
type harDump struct {
	api      *API
	caller   *auth.Caller
	account  string
	from, to time.Time
	only     *inventory.Collection // nil: all
	hosts    map[string]int32      // host to collection, of the whole account
	// The endpoints whose records are wanted, and by collection the paths of all
	// endpoints, to tell theirs from those of others; nil if whole collections are
	// wanted.
	wanted map[inventory.EndpointKey]bool
	paths  map[int32]*pathtmpl.Set
	names  *filter.Filter // which hosts have another name; nil if none has
	mask   *masker
}

// pick reads "METHOD URL", the text of which the page makes links.
func (d *harDump) pick(ctx context.Context, text string) error {
	method, target, ok := strings.Cut(strings.TrimSpace(text), " ")
	if !ok {
		return fault.New(fault.Invalid, "endpoint: must be a method, a space and a URL, such as GET /users/INTEGER")
	}
	if d.only == nil {
		return fault.New(fault.Invalid, "collection: is required when endpoint is given")
	}
	found, err := newFinder(d.caller).find(ctx, d.only.ID, strings.TrimSpace(target), method)
	if err != nil {
		return err
	}
	d.wanted = map[inventory.EndpointKey]bool{}
	for i := range found {
		d.wanted[found[i].EndpointKey] = true
	}
	return nil
}

// prepare reads what tells whose a record is. The paths are those of the account
// and not of the caller: a path that the caller does not see must not pass for one
// of a template that they see.
func (d *harDump) prepare(ctx context.Context) error {
	full := d.api.cfg.Stores.Full(d.caller.Account)
	all, err := full.Collections(ctx)
	if err != nil {
		return err
	}
	d.hosts = make(map[string]int32, len(all))
	for i := range all {
		if all[i].HostName != "" {
			d.hosts[all[i].HostName] = all[i].ID
		}
	}
	settings, err := full.Settings(ctx)
	if err != nil {
		return err
	}
	if len(settings.NameMapper) > 0 {
		if d.names, err = hostNames(&settings); err != nil {
			return err
		}
	}
	if d.mask, err = d.api.newMasker(ctx, d.caller, &settings, all); err != nil {
		return err
	}
	if err := d.members(ctx); err != nil {
		return err
	}
	d.paths = map[int32]*pathtmpl.Set{}
	for k := range d.wanted {
		if d.paths[k.Collection] != nil {
			continue
		}
		set := pathtmpl.NewSet(pathtmpl.Options{})
		d.paths[k.Collection] = set
		if err := full.Keys(ctx, k.Collection, func(k inventory.EndpointKey) error { set.Add(k.Method, k.URL); return nil }); err != nil {
			return err
		}
	}
	return nil
}

// members adds what is in the group that was asked for, or, for all records, in
// those that a limited caller sees.
func (d *harDump) members(ctx context.Context) error {
	if d.wanted != nil {
		return nil
	}
	var groups []int32
	switch {
	case d.only != nil && d.only.Type == inventory.TypeGroup:
		groups = []int32{d.only.ID}
	case d.only == nil && d.caller.Restricted():
		cols, err := d.caller.Store.Collections(ctx)
		if err != nil {
			return err
		}
		for i := range cols {
			if cols[i].Type == inventory.TypeGroup {
				groups = append(groups, cols[i].ID)
			}
		}
	default:
		return nil
	}
	d.wanted = map[inventory.EndpointKey]bool{}
	for _, id := range groups {
		if err := d.caller.Store.Keys(ctx, id, func(k inventory.EndpointKey) error { d.wanted[k] = true; return nil }); err != nil {
			return err
		}
	}
	return nil
}

func (d *harDump) write(ctx context.Context, w io.Writer) error {
	head := har.Head{Version: d.api.cfg.Version}
	if d.api.cfg.Records == nil {
		head.Comment = "There is no embedded record log: these are the stored samples of each endpoint, not all that was recorded."
	}
	out := har.NewWriter(w, head)
	var err error
	if d.api.cfg.Records == nil {
		err = d.samples(ctx, out)
	} else {
		err = d.api.cfg.Records.Scan(ctx, d.from, d.to, func(r *ingest.Record) error { return d.record(ctx, out, r) })
	}
	if err != nil {
		return err
	}
	return out.Close()
}

// record writes one record of the log, if it belongs to what was asked for.
func (d *harDump) record(ctx context.Context, out *har.Writer, r *ingest.Record) error {
	if r.Account != d.account {
		return nil
	}
	id, known := d.collectionOf(r)
	if !known {
		// Without a collection it is nobody's but the whole account's.
		if d.only != nil || d.caller.Restricted() {
			return nil
		}
	} else if !d.whole(id) && d.paths[id] == nil {
		return nil
	}
	touched := d.mask.touches(r.Source, id, known)
	if (!known || d.whole(id)) && r.Form == ingest.FormHAR && !touched {
		return out.Write(r.Data) // as it came: most of a download is copied and never decoded
	}
	var e har.Entry
	if err := r.DecodeEntry(&e); err != nil {
		return nil //nolint:nilerr // a record that cannot be read was counted when it was learned
	}
	if known && !d.whole(id) {
		k := inventory.EndpointKey{Collection: id, Method: inventory.Method(e.Method())}
		k.URL, _ = d.paths[id].Match(k.Method, pathtmpl.Normalize(e.Request.URL))
		if !d.wanted[k] {
			return nil
		}
	}
	if touched {
		if err := d.mask.mask(ctx, &e, r.Source, id, known); err != nil {
			return err
		}
	} else if r.Form == ingest.FormHAR {
		return out.Write(r.Data)
	}
	return out.Write(har.AppendEntry(nil, &e))
}

// whole says whether all records of a collection are wanted.
func (d *harDump) whole(id int32) bool {
	if d.only != nil {
		return d.wanted == nil && id == d.only.ID
	}
	return d.caller.Sees(id)
}

// collectionOf says in which collection a record belongs: live traffic in that of
// its host, everything else in the one that it names. It is false for a host
// whose records were all dropped before a collection was made.
func (d *harDump) collectionOf(r *ingest.Record) (int32, bool) {
	if !filter.HostMode(r.Source) {
		return r.Collection, true
	}
	raw := r.Host
	if d.names != nil {
		if e, err := r.Entry(); err == nil {
			raw = cmp.Or(d.names.MapHost(e), raw)
		}
	}
	host, ip := filter.CollectionHost(raw, "") // without the port of the scheme
	if ip {
		if host = filter.IPHost(raw, ""); d.hosts[host] == 0 {
			return 0, true // as long as addresses have no collections of their own
		}
	}
	if host == "" {
		return r.Collection, true
	}
	id, ok := d.hosts[strings.ToLower(strings.TrimSpace(raw))]
	if !ok {
		id, ok = d.hosts[host]
	}
	return id, ok
}

// samples writes the stored samples, for want of a log.
func (d *harDump) samples(ctx context.Context, out *har.Writer) error {
	one := func(e *inventory.Endpoint) error {
		if d.only != nil && d.wanted != nil && !d.wanted[e.EndpointKey] {
			return nil
		}
		return d.samplesOf(ctx, out, e.EndpointKey)
	}
	if d.only != nil {
		return eachEndpoint(ctx, d.caller, d.only.ID, 0, one)
	}
	return eachVisible(ctx, d.caller, func(e *inventory.Endpoint, _ *inventory.Collection) error { return one(e) })
}

func (d *harDump) samplesOf(ctx context.Context, out *har.Writer, k inventory.EndpointKey) error {
	list, err := d.caller.Store.Samples(ctx, k)
	if err != nil {
		return err
	}
	for i := range list {
		at := time.Unix(list[i].Time, 0)
		if at.Before(d.from) || !d.to.IsZero() && !at.Before(d.to) {
			continue
		}
		r, err := ingest.ParseRecord(list[i].Data)
		if err != nil {
			return err
		}
		data := r.Data
		if r.Form != ingest.FormHAR {
			e, err := r.Entry()
			if err != nil {
				return err
			}
			data = har.AppendEntry(nil, e)
		}
		if err := out.Write(data); err != nil {
			return err
		}
	}
	return nil
}
