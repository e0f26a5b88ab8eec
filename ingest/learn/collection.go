package learn

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"harken/har"
	"harken/ingest"
	"harken/inventory"
	"harken/inventory/datatype"
	"harken/inventory/pathtmpl"
)

// specialHost is the host of the collection for hosts that are not host names.
const specialHost = "special_char_host"

// maxHost is the length of the longest host name (RFC 1035, section 2.3.4) with a
// port.
const maxHost = 255 + len(":65535")

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
	until       time.Time // when it is read again

	set   *pathtmpl.Set // its endpoints; nil until needed
	bytes int64         // of set, as counted in accounts.bytes
	used  uint64        // for eviction

	stateVersion int64     // of the template state that set was made from
	mergeAt      time.Time // when look-alikes are looked for; zero if there are none
	merging      bool      // the store is at it
	looked       bool      // a pass came, or is due, since the settings were read
	left         bool      // among accounts.unmerged or Learner.left
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
	a := accounts{stores: cfg.Stores, now: cfg.Now, limit: cfg.CacheBytes / 2, plain: cfg.NoWords, log: cfg.Log}
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
	id := r.Collection
	host := ""
	if hostMode(r.Source) {
		raw := cfg.filter.MapHost(e)
		if raw == "" {
			raw = hostOf(e, authority)
		}
		if raw == "" {
			raw = r.Host
		}
		var ip bool
		if host, ip = normalizeHost(raw, scheme); ip {
			id = 0
			if cfg.settings.SplitIPHosts {
				host = ipHost(raw, scheme)
			}
		}
	}
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
		l.metrics.storeErrors.Inc()
		l.log.Warn("collection cannot be read, trying again", "account", account, "host", host, "collection", id, "err", err)
		if !pause(ctx, delay) {
			return nil
		}
	}
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
	known.deactivated, known.redact, known.until = c.Deactivated, c.Redact, now.Add(refresh)
	if host != "" {
		a.byHost[hostKey{account, strings.Clone(host)}] = known
	}
	return known, nil
}

// resolve returns the URL under which a request is known in its collection, and
// whether it is a template; not ok if ctx ended.
func (l *Learner) resolve(ctx context.Context, c *collection, cfg *accountConfig, method, raw string) (url string, template, ok bool) {
	a := &l.accounts
	for delay := firstBackoff; c.set == nil; delay = min(2*delay, maxBackoff) {
		unseen, err := a.loadSet(ctx, c, cfg)
		if err == nil {
			// A set that is read again because others needed the memory has nothing
			// for a pass to find. Where inventories are large that is most of them.
			if unseen || !c.looked {
				c.looked = true
				l.due(c, l.cfg.Now().Add(l.cfg.MergeEvery))
			}
			break
		}
		l.metrics.storeErrors.Inc()
		l.log.Warn("endpoints cannot be read, trying again", "account", c.account, "collection", c.id, "err", err)
		if !pause(ctx, delay) {
			return "", false, false
		}
	}
	a.clock++
	c.used = a.clock
	url, template, isNew := c.set.Resolve(method, pathtmpl.Normalize(raw))
	if isNew {
		a.account(c)
	}
	return url, template, true
}

// loadSet reads the endpoints of a collection. unseen says that some have not been
// looked through for look-alikes.
func (a *accounts) loadSet(ctx context.Context, c *collection, cfg *accountConfig) (unseen bool, err error) {
	opt := pathtmpl.Options{
		Versions: cfg.settings.MergeVersions, Semantic: semantic(cfg.detector), NoExamples: c.redact || cfg.settings.RedactPayload,
		MaxBytes: max(a.limit/2, 1<<20), NoWords: a.plain,
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
	c.stateVersion = state.Version
	// A template that a person split is not one again because its row is still there.
	blocked := map[pathtmpl.Blocked]bool{}
	for _, b := range set.Blocked() {
		blocked[b] = true
	}
	err = a.stores.Account(c.account).Keys(ctx, c.id, func(k inventory.EndpointKey) error {
		if !blocked[pathtmpl.Blocked{Method: k.Method, Template: k.URL}] {
			set.Add(k.Method, k.URL)
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	c.set, c.bytes = set, 0
	a.clock++
	c.used = a.clock
	a.account(c)
	return state.Due, nil
}

// account counts what a set has grown by, and drops the sets that were used least
// recently when all are too large, those that are due for merging last. A dropped
// set is read again from the store; what is not stored yet resolves to the same URL
// without it.
func (a *accounts) account(c *collection) {
	n := c.set.Bytes()
	a.bytes += n - c.bytes
	c.bytes = n
	if a.bytes <= a.limit {
		return
	}
	var all []*collection
	for _, o := range a.byID {
		if o.set != nil && o != c && !o.merging {
			all = append(all, o)
		}
	}
	slices.SortFunc(all, func(x, y *collection) int {
		return cmp.Or(x.mergeAt.Compare(y.mergeAt), cmp.Compare(x.used, y.used))
	})
	for _, o := range all {
		if a.bytes <= a.limit*3/4 {
			return
		}
		a.bytes -= o.bytes
		if !o.mergeAt.IsZero() {
			o.looked = false
			if !o.left {
				o.left = true
				a.unmerged = append(a.unmerged, inventory.CollectionKey{Account: o.account, ID: o.id})
			}
		}
		o.set, o.bytes, o.mergeAt = nil, 0, time.Time{}
	}
}

// semantic gives the test whether a path segment has a type of its own.
func semantic(d *datatype.Detector) func(segment string) bool {
	return func(segment string) bool {
		switch d.Text("", segment) {
		case datatype.Generic, datatype.Other:
			return false
		}
		return true
	}
}

// hostMode reports whether records of a source belong to the collection of their
// host.
func hostMode(source string) bool {
	switch source {
	case "MIRRORING", "SDK", "OTHER", "WIZ", "":
		return true
	}
	return false
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

// normalizeHost returns the name of the collection of a host; "" if the host has
// none, and whether it is an IP address.
func normalizeHost(host, scheme string) (name string, ip bool) {
	host = strings.TrimSpace(strings.ToLower(host))
	if isIP(host) {
		return "", true
	}
	if scheme != "https" {
		host = strings.TrimSuffix(host, ":80")
	}
	if scheme != "http" {
		host = strings.TrimSuffix(host, ":443")
	}
	switch {
	case len(host) > maxHost || strings.ContainsAny(host, "<>%/?#[]@!$&'()*+,;="):
		return specialHost, false
	case !hasLetter(host):
		return "", false
	}
	return host, false
}

// ipHost is the name of the collection of an address, with its port unless that
// is the default one.
func ipHost(host, scheme string) string {
	host = strings.TrimSpace(strings.ToLower(host))
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if err == nil {
		return a.Unmap().String()
	}
	ap, err := netip.ParseAddrPort(host)
	if err != nil {
		return ""
	}
	if p := ap.Port(); p == 80 && scheme != "https" || p == 443 && scheme != "http" {
		return ap.Addr().Unmap().String()
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()).String()
}

// isIP reports whether a host, with or without a port, is an address.
func isIP(host string) bool {
	if host == "" || host[0] != '[' && host[len(host)-1] > '9' && !strings.Contains(host, ":") {
		return false
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	if _, err := netip.ParseAddrPort(host); err == nil {
		return true
	}
	inner := strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	_, err := netip.ParseAddr(inner)
	return err == nil
}

// hasLetter reports whether a lower-case text has a letter that has two cases.
func hasLetter(s string) bool {
	for i := range len(s) {
		if 'a' <= s[i] && s[i] <= 'z' {
			return true
		}
	}
	return strings.ToUpper(s) != s
}
