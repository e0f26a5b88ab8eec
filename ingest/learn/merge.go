package learn

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"harken/inventory"
	"harken/inventory/extract"
	"harken/inventory/pathtmpl"
)

// A mergeJob is what one pass over a collection found: the store does it after
// the observations that were made before the pass, piece by piece so that learning
// and the writes of the API come in between. First the state is stored, with the
// collection due: if the process dies on the way, the next one finds the rest.
type mergeJob struct {
	c           *collection
	after       []*aggregate           // that have to be stored before
	absorptions []inventory.Absorption // that are left
	state       inventory.TemplateState
	config      int64 // version of the configuration by which the set was made
	more        bool  // not all URLs were looked at
	reshaped    bool  // URLs of the collection changed since the pass
	conflict    bool  // someone else changed the state, or the configuration
	stored      bool  // the state is
	done        bool
}

// ready reports whether what was observed before the pass is stored, or is in the
// update that is being stored.
func (j *mergeJob) ready() bool {
	return !slices.ContainsFunc(j.after, func(a *aggregate) bool { return !a.flown })
}

// awaits reports whether jobs wait for a part to be stored.
func (l *Learner) awaits(a *aggregate) bool {
	return slices.ContainsFunc(l.jobs, func(j *mergeJob) bool { return slices.Contains(j.after, a) })
}

// mergeLimit is how many URLs one pass over a collection looks at, so that it
// keeps the learner for some milliseconds only.
const mergeLimit = 2000

// Bounds of how many URLs one transaction absorbs; see Learner.adaptSlice.
const (
	startSlice = 100
	minSlice   = 10
	maxSlice   = 400
)

// mergeable reports whether an endpoint may become part of a template, or is one.
func mergeable(k inventory.EndpointKey) bool {
	return !strings.Contains(k.URL, "graph") && (strings.Count(k.URL, "/") > 1 || pathtmpl.IsTemplate(k.URL))
}

// due notes that look-alikes are to be looked for in a collection.
func (l *Learner) due(c *collection, at time.Time) {
	c.evident = false
	if c.mergeAt.IsZero() {
		c.mergeAt = at
		l.dirty = append(l.dirty, c)
	} else if at.Before(c.mergeAt) {
		c.mergeAt = at
	}
}

// touch has URLs looked at again whose parameters changed.
func (l *Learner) touch(keys []accountKey) {
	at := l.cfg.Now().Add(l.cfg.MergeEvery)
	for i := range keys {
		k := &keys[i]
		c := l.accounts.byID[idKey{k.account, k.Collection}]
		switch {
		case c == nil, c.set == nil && c.outline == nil:
			continue // read from the store when it is needed
		case c.set == nil:
			l.accounts.postpone(c)
			continue
		}
		c.set.Touch(k.Method, k.URL)
		l.due(c, at)
	}
}

// An accountKey names an endpoint of an account.
type accountKey struct {
	account int32
	inventory.EndpointKey
}

// A tick reads at most maxLeft collections to have them looked through, and minLeft
// though others wait for that.
const (
	maxLeft = 32
	minLeft = 8
)

// leftDue loads some of the collections that were not looked through before the
// learner was started, or before their memory was needed for others.
func (l *Learner) leftDue(ctx context.Context) {
	if l.relist && !l.listDue(ctx) {
		return
	}
	l.left, l.accounts.unmerged = append(l.left, l.accounts.unmerged...), nil
	waiting := 0 // collections that are to be looked through anyway
	for _, c := range l.dirty {
		if !c.evident {
			waiting++
		}
	}
	for range min(len(l.left), max(maxLeft-waiting, minLeft)) {
		if l.aloft != nil {
			return
		}
		l.loadLeft(ctx)
	}
}

// listDue adds what the store says to be due to what is left.
func (l *Learner) listDue(ctx context.Context) bool {
	due, err := l.cfg.Stores.MergeDue(ctx)
	if err != nil {
		return false
	}
	listed := map[inventory.CollectionKey]bool{}
	for _, k := range l.left {
		listed[k] = true
	}
	for _, k := range due {
		if c := l.accounts.byID[idKey{k.Account, k.ID}]; c != nil {
			if c.left || !c.mergeAt.IsZero() {
				continue
			}
			c.left, c.looked = true, false
		}
		if !listed[k] {
			l.left = append(l.left, k)
		}
	}
	l.relist = false
	return true
}

func (l *Learner) loadLeft(ctx context.Context) {
	k := l.left[0]
	l.left = l.left[1:]
	found, err := l.cfg.Stores.Account(k.Account).Collection(ctx, k.ID)
	switch {
	case inventory.NotFound(err):
		return
	case err != nil:
		l.left = append(l.left, k)
		return
	}
	cfg := l.configOf(ctx, k.Account) // first: it may forget collections
	if cfg == nil {
		l.left = append(l.left, k)
		return
	}
	c := l.accounts.byID[idKey{k.Account, k.ID}]
	if c == nil {
		c = &collection{account: k.Account, id: k.ID}
		c.describe(&found)
		l.accounts.byID[idKey{k.Account, k.ID}] = c
	}
	c.left = false
	if c.looked {
		return // its traffic came first
	}
	if c.set == nil {
		if _, err := l.loadSet(ctx, c, cfg); err != nil {
			l.left = append(l.left, k)
			return
		}
	}
	c.looked = true
	l.due(c, l.cfg.Now())
}

// mergePass looks for look-alikes in the collections that are due and gives what
// the store has to do then. No update may be on its way.
func (l *Learner) mergePass(ctx context.Context, all bool) []*mergeJob {
	now := l.cfg.Now()
	var jobs []*mergeJob
	later := l.dirty[:0]
	ready := slices.Clone(l.dirty)
	slices.SortFunc(ready, func(x, y *collection) int {
		return cmp.Or(cmp.Compare(x.account, y.account), cmp.Compare(x.id, y.id))
	})
	for _, c := range ready {
		if c.set == nil || c.mergeAt.IsZero() { // its memory was needed, and maybe it is back
			c.mergeAt = time.Time{}
			continue
		}
		if !all && now.Before(c.mergeAt) {
			later = append(later, c)
			continue
		}
		c.mergeAt = time.Time{}
		job := l.mergeOne(ctx, c)
		jobs = append(jobs, job)
		if job.more = c.set.Pending() > 0; job.more {
			c.mergeAt = now
			later = append(later, c)
		}
	}
	clear(l.dirty[len(later):])
	l.dirty = later
	return jobs
}

func (l *Learner) mergeOne(ctx context.Context, c *collection) *mergeJob {
	start := time.Now()
	var failed []inventory.EndpointKey
	opt := pathtmpl.MergeOptions{Limit: mergeLimit, Shape: func(method, url string) (pathtmpl.Shape, bool) {
		k := inventory.EndpointKey{Collection: c.id, URL: url, Method: method}
		shape, ok, err := l.shape(ctx, c, k)
		if err == nil && !ok {
			// What a template has absorbed, or kept from being an endpoint, is shaped
			// like the template.
			if t, matched := c.set.Match(method, url); matched && t != url {
				k.URL = t
				shape, ok, err = l.shape(ctx, c, k)
			}
		}
		if err != nil {
			failed = append(failed, inventory.EndpointKey{Collection: c.id, URL: url, Method: method})
		}
		return shape, ok
	}}
	if cfg := l.configs[c.account]; cfg != nil && !cfg.settings.BodyMatching() {
		opt.Shape = func(string, string) (pathtmpl.Shape, bool) { return pathtmpl.Shape{}, true }
	}
	job := &mergeJob{c: c, after: l.waiting.holding(c), config: c.config, state: inventory.TemplateState{Version: c.stateVersion}}
	for _, a := range c.merge(opt) {
		in := inventory.Absorption{Collection: c.id, Method: a.Method, Template: a.Template, URLs: a.URLs}
		in.Params = l.urlParams(c, a.Template, a.URLs)
		job.absorptions = append(job.absorptions, in)
		l.metrics.absorbed.Add(float64(len(a.URLs)))
	}
	for _, k := range failed {
		c.set.Touch(k.Method, k.URL)
	}
	// Also when nothing was absorbed: the reasons of templates decide what they take.
	job.state.Data = c.set.AppendState(nil)
	c.merging = true
	l.accounts.account(c)
	l.metrics.merge.Observe(time.Since(start).Seconds())
	return job
}

// merge looks for look-alikes, unless the collection has none by definition.
func (c *collection) merge(opt pathtmpl.MergeOptions) []pathtmpl.Absorption {
	if c.mcp {
		c.set.Skip()
		return nil
	}
	return c.set.Merge(opt)
}

// shape gives the shape of an endpoint, as it is stored and as it is about to be.
func (l *Learner) shape(ctx context.Context, c *collection, k inventory.EndpointKey) (pathtmpl.Shape, bool, error) {
	e, err := l.cfg.Stores.Account(c.account).Endpoint(ctx, k)
	if err != nil && !inventory.NotFound(err) {
		return pathtmpl.Shape{}, false, err
	}
	known := err == nil
	for _, a := range l.waiting.parts {
		if a == nil {
			continue
		}
		if part := a.accounts[c.account]; part != nil && part.endpoints[k] != nil {
			o := part.endpoints[k].observation(nil)
			e.Merge(&o)
			known = true
		}
	}
	if !known {
		return pathtmpl.Shape{}, false, nil
	}
	return shapeOf(&e), true, nil
}

// shapeOf is what look-alikes are compared by: names of query and body.
func shapeOf(e *inventory.Endpoint) pathtmpl.Shape {
	var request []string
	responses := make(map[int][]string, len(e.ResponseCodes))
	for _, code := range e.ResponseCodes {
		responses[code] = nil
	}
	for i := range e.Params {
		p := &e.Params[i]
		switch {
		case p.Header || p.URLParam:
		case p.Query:
			request = append(request, "?"+p.Name)
		case p.ResponseCode == -1:
			request = append(request, p.Name)
		default:
			responses[p.ResponseCode] = append(responses[p.ResponseCode], p.Name)
		}
	}
	return pathtmpl.NewShape(request, responses)
}

// urlParams prepares the URL parameters of absorbed URLs, as learning them by the
// template would have found them.
func (l *Learner) urlParams(c *collection, template string, urls []string) func(string) []inventory.Param {
	cfg := l.configs[c.account]
	all := make(map[string][]inventory.Param, len(urls))
	for _, url := range urls {
		pathtmpl.Params(template, url, func(index int, _, value string) {
			if pathtmpl.IsTemplate("/" + value) {
				return // a narrower template: its own parameters move with it
			}
			x := extract.Param{Place: extract.URLParam, Status: -1, Name: strconv.Itoa(index), Value: value[:min(len(value), extract.MaxValue)]}
			p := inventory.Param{ParamKey: inventory.ParamKey{ResponseCode: -1, URLParam: true, Name: x.Name, Type: "GENERIC"}}
			if cfg != nil {
				p.Type = x.Type(cfg.detector)
			}
			if !c.redact && (cfg == nil || !cfg.settings.RedactPayload && !cfg.detector.Redacted(p.Type)) {
				t := typed{name: p.Type}
				t.observeRange(x.Value)
				p.HasRange, p.Min, p.Max = t.hasRange, t.min, t.max
				// Its caller is whoever sent requests to the URL: Absorb fills it in.
				p.Sketch = p.Sketch.Add(inventory.HashValue(x.Value), inventory.Callers{})
				if p.Full = len(x.Value) > inventory.MaxValueBytes; !p.Full {
					p.Values = []string{strings.Clone(x.Value)}
				}
			}
			all[url] = append(all[url], p)
		})
	}
	return func(url string) []inventory.Param { return all[url] }
}

// absorb has the store do some of what passes found, for about maxTransaction; err
// is only that the grace after the end was over.
func (l *Learner) absorb(ctx context.Context, reshaped []accountKey) error {
	for _, j := range l.jobs {
		// What this update reshaped was not known when the pass was made.
		j.reshaped = j.reshaped || slices.ContainsFunc(reshaped, func(k accountKey) bool { return k.account == j.c.account && k.Collection == j.c.id })
	}
	start := time.Now()
	for _, j := range l.jobs {
		for !j.done && j.ready() {
			if err := l.step(ctx, j); err != nil {
				return err
			}
			if time.Since(start) >= maxTransaction {
				return nil
			}
		}
	}
	return nil
}

// step does the next part of a job in one transaction.
func (l *Learner) step(ctx context.Context, j *mergeJob) error {
	store := l.cfg.Stores.Full(j.c.account)
	var version int64
	if err := l.untilDone(ctx, func() (err error) {
		version, err = store.ConfigVersion(ctx)
		return err
	}); err != nil {
		return err
	}
	if version != j.config { // what was redacted meanwhile may be in the evidence
		j.conflict, j.done = true, true
		return nil
	}
	if j.stored && len(j.absorptions) > 0 {
		part := j.absorptions[0]
		n := min(l.slice, len(part.URLs))
		part.URLs = part.URLs[:n]
		start := time.Now()
		if err := l.untilDone(ctx, func() error { return store.Absorb(ctx, part) }); err != nil {
			return err
		}
		l.adaptSlice(n, time.Since(start))
		if rest := &j.absorptions[0].URLs; n < len(*rest) {
			*rest = (*rest)[n:]
		} else {
			j.absorptions = j.absorptions[1:]
		}
		return nil
	}
	j.state.Due = j.more || j.reshaped || len(j.absorptions) > 0
	if err := l.untilDone(ctx, func() error {
		version, err := store.PutTemplateState(ctx, j.c.id, j.state)
		if inventory.Conflict(err) {
			j.conflict = true
			return nil
		}
		if err == nil {
			j.state.Version = version
		}
		return err
	}); err != nil {
		return err
	}
	// Of a conflict the rest is not done: a person may have split the template.
	j.done = j.conflict || len(j.absorptions) == 0
	j.stored, j.state.Data = true, nil
	return nil
}

// adaptSlice keeps transactions that absorb near maxTransaction.
func (l *Learner) adaptSlice(n int, took time.Duration) {
	switch {
	case took > maxTransaction:
		l.slice = max(minSlice, int(float64(n)*0.8*float64(maxTransaction)/float64(took)))
	case took < maxTransaction/2 && n == l.slice:
		l.slice = min(maxSlice, l.slice+l.slice/4)
	}
}

// untilDone repeats what the store refuses, but for what is not there.
func (l *Learner) untilDone(ctx context.Context, do func() error) error {
	for delay := firstBackoff; ; delay = min(2*delay, maxBackoff) {
		err := do()
		if err == nil || inventory.NotFound(err) {
			return nil
		}
		l.metrics.storeErrors.Inc()
		l.log.Warn("store did not merge paths, trying again", "err", err)
		if !pause(ctx, delay) {
			return err
		}
	}
}

// merged takes the outcome of jobs that are done.
func (l *Learner) merged() {
	l.jobs = slices.DeleteFunc(l.jobs, func(j *mergeJob) bool {
		if !j.done {
			return false
		}
		j.c.merging = false
		j.c.stateVersion = j.state.Version
		if j.conflict && j.c.set != nil {
			j.c.set, j.c.mergeAt = nil, time.Time{}
			l.accounts.count(j.c)
			l.relist = true
			if cfg := l.configs[j.c.account]; cfg != nil {
				cfg.until = time.Time{}
			}
		}
		return true
	})
}
