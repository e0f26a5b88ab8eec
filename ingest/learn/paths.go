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
		unseen, err := l.accounts.loadSet(ctx, c, cfg)
		if err == nil {
			// A set that is read again because others needed the memory has nothing
			// for a pass to find. Where inventories are large that is most of them.
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

// loadSet reads the endpoints of a collection. unseen says that some have not been
// looked through for look-alikes.
func (a *accounts) loadSet(ctx context.Context, c *collection, cfg *accountConfig) (unseen bool, err error) {
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
	store := a.stores.Account(c.account)
	if err = store.Keys(ctx, c.id, func(k inventory.EndpointKey) error {
		if !blocked[pathtmpl.Blocked{Method: k.Method, Template: k.URL}] {
			set.Add(k.Method, k.URL)
		}
		return nil
	}); err != nil {
		return false, err
	}
	if err := recall(ctx, store, c.id, set); err != nil {
		return false, err
	}
	c.set, c.outline = set, nil
	a.clock++
	c.used = a.clock
	a.account(c)
	return state.Due, nil
}

// recall finds out why templates exist that were stored, but not yet the state of
// their collection when the process died.
func recall(ctx context.Context, store inventory.Store, collection int32, set *pathtmpl.Set) error {
	var unknown []inventory.EndpointKey
	for method, url := range set.Unknown {
		unknown = append(unknown, inventory.EndpointKey{Collection: collection, Method: method, URL: url})
	}
	for _, k := range unknown {
		e, err := store.Endpoint(ctx, k)
		if err != nil {
			if inventory.NotFound(err) {
				continue
			}
			return err
		}
		values, types := e.URLValues()
		set.Recall(k.Method, k.URL, values, types)
	}
	return nil
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
