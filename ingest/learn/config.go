package learn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"harken/har/redact"
	"harken/ingest/learn/filter"
	"harken/inventory"
	"harken/inventory/datatype"
)

// An accountConfig is what people set for an account, compiled.
type accountConfig struct {
	version int64
	until   time.Time // when the version is asked for again

	settings  inventory.Settings
	filter    *filter.Filter
	edits     bool // some filter changes entries
	limiter   *filter.Limiter
	detector  *datatype.Detector
	access    *inventory.AccessPolicy
	auth      *datatype.AuthTypes // nil if there are none
	overrides map[overrideKey]bool
	all       *redact.Redactor // of everything
	typed     *redact.Redactor // of the types that are redacted; nil if none is

	redaction     inventory.Redaction
	redactedIDs   map[int32]bool  // collections
	redactedHosts map[string]bool // of those
}

// An overrideKey names a parameter on which a person said a word.
type overrideKey struct {
	inventory.EndpointKey
	code   int
	header bool
	name   string
}

// configOf returns the configuration of an account, which is looked at again
// every refresh. It waits for the store; nil if ctx ended.
func (l *Learner) configOf(ctx context.Context, account int32) *accountConfig {
	now := l.cfg.Now()
	have := l.configs[account]
	if have != nil && now.Before(have.until) {
		return have
	}
	for delay := firstBackoff; ; delay = min(2*delay, maxBackoff) {
		c, err := l.loadConfig(ctx, account, have)
		if err == nil {
			c.until = now.Add(l.cfg.ReloadEvery)
			if have != nil && c != have {
				l.forgetAll() // flags of collections may have changed too
			}
			if len(l.configs) >= maxAccounts {
				clear(l.configs)
			}
			l.configs[account] = c
			return c
		}
		l.metrics.storeErrors.Inc()
		l.log.Warn("settings cannot be read, trying again", "account", account, "err", err)
		if !pause(ctx, delay) {
			return nil
		}
	}
}

// expire has every configuration looked at again before it is used.
func (l *Learner) expire() {
	for _, c := range l.configs {
		c.until = time.Time{}
	}
}

// maxAccounts bounds the accounts whose configuration is remembered.
const maxAccounts = 10_000

// loadConfig reads a configuration unless it is the one that is there.
func (l *Learner) loadConfig(ctx context.Context, account int32, have *accountConfig) (*accountConfig, error) {
	s := l.cfg.Stores.Full(account)
	version, err := s.ConfigVersion(ctx)
	if err != nil {
		return nil, err
	}
	if have != nil && have.version == version {
		return have, nil
	}
	c := &accountConfig{version: version, overrides: map[overrideKey]bool{}}
	if c.settings, err = s.Settings(ctx); err != nil {
		return nil, err
	}
	read := func(kind string) []inventory.Definition {
		ds, derr := s.Definitions(ctx, kind)
		err = errors.Join(err, derr)
		return ds
	}
	types, builtins := read(inventory.CustomDataTypes), read(inventory.DataTypeOverrides)
	auth, filters := read(inventory.CustomAuthTypes), read(inventory.AdvancedFilters)
	overrides, oerr := s.SensitiveOverrides(ctx, nil)
	collections, cerr := s.Collections(ctx)
	if err = errors.Join(err, oerr, cerr); err != nil {
		return nil, err
	}
	c.redacted(collections, slices.Concat(types, builtins))
	for i := range overrides {
		o := &overrides[i]
		c.overrides[overrideKey{o.EndpointKey, o.ResponseCode, o.Header, o.Param}] = o.Sensitive
	}
	if err := c.compile(types, builtins, auth, filters); err != nil {
		// What is wrong is left out; the rest works.
		l.log.Warn("some settings are not used", "account", account, "err", err)
	}
	if have != nil && sameRate(have.settings.EndpointRate, c.settings.EndpointRate) {
		c.limiter = have.limiter // with what it has given away
	}
	return c, nil
}

func sameRate(a, b *inventory.Rate) bool { return a == b || a != nil && b != nil && *a == *b }

// redacted notes what is redacted.
func (c *accountConfig) redacted(collections []inventory.Collection, types []inventory.Definition) {
	var ids []int32
	for i := range collections {
		col := &collections[i]
		if !col.Redact {
			continue
		}
		if c.redactedIDs == nil {
			c.redactedIDs, c.redactedHosts = map[int32]bool{}, map[string]bool{}
		}
		ids = append(ids, col.ID)
		c.redactedIDs[col.ID] = true
		if col.HostName != "" {
			c.redactedHosts[col.HostName] = true
		}
	}
	c.redaction = inventory.RedactionOf(&c.settings, types, ids)
}

// compile makes of the documents what records are learned by. Its error names
// what was left out.
func (c *accountConfig) compile(types, builtins, auth, filters []inventory.Definition) error {
	var errs []error
	note := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	settings, err := filterSettings(&c.settings)
	note(err)
	c.filter, err = filter.Compile(settings)
	note(err)
	c.limiter = filter.NewLimiter(settings.EndpointRateLimit)
	documents, err := decodeAll[filter.Document](filters, func(d *filter.Document, id string) { d.ID = id })
	note(err)
	if len(documents) > 0 {
		set, err := filter.CompileAdvanced(documents)
		note(err)
		c.filter = c.filter.WithAdvanced(set)
		c.edits = slices.ContainsFunc(documents, func(d filter.Document) bool { return strings.Contains(d.Content, "execute") })
	}
	var d datatype.Definitions
	d.Custom, err = decodeAll[datatype.CustomType](types, nil)
	note(err)
	d.Builtins, err = decodeAll[datatype.Override](builtins, nil)
	note(err)
	c.detector, err = datatype.Compile(d)
	note(err)
	c.access, err = inventory.NewAccessPolicy(c.settings.PrivateCIDRs, c.settings.PartnerIPs)
	note(err)
	ways, err := decodeAll[datatype.AuthType](auth, nil)
	note(err)
	if len(ways) > 0 {
		c.auth, err = datatype.CompileAuth(ways)
		note(err)
	}
	c.all, err = redact.New(redact.Config{All: true})
	note(err)
	if len(c.detector.RedactedTypes()) > 0 {
		c.typed, err = redact.New(redact.Config{Types: c.detector.RedactedText})
		note(err)
	}
	return errors.Join(errs...)
}

// filterSettings are the members of s that filters use: both are the published
// document.
func filterSettings(s *inventory.Settings) (filter.Settings, error) {
	var out filter.Settings
	doc, err := json.Marshal(s)
	if err == nil {
		err = json.Unmarshal(doc, &out)
	}
	return out, err
}

// decodeAll decodes documents; those that cannot be are left out, and named.
func decodeAll[T any](ds []inventory.Definition, named func(*T, string)) ([]T, error) {
	var all []T
	var errs []error
	for i := range ds {
		var one T
		if err := json.Unmarshal(ds[i].Doc, &one); err != nil {
			errs = append(errs, fmt.Errorf("%s %q: %w", ds[i].Kind, ds[i].ID, err))
			continue
		}
		if named != nil {
			named(&one, ds[i].ID)
		}
		all = append(all, one)
	}
	return all, errors.Join(errs...)
}
