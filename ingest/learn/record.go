package learn

import (
	"context"
	"errors"
	"math"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"harken/har"
	"harken/ingest"
	"harken/ingest/learn/filter"
	"harken/inventory"
	"harken/inventory/datatype"
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
	entry    har.Entry
	extract  extract.Extractor
	detector datatype.Detector
	params   []extract.Param
	auth     authDetector
	collect  func(extract.Param)
}

// learnRecord learns one record, unless it was learned before, and moves its
// mark. It reports false if ctx ended before the store could say where the record
// belongs; nothing was learned then.
func (l *Learner) learnRecord(ctx context.Context, partition string, r *ingest.Record) bool {
	mark := inventory.Mark{Log: r.Origin.Log, Partition: partition}
	numbered := r.Origin.Log != ""
	if numbered {
		if at, ok := l.read[mark]; ok && r.Origin.Seq <= at {
			l.metrics.repeats.Inc()
			return true
		}
	}
	if !l.learn(ctx, r) {
		return false
	}
	l.now.records++
	if numbered {
		l.read[mark] = r.Origin.Seq
		l.now.marks[mark] = r.Origin.Seq
	}
	return true
}

// learn is false only if ctx ended. A panic costs one record.
func (l *Learner) learn(ctx context.Context, r *ingest.Record) (ok bool) {
	account := inventory.DefaultAccount
	defer func() {
		if p := recover(); p != nil {
			l.drop(account, reasonPanic)
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
	e := &l.work.entry
	if err := r.DecodeEntry(e); err != nil {
		if errors.Is(err, ingest.ErrProbe) {
			l.metrics.probes.Inc()
			return true
		}
		l.metrics.undecodable.Inc()
		l.drop(account, reasonUndecodable)
		return true
	}
	if keep, rule := filter.Keep(e, r.Source); !keep {
		l.metrics.filtered.Inc()
		l.drop(account, rule)
		return true
	}
	return l.learnEntry(ctx, r, e, account)
}

// drop counts a record that is not learned.
func (l *Learner) drop(account int32, reason string) {
	l.metrics.dropped.WithLabelValues(reason).Inc()
	l.now.account(account).dropped[reason]++
}

func (l *Learner) learnEntry(ctx context.Context, r *ingest.Record, e *har.Entry, account int32) bool {
	scheme, authority := origin(e.Request.URL)
	c := l.collectionOf(ctx, r, e, account, scheme, authority)
	if c == nil {
		return false
	}
	if c.deactivated {
		l.metrics.filtered.Inc()
		l.drop(account, reasonDeactivated)
		return true
	}
	url, template, ok := l.resolve(ctx, c, e)
	if !ok {
		return false
	}
	w := &l.work
	w.params = w.params[:0]
	if w.collect == nil {
		w.collect = func(p extract.Param) { w.params = append(w.params, p) }
	}
	pattern := ""
	if template {
		pattern = url
	}
	w.extract.Entry(e, pattern, w.collect)

	at := r.Time.Unix()
	if r.Time.IsZero() {
		at = e.Started.Unix()
		if e.Started.IsZero() {
			at = l.cfg.Now().Unix()
		}
	}
	ep := l.now.endpoint(account, inventory.EndpointKey{Collection: c.id, URL: url, Method: e.Request.Method})
	ep.observe(at, r.Source, e)
	if scheme != "" && authority != "" {
		o := e.Request.URL[:len(scheme)+3+len(authority)]
		if !strings.HasSuffix(o, authority) { // a user stands before the host
			o = scheme + "://" + authority
		}
		ep.origins = insert(ep.origins, o, inventory.MaxOrigins, strings.Clone)
	}
	ep.auth = w.auth.add(ep.auth, e)
	for i := range w.params {
		l.now.param(ep, i, &w.params[i], at, &w.detector, c.redact)
	}
	l.sample(ep, r, account, at, c)
	l.metrics.learned.Inc()
	return true
}

// sample keeps the record as an example.
func (l *Learner) sample(ep *endpoint, r *ingest.Record, account int32, at int64, c *collection) {
	data := r.Data
	if c.redact {
		if l.cfg.Redact == nil {
			return
		}
		var err error
		if data, err = l.cfg.Redact(r); err != nil {
			l.log.Debug("sample not kept: it cannot be redacted", "id", r.ID, "err", err)
			return
		}
	}
	old := ep.ring[ep.sampled%len(ep.ring)].Data
	l.now.sample(ep, r, account, at, l.pool.copyOf(data, old))
}

// endpoint returns the endpoint with a key, which may share memory with an entry.
func (a *aggregate) endpoint(account int32, k inventory.EndpointKey) *endpoint {
	part := a.account(account)
	ep := part.endpoints[k]
	if ep == nil {
		k.URL, k.Method = strings.Clone(k.URL), strings.Clone(k.Method)
		ep = &endpoint{key: k, params: map[paramKey]*param{}}
		part.endpoints[k] = ep
		a.endpoints++
		a.bytes += endpointBytes
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
		ep.codes = insert(ep.codes, e.Response.Status, 1000, same)
	}
	ep.sawSource(source, at)
}

// apiType tells what kind of API a request is of.
func apiType(url string, e *har.Entry) string {
	if strings.Contains(url, "graph") {
		return "GRAPHQL"
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

// param notes one occurrence of a parameter, the one number i of its record. The
// records of an endpoint mostly have the same parameters in the same order, which
// saves looking them up.
func (a *aggregate) param(ep *endpoint, i int, x *extract.Param, at int64, d *datatype.Detector, redact bool) {
	k := paramKey{place: x.Place, status: x.Status, name: x.Name}
	var p *param
	if i < len(ep.order) && ep.order[i].key == k {
		p = ep.order[i]
	} else {
		if p = ep.params[k]; p == nil {
			p = &param{key: k}
			ep.params[k] = p
			a.bytes += paramBytes
		}
		if i < len(ep.order) {
			ep.order[i] = p
		} else if i == len(ep.order) && i < maxOrder {
			ep.order = append(ep.order, p)
		}
	}
	t := p.find(x)
	if t == nil {
		t = a.detect(p, x, d, redact)
	}
	if t.count++; t.count == 1 {
		t.first, t.last = at, at
		return
	}
	t.first, t.last = min(t.first, at), max(t.last, at)
}

// find returns the type of a value that is known.
func (p *param) find(x *extract.Param) *typed {
	if p.usual != nil && p.usualKind == x.Kind && p.usualValue == x.Value {
		return p.usual
	}
	if x.Kind == extract.Number && len(p.known) >= maxKnown {
		return nil // to name a number is as cheap as to look it up
	}
	return p.known[knownValue{x.Value, x.Kind}]
}

// detect finds the type of a value, and notes the value.
func (a *aggregate) detect(p *param, x *extract.Param, d *datatype.Detector, redact bool) *typed {
	name := x.Type(d)
	var t *typed
	for _, have := range p.types {
		if have.name == name {
			t = have
		}
	}
	if t == nil {
		t = &typed{name: name}
		p.types = append(p.types, t)
	}
	if redact {
		return t
	}
	t.observeRange(x.Value)
	long := len(x.Value) > inventory.MaxValueBytes
	if long {
		t.full, t.values = true, nil
	}
	if t.full && p.usual != nil && (long || len(p.known) >= maxKnown) {
		return t // not worth remembering
	}
	v := strings.Clone(x.Value)
	a.bytes += int64(len(v)) + valueBytes
	if p.usual == nil {
		p.usual, p.usualKind, p.usualValue = t, x.Kind, v
	} else if len(p.known) < maxKnown {
		if p.known == nil {
			p.known = map[knownValue]*typed{}
		}
		p.known[knownValue{v, x.Kind}] = t
	}
	if x.Kind != extract.Null && x.Kind != extract.EmptyObject {
		t.addValue(v)
	}
	return t
}

// addValue notes a value that may have been noted before.
func (t *typed) addValue(v string) {
	if t.full {
		return
	}
	if slices.Contains(t.values, v) {
		return
	}
	if len(t.values) == inventory.MaxValues-1 {
		t.full, t.values = true, nil
		return
	}
	t.values = append(t.values, v)
}

// observeRange widens the range by a number, of which the fraction is cut.
func (t *typed) observeRange(value string) {
	switch t.name {
	case datatype.Integer32, datatype.Integer64, datatype.Float:
	default:
		return
	}
	n, ok := number(value)
	if !ok {
		return
	}
	if !t.hasRange {
		t.hasRange, t.min, t.max = true, n, n
		return
	}
	t.min, t.max = min(t.min, n), max(t.max, n)
}

// number reads the whole part of a number, the nearest that there is.
func number(s string) (int64, bool) {
	if t := s; len(t) <= 18 && strings.IndexByte(t, '.') < 0 {
		neg := strings.HasPrefix(t, "-")
		t = strings.TrimPrefix(t, "-")
		var n int64
		for i := range len(t) {
			c := t[i] - '0'
			if c > 9 {
				return float(s)
			}
			n = n*10 + int64(c)
		}
		if neg {
			n = -n
		}
		return n, t != ""
	}
	if strings.ContainsAny(s, ".eE") {
		return float(s)
	}
	n, err := strconv.ParseInt(s, 10, 64) // which gives the nearest number when it is out of range
	return n, err == nil || errors.Is(err, strconv.ErrRange)
}

func float(s string) (int64, bool) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) || math.IsNaN(f) {
		return 0, false
	}
	return clampInt(f), true
}

func clampInt(f float64) int64 {
	switch {
	case f >= math.MaxInt64:
		return math.MaxInt64
	case f <= math.MinInt64:
		return math.MinInt64
	}
	return int64(f)
}
