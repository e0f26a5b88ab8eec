package learn

import (
	"cmp"
	"context"
	"errors"
	"hash/maphash"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"harken/har"
	"harken/ingest"
	"harken/ingest/learn/filter"
	"harken/inventory"
	"harken/inventory/extract"
)

// Reasons for which the learner itself drops a record; filter has the others.
const (
	reasonUndecodable = "undecodable"
	reasonPanic       = "panic"
	reasonAccount     = "account"
	reasonDeactivated = "deactivated"
)

// A worker holds what learning one record needs and is used again for the next.
type worker struct {
	decoder   har.Decoder
	entry     har.Entry // is part of decoder's memory: what lasts has to be copied
	extract   extract.Extractor
	params    []extract.Param
	auth      authDetector
	collect   func(extract.Param)
	sensitive []*typed // that the record has
	encoded   []byte   // the changed entry
	seed      maphash.Seed
}

// learnRecord learns one record, unless it was learned before, and moves its
// mark. It reports false if ctx ended before the store could say where the record
// belongs; nothing was learned then.
func (l *Learner) learnRecord(ctx context.Context, partition string, r *ingest.Record) bool {
	shard := shardOf(r)
	var at *position
	if r.Origin.Log != "" {
		at = l.waiting.position(r.Origin.Log, partition)
		if l.waiting.repeats(at, shard, r.Origin.Seq) {
			l.metrics.repeats.Inc()
			return true
		}
	}
	a := l.waiting.part(shard)
	l.now = a
	before := a.size()
	ok := l.learn(ctx, r)
	l.waiting.held += a.size() - before
	if !ok {
		return false
	}
	a.records++
	if at != nil {
		a.saw(at, r.Origin.Seq)
	}
	if a.records >= l.cfg.FlushRecords || a.work() >= max(l.budget, minPart) {
		l.waiting.urgent = a
	}
	return true
}

// learn is false only if ctx ended. A panic costs one record.
func (l *Learner) learn(ctx context.Context, r *ingest.Record) (ok bool) {
	account := inventory.DefaultAccount
	defer func() {
		if p := recover(); p != nil {
			l.drop(account, nil, r, nil, reasonPanic)
			if l.panics++; l.panics&(l.panics-1) == 0 { // not one line each, should all of them do it
				l.log.Error("record not learned", "panic", p, "panics", l.panics, "id", r.ID, "stack", string(debug.Stack()))
			}
			ok = true
		}
	}()
	if r.Account != "" {
		id, err := strconv.ParseInt(r.Account, 10, 32)
		if err != nil {
			l.metrics.dropped.WithLabelValues(reasonAccount).Inc()
			l.metrics.filtered.Inc()
			return true
		}
		account = int32(id)
	}
	cfg := l.configOf(ctx, account)
	if cfg == nil {
		return false
	}
	e := &l.work.entry
	if err := r.DecodeEntryBy(&l.work.decoder, e); err != nil {
		if errors.Is(err, ingest.ErrProbe) {
			l.metrics.probes.Inc()
			return true
		}
		l.metrics.undecodable.Inc()
		l.drop(account, cfg, r, nil, reasonUndecodable)
		return true
	}
	if keep, rule := cfg.filter.Keep(e, r.Source); !keep {
		l.metrics.filtered.Inc()
		l.drop(account, cfg, r, e, rule)
		return true
	}
	return l.learnEntry(ctx, r, e, account, cfg)
}

func (l *Learner) learnEntry(ctx context.Context, r *ingest.Record, e *har.Entry, account int32, cfg *accountConfig) bool {
	scheme, authority := origin(e.Request.URL)
	c := l.collectionOf(ctx, r, e, account, cfg, scheme, authority)
	if c == nil {
		return false
	}
	if c.deactivated {
		l.metrics.filtered.Inc()
		l.drop(account, cfg, r, e, reasonDeactivated)
		return true
	}
	at := l.timeOf(r, e)
	l.label(ctx, c, r, e, at)
	x := observed{
		Record: r, entry: e, account: account, cfg: cfg, c: c, at: at,
		redact: c.redact || cfg.settings.Redacts(r.Source),
	}
	if scheme != "" && authority != "" {
		x.origin = e.Request.URL[:len(scheme)+3+len(authority)]
		if !strings.HasSuffix(x.origin, authority) { // a user stands before the host
			x.origin = scheme + "://" + authority
		}
	}
	parts := l.work.extract.Split(e)
	if len(parts) == 0 {
		return l.learnPart(ctx, &x, nil)
	}
	for i := range parts {
		if !l.learnPart(ctx, &x, &parts[i]) {
			return false // at the first one, which alone may have to wait
		}
	}
	return true
}

// An observed is a record that counts, and what all its parts share.
type observed struct {
	*ingest.Record
	entry   *har.Entry
	account int32
	cfg     *accountConfig
	c       *collection
	at      int64
	origin  string
	redact  bool // no values are kept
	caller  inventory.Callers
	data    []byte // of the sample, once it is known
}

// learnPart learns a whole request, or the part of it that is an endpoint of its
// own.
func (l *Learner) learnPart(ctx context.Context, x *observed, part *extract.Part) bool {
	raw := x.entry.Request.URL
	if part != nil {
		raw = part.URL
	}
	method := inventory.Method(x.entry.Method())
	url, template, ok := l.resolve(ctx, x.c, x.cfg, method, raw, part != nil && (x.c.mcp || isMCP(raw)))
	if !ok {
		return false
	}
	key := inventory.EndpointKey{Collection: x.c.id, URL: url, Method: method}
	if !x.cfg.limiter.Allow(l.work.hash(&key), time.Unix(x.at, 0)) {
		l.metrics.filtered.Inc()
		l.drop(x.account, x.cfg, x.Record, x.entry, filter.RateLimit)
		return true
	}
	pattern := ""
	if template {
		pattern = url
	}
	w := &l.work
	w.find(x.entry, part, pattern)
	ep := l.now.endpoint(x.account, key, x.cfg)
	ep.observe(x.at, x.Source, x.entry)
	if x.origin != "" {
		ep.origins = insert(ep.origins, x.origin, inventory.MaxOrigins, strings.Clone)
	}
	ways := authSet{ways: w.auth.find(x.entry)}
	x.caller = w.auth.caller
	ep.callers.Merge(x.caller)
	if x.cfg.auth != nil {
		ways.custom = custom(x.cfg.auth, x.c.id, x.entry)
	}
	ep.auth = addAuth(ep.auth, ways, x.at)
	if t := w.access(x); t != "" {
		ep.access = insert(ep.access, t, inventory.MaxOrigins, same)
	}
	w.sensitive = w.sensitive[:0]
	ep.expect(len(w.params))
	for i := range w.params {
		if t := l.now.param(ep, i, &w.params[i], x); t.sensitive {
			w.sensitive = append(w.sensitive, t)
		}
	}
	l.now.account(x.account).learned(x.c.id, x.redact, x.cfg)
	l.sample(ep, x, pattern)
	l.metrics.learned.Inc()
	return true
}

// learned notes whether all that an aggregate holds of a collection is redacted.
func (p *accountPart) learned(collection int32, redacted bool, cfg *accountConfig) {
	if all, known := p.redacted[collection]; !known || all && !redacted {
		p.redacted[collection] = redacted
	}
	p.redactedBy(cfg)
}

// redactedBy notes by which configuration values and examples were redacted.
func (p *accountPart) redactedBy(cfg *accountConfig) {
	switch {
	case p.redaction == nil:
		r := cfg.redaction
		p.redaction = &r
	case *p.redaction != cfg.redaction:
		*p.redaction = p.redaction.With(cfg.redaction)
	}
}

// find collects the parameters.
func (w *worker) find(e *har.Entry, part *extract.Part, template string) {
	w.params = w.params[:0]
	if w.collect == nil {
		w.collect = func(p extract.Param) { w.params = append(w.params, p) }
	}
	if part != nil {
		w.extract.Part(e, part, template, w.collect)
		return
	}
	w.extract.Entry(e, template, w.collect)
}

// access tells where the peers of a record are.
func (w *worker) access(x *observed) string {
	peers := w.auth.forwarded
	direction := x.Direction
	peers = append(peers, x.entry.Server())
	if m := x.entry.Harken; m != nil {
		peers = append(peers, m.Client)
		direction = cmp.Or(direction, m.Direction)
	}
	w.auth.forwarded = peers
	return x.cfg.access.Type(direction, peers...)
}

// hash names an endpoint to the limiter.
func (w *worker) hash(k *inventory.EndpointKey) uint64 {
	if w.seed == (maphash.Seed{}) {
		w.seed = maphash.MakeSeed()
	}
	return maphash.Comparable(w.seed, *k)
}

// sample keeps the record as an example.
func (l *Learner) sample(ep *endpoint, x *observed, template string) {
	if x.data == nil {
		switch {
		case x.redact:
			x.cfg.all.Entry(x.entry, template)
		case x.cfg.typed != nil:
			x.cfg.typed.Entry(x.entry, template)
		}
		x.data = x.Data
		if x.redact || x.cfg.typed != nil || x.cfg.edits {
			l.work.encoded = har.AppendEntry(l.work.encoded[:0], x.entry)
			x.data = l.work.encoded
		}
	}
	if x.redact {
		l.work.sensitive = l.work.sensitive[:0]
	}
	// Counted first: the record may be what makes the one in its place too old.
	of := count(l.work.sensitive, nil)
	old := l.now.leave(ep, &l.pool)
	l.now.sample(ep, x.Record, x.account, x.at, l.pool.copyOf(x.data, old), of)
}

// endpoint returns the endpoint with a key, which may share memory with an entry. One
// of before is used again only under the configuration that named its types.
func (a *aggregate) endpoint(account int32, k inventory.EndpointKey, cfg *accountConfig) *endpoint {
	part := a.account(account)
	ep := part.endpoints[k]
	if ep == nil {
		if ep = a.past.take(account, k); ep == nil || ep.cfg != cfg {
			k.URL, k.Method = strings.Clone(k.URL), strings.Clone(k.Method)
			ep = &endpoint{key: k, cfg: cfg, size: endpointBytes}
		}
		part.endpoints[ep.key] = ep
		a.endpoints++
		a.bytes += ep.size
	}
	return ep
}

// observe notes the facts of one record.
func (ep *endpoint) observe(at int64, source string, e *har.Entry) {
	ep.count++
	if ep.count == 1 || at < ep.first {
		ep.first = at
	}
	if ep.count == 1 || at > ep.last {
		ep.last = at
	}
	if t := apiType(ep.key.URL, e); ep.count == 1 {
		ep.apiType = t
	} else if t != ep.apiType {
		ep.apiType = inventory.MaxAPIType(ep.apiType, t)
	}
	if e.Response.Status > 0 {
		ep.sawCode(e.Response.Status, at)
	}
	ep.sawSource(source, at)
	count := inventory.TrafficCount{Start: inventory.HourOf(at), Status: max(0, e.Response.Status), Count: 1}
	for i := range ep.traffic {
		if c := &ep.traffic[i]; c.Start == count.Start && c.Status == count.Status && !c.Day {
			c.Count++
			return
		}
	}
	ep.traffic = inventory.MergeTraffic(ep.traffic, []inventory.TrafficCount{count})
}

// sawCode notes a status.
func (ep *endpoint) sawCode(code int, at int64) {
	i, found := slices.BinarySearch(ep.codes, code)
	switch {
	case found:
		ep.codeSeen[i] = min(ep.codeSeen[i], at)
	case i < inventory.MaxCodes:
		ep.codes, ep.codeSeen = slices.Insert(ep.codes, i, code), slices.Insert(ep.codeSeen, i, at)
		n := min(len(ep.codes), inventory.MaxCodes)
		ep.codes, ep.codeSeen = ep.codes[:n], ep.codeSeen[:n]
	}
}

// apiType tells what kind of API a request is of.
func apiType(url string, e *har.Entry) string {
	if strings.Contains(url, "graph") {
		return "GRAPHQL"
	}
	if e.IsWebSocket() {
		return "WEBSOCKET"
	}
	ct, _ := har.HeaderValue(e.Request.Headers, "content-type")
	switch {
	case ct == "" || containsFold(ct, "json") || containsFold(ct, "form"):
		return "REST" // also multipart/form-data
	case containsFold(ct, "soap") || containsFold(ct, "xml"):
		return "SOAP"
	case containsFold(ct, "grpc"):
		return "GRPC"
	}
	return "REST"
}

// containsFold reports whether s has the lower-case ASCII text sub in any case.
func containsFold(s, sub string) bool {
	for i := 0; i+len(sub) <= len(s); i++ {
		if strings.EqualFold(s[i:i+len(sub)], sub) {
			return true
		}
	}
	return false
}
