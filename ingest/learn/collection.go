package learn

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"harken/har"
	"harken/ingest"
	"harken/ingest/learn/filter"
	"harken/inventory"
	"harken/inventory/pathtmpl"
)

// refresh is how long the state of a collection is believed.
const refresh = 10 * time.Second

// maxCollections bounds the collections that are remembered.
const maxCollections = 50_000

// A collection is what the learner knows of one.
type collection struct {
	account     int32
	id          int32
	deactivated bool
	redact      bool
	mcp         bool // an MCP server: its paths are never merged
	labels      inventory.Labels
	until       time.Time // when it is read again

	set     *pathtmpl.Set     // its endpoints; nil until needed
	outline *pathtmpl.Outline // in place of a set whose memory was needed
	asked   int               // how often its templates were looked through
	bytes   int64             // of both, as counted in accounts.bytes
	used    uint64            // for eviction

	config       int64     // version of the configuration by which set was made
	stateVersion int64     // of the template state that set was made from
	mergeAt      time.Time // when look-alikes are looked for; zero if there are none
	evident      bool      // mergeAt is only because of evidence
	merging      bool      // the store is at it
	looked       bool      // a pass came, or is due, since the settings were read
	left         bool      // among accounts.unmerged or Learner.left
}

// describe takes over what matters of a stored collection.
func (c *collection) describe(stored *inventory.Collection) {
	c.deactivated, c.redact = stored.Deactivated, stored.Redact
	c.labels = inventory.Labels{AccessType: stored.AccessType, Tags: stored.AllTags()}
	c.mcp = slices.ContainsFunc(stored.Tags, func(t inventory.Tag) bool { return t.KeyName == mcpTag })
}

// accounts remembers collections, and the paths of those in use.
type accounts struct {
	stores inventory.Stores
	now    func() time.Time
	limit  int64 // for all sets
	plain  bool  // Config.NoWords
	log    *slog.Logger

	byHost map[hostKey]*collection
	byID   map[idKey]*collection
	bytes  int64
	clock  uint64
	// unmerged are collections that were due when their memory was needed.
	unmerged []inventory.CollectionKey
}

type hostKey struct {
	account int32
	host    string
}

type idKey struct {
	account, id int32
}

func newAccounts(cfg *Config) accounts {
	a := accounts{stores: cfg.Stores, now: cfg.Now, limit: cfg.CacheBytes / 3, plain: cfg.NoWords, log: cfg.Log}
	a.forget()
	return a
}

// forget drops everything.
func (a *accounts) forget() {
	a.byHost, a.byID, a.bytes = map[hostKey]*collection{}, map[idKey]*collection{}, 0
}

// collectionOf returns the collection of a record: of its host if it is live
// traffic to a named host, else the one that the record names. It waits for the
// store; nil if ctx ended.
func (l *Learner) collectionOf(ctx context.Context, r *ingest.Record, e *har.Entry, account int32, cfg *accountConfig, scheme, authority string) *collection {
	host, id := cfg.place(r, e, scheme, authority)
	now := l.cfg.Now()
	var c *collection
	if host != "" {
		c = l.accounts.byHost[hostKey{account, host}]
	} else {
		c = l.accounts.byID[idKey{account, id}]
	}
	if c != nil && now.Before(c.until) {
		return c
	}
	for delay := firstBackoff; ; delay = min(2*delay, maxBackoff) {
		c, err := l.accounts.load(ctx, account, host, id, now)
		if err == nil {
			return c
		}
		if ctx.Err() != nil {
			return nil
		}
		l.metrics.storeErrors.Inc()
		l.log.Warn("collection cannot be read, trying again", "account", account, "host", host, "collection", id, "err", err)
		if !pause(ctx, delay) {
			return nil
		}
	}
}

// label has a collection learn what a record tells of it.
func (l *Learner) label(ctx context.Context, c *collection, r *ingest.Record, e *har.Entry, at int64) {
	direction, tags := r.Direction, map[string]string(nil)
	if m := e.Harken; m != nil {
		direction, tags = cmp.Or(direction, m.Direction), m.Tags
	}
	if !c.labels.Learn(direction, tags, at) {
		return
	}
	// What fails is tried again when the collection is read again, with the next record.
	_, err := l.cfg.Stores.Account(c.account).LabelCollection(ctx, c.id, direction, tags, at)
	if err != nil && ctx.Err() == nil {
		l.metrics.storeErrors.Inc()
		l.log.Warn("labels of a collection cannot be stored", "account", c.account, "collection", c.id, "err", err)
	}
}

// place returns where a record belongs: to the collection of a host, or if host is
// empty to that with an id.
func (c *accountConfig) place(r *ingest.Record, e *har.Entry, scheme, authority string) (host string, id int32) {
	if !filter.HostMode(r.Source) {
		return "", r.Collection
	}
	raw := c.filter.MapHost(e)
	if raw == "" {
		raw = hostOf(e, authority)
	}
	if raw == "" {
		raw = r.Host
	}
	host, ip := filter.CollectionHost(raw, scheme)
	switch {
	case !ip:
		return host, r.Collection
	case c.settings.SplitIPHosts:
		return filter.IPHost(raw, scheme), 0
	}
	return "", 0
}

// load reads a collection, making it if there is none.
func (a *accounts) load(ctx context.Context, account int32, host string, id int32, now time.Time) (*collection, error) {
	store := a.stores.Account(account)
	var c inventory.Collection
	var err error
	if host != "" {
		c, err = store.HostCollection(ctx, host, now.Unix())
	}
	if host == "" || errors.Is(err, inventory.ErrNoFreeID) {
		c, err = store.EnsureCollection(ctx, id, now.Unix())
	}
	if err != nil {
		return nil, err
	}
	if len(a.byHost)+len(a.byID) >= maxCollections {
		a.forget()
	}
	known := a.byID[idKey{account, c.ID}]
	if known == nil {
		known = &collection{account: account, id: c.ID}
		a.byID[idKey{account, c.ID}] = known
	}
	known.describe(&c)
	known.until = now.Add(refresh)
	if host != "" {
		a.byHost[hostKey{account, strings.Clone(host)}] = known
	}
	return known, nil
}

// account counts what the paths of a collection have grown by, and makes room when
// all are too large: of the sets that were used least recently, those that are due for
// merging last, only outlines are left, and if these are too large too, nothing. A
// set is read again from the store when more than its outline is needed; what is not
// stored yet resolves to the same URL without it.
func (a *accounts) account(c *collection) {
	a.count(c)
	if a.bytes <= a.limit {
		return
	}
	var sets, outlines []*collection
	for _, o := range a.byID {
		switch {
		case o == c || o.merging:
		case o.set != nil:
			sets = append(sets, o)
		case o.outline != nil:
			outlines = append(outlines, o)
		}
	}
	slices.SortFunc(sets, func(x, y *collection) int {
		return cmp.Or(x.mergeAt.Compare(y.mergeAt), cmp.Compare(x.used, y.used))
	})
	for _, o := range sets {
		if a.bytes <= a.limit*3/4 {
			return
		}
		a.outline(o)
		outlines = append(outlines, o)
	}
	slices.SortFunc(outlines, func(x, y *collection) int { return cmp.Compare(x.used, y.used) })
	for _, o := range outlines {
		if a.bytes <= a.limit*3/4 {
			return
		}
		o.outline = nil
		a.count(o)
	}
}

// count notes what the paths of a collection take.
func (a *accounts) count(c *collection) {
	n := int64(0)
	if c.set != nil {
		n += c.set.Bytes()
	}
	if c.outline != nil {
		n += c.outline.Bytes()
	}
	a.bytes += n - c.bytes
	c.bytes = n
}

// outline leaves of a set only what finds the URLs of paths.
func (a *accounts) outline(c *collection) {
	// New evidence alone is lost: to store that of all collections that are called
	// now and then would cost more than all else.
	if !c.mergeAt.IsZero() && !c.evident {
		a.postpone(c)
	}
	c.outline, c.asked = c.set.Outline(), 0
	c.set, c.mergeAt = nil, time.Time{}
	a.count(c)
}

// postpone has a collection looked through when there is time to read it.
func (a *accounts) postpone(c *collection) {
	c.looked = false
	if !c.left {
		c.left = true
		a.unmerged = append(a.unmerged, inventory.CollectionKey{Account: c.account, ID: c.id})
	}
}

// hostOf returns the host that a request names.
func hostOf(e *har.Entry, authority string) string {
	for _, name := range [...]string{"host", "authority", ":authority"} {
		if v, ok := har.HeaderValue(e.Request.Headers, name); ok && strings.TrimSpace(v) != "" {
			return v
		}
	}
	return authority
}

// origin returns scheme and authority of an absolute http URL, without the user
// that may stand before the host: it comes with a password.
func origin(url string) (scheme, authority string) {
	i := strings.Index(url, "://")
	if i <= 0 || i > len("https") {
		return "", ""
	}
	scheme, authority = url[:i], url[i+3:]
	if j := strings.IndexAny(authority, "/?#"); j >= 0 {
		authority = authority[:j]
	}
	return scheme, authority[strings.LastIndexByte(authority, '@')+1:]
}
