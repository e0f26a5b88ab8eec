package learn

import (
	"context"
	"strings"

	"harken/inventory"
	"harken/inventory/pathtmpl"
)

// resolve returns the URL under which a request is known in its collection, and
// whether it is a template; not ok if ctx ended. A literal one is not made a
// template.
func (l *Learner) resolve(ctx context.Context, c *collection, cfg *accountConfig, method, raw string, literal bool) (url string, template, ok bool) {
	a := &l.accounts
	a.clock++
	c.used = a.clock
	path := pathtmpl.Normalize(raw)
	if c.set == nil && c.outline != nil && c.asked < enoughAsked {
		url, template = a.sketch(c, method, path, literal)
		return url, template, true
	}
	if !l.needSet(ctx, c, cfg) {
		return "", false, false
	}
	resolve := c.set.Resolve
	if literal {
		resolve = c.set.ResolveLiteral
	}
	url, template, isNew := resolve(method, path)
	if isNew {
		a.account(c)
	}
	if c.set.Grown() { // people are told the evidence that is stored
		evident := c.mergeAt.IsZero() || c.evident
		l.due(c, l.cfg.Now().Add(evidenceEvery*l.cfg.MergeEvery))
		c.evident = evident
	}
	return url, template, true
}

// sketch resolves by the outline. New URLs make the collection due when they are
// stored.
func (a *accounts) sketch(c *collection, method, path string, literal bool) (url string, template bool) {
	resolve := c.outline.Resolve
	if literal {
		resolve = c.outline.ResolveLiteral
	}
	url, template, isNew := resolve(method, path)
	if template || isNew {
		c.asked++
	}
	if isNew {
		a.account(c)
	}
	return url, template
}

// enoughAsked is how many paths that are not static an outline resolves before the set
// is read: the evidence of what is called often should be known, and what a record
// takes of reading it should be little.
const enoughAsked = 100

// needSet reads the endpoints of a collection unless they are there; false if ctx
// ended.
func (l *Learner) needSet(ctx context.Context, c *collection, cfg *accountConfig) bool {
	for delay := firstBackoff; c.set == nil; delay = min(2*delay, maxBackoff) {
		unseen, err := l.loadSet(ctx, c, cfg)
		if err == nil {
			// A set that is read again because others needed the memory mostly has
			// nothing for a pass to find. Where inventories are large that is most of them.
			if unseen || !c.looked {
				c.looked = true
				l.due(c, l.cfg.Now().Add(l.cfg.MergeEvery))
			}
			return true
		}
		l.metrics.storeErrors.Inc()
		l.log.Warn("endpoints cannot be read, trying again", "account", c.account, "collection", c.id, "err", err)
		if !pause(ctx, delay) {
			return false
		}
	}
	return true
}

// loadSet reads the endpoints of a collection, and those that are not stored yet. unseen
// says that there may be look-alikes that were not found.
func (l *Learner) loadSet(ctx context.Context, c *collection, cfg *accountConfig) (unseen bool, err error) {
	a := &l.accounts
	opt := pathtmpl.Options{
		Versions: cfg.settings.MergeVersions, FoldCase: cfg.settings.IgnoreCase, Semantic: cfg.detector.HasType,
		MaxBytes: max(a.limit/2, 1<<20), NoWords: a.plain,
		// A type that is redacted may be that of any segment.
		NoExamples: c.redact || cfg.settings.RedactPayload || cfg.typed != nil,
	}
	state, err := a.stores.Full(c.account).TemplateState(ctx, c.id)
	if err != nil {
		return false, err
	}
	set := pathtmpl.NewSet(opt)
	if len(state.Data) > 0 {
		if set, err = pathtmpl.ParseState(state.Data, opt); err != nil {
			// It is evidence, not inventory: learning goes on, and writes it anew.
			a.log.Error("template state cannot be read, blocks are lost", "account", c.account, "collection", c.id, "err", err)
			set = pathtmpl.NewSet(opt)
		}
	}
	c.config, c.stateVersion = cfg.version, state.Version
	// A template that a person split is not one again because its row is still there.
	blocked := map[pathtmpl.Blocked]bool{}
	for _, b := range set.Blocked() {
		blocked[b] = true
	}
	add := func(k inventory.EndpointKey) error {
		if !blocked[pathtmpl.Blocked{Method: k.Method, Template: k.URL}] {
			set.Add(k.Method, k.URL)
		}
		return nil
	}
	if err = a.stores.Account(c.account).Keys(ctx, c.id, add); err != nil {
		return false, err
	}
	waiting := l.unstored(c)
	for _, e := range waiting {
		_ = add(e.key) // it has no error
	}
	grew, err := l.recall(ctx, c, set, waiting)
	if err != nil {
		return false, err
	}
	c.set, c.outline = set, nil
	a.clock++
	c.used = a.clock
	a.account(c)
	return state.Due || grew, nil
}

// recall has a set know what its state does not tell of templates: why they exist, if
// that is not stored yet, and values that came while it was not in memory. It reports
// whether these may decide anything.
func (l *Learner) recall(ctx context.Context, c *collection, set *pathtmpl.Set, waiting []*endpoint) (grew bool, err error) {
	unsure := map[inventory.EndpointKey]bool{}
	for method, url := range set.Unsure {
		unsure[inventory.EndpointKey{Collection: c.id, Method: method, URL: url}] = true
	}
	for k := range unsure {
		e, err := l.cfg.Stores.Account(c.account).Endpoint(ctx, k)
		switch {
		case err == nil:
			grew = set.Recall(k.Method, k.URL, e.URLValues) || grew
		case !inventory.NotFound(err):
			return false, err
		}
	}
	for _, e := range waiting {
		if unsure[e.key] {
			grew = set.Recall(e.key.Method, e.key.URL, e.urlValues) || grew
		}
	}
	return grew, nil
}

// unstored gives what was learned of a collection and is not stored, or only being
// stored. An update that follows the one being stored is made only while nothing is learned.
func (l *Learner) unstored(c *collection) (out []*endpoint) {
	parts := l.waiting.holding(c)
	if l.aloft != nil {
		parts = append(parts, holding(l.aloft.parts, c)...)
	}
	for _, a := range parts {
		for k, e := range a.accounts[c.account].endpoints {
			if k.Collection == c.id {
				out = append(out, e)
			}
		}
	}
	return out
}

// evidenceEvery is how many times Config.MergeEvery new evidence waits to be stored.
const evidenceEvery = 10

// mcpTag is the key of the tag of collections that are MCP servers.
const mcpTag = "mcp-server"

// isMCP reports whether a path, to which the method of a call was appended, is that
// of a method of the Model Context Protocol (2025-06-18).
func isMCP(path string) bool {
	path, _, _ = strings.Cut(path, "?")
	last := strings.LastIndexByte(path, '/')
	if last < 0 {
		return false
	}
	switch path[last+1:] {
	case "initialize", "ping":
		return true
	}
	area := path[strings.LastIndexByte(path[:last], '/')+1 : last]
	switch area {
	case "tools", "resources", "prompts", "notifications", "completion", "logging", "sampling", "roots", "elicitation", "templates":
		return true
	}
	return false
}
