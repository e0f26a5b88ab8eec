// Package admin serves the control API and the page: one table of routes, one
// file per group of endpoints. What an endpoint does to the inventory is decided
// in package inventory and its store, who may do it in package auth; here is only
// HTTP: decoding, credentials, limits, statuses.
package admin

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"golang.org/x/sync/semaphore"

	"harken/admin/auth"
	"harken/admin/ui"
	"harken/ingest"
	"harken/inventory"
)

// Defaults of Config.
const (
	DefaultMaxUpload   = 200 << 20
	DefaultMaxHAR      = 25 << 20
	DefaultMaxRecord   = 2 * 799_920
	DefaultSessionIdle = 30 * time.Minute
	DefaultLimitLogin  = 10 // tries per hour and address
)

// maxBody bounds the bodies of all endpoints that take no uploads.
const maxBody = 1 << 20

// A Config says what an API works on. Stores, Users and Log may be shared with
// other parts of the program. Zero values of numbers mean the defaults above.
type Config struct {
	Stores inventory.Stores
	Users  auth.Store
	// Sink takes what is imported. With nil, imports are refused.
	Sink ingest.Sink
	// Records is what records.har reads. With nil it gives the stored samples.
	Records Records
	// Learned returns when everything that Sink took before the call is part of
	// the inventory, or with the error of ctx. With nil nobody waits.
	Learned func(ctx context.Context) error
	// Learner is told what people change, so that it follows at once. With nil it
	// finds out when it next looks.
	Learner Learner

	CAPage  http.Handler // mounted at /ca, without that prefix; with nil there is none
	Healthz http.Handler // with nil: 200
	Readyz  http.Handler // with nil: 200
	Metrics http.Handler // with nil there is none

	Log     *slog.Logger // nil discards
	Now     func() time.Time
	Version string
	// Proxy is the address of the built-in recorder that the page tells people to
	// use; empty when there is none.
	Proxy string

	MaxUpload   int64 // bytes of the body of an upload, also after decompression
	MaxHAR      int64 // bytes of a HAR
	MaxRecord   int   // bytes of one imported record; a larger one loses its bodies
	SessionIdle time.Duration
	LimitLogin  int // negative: no limit

	// StrictKeyBlocklist refuses API keys where the reference refuses them.
	StrictKeyBlocklist bool
	// Origins are the origins of other sites whose scripts may call the API with
	// an API key, such as https://tools.example.com; "*" is any.
	Origins []string
	// TrustedProxies are the peers whose X-Forwarded-For and X-Forwarded-Proto count.
	TrustedProxies []netip.Prefix
}

// Learner is who makes the inventory from records.
type Learner interface {
	// Reload says that settings, definitions, flags of collections or template
	// states of an account were changed in the store. When it returns nil, what was
	// learned by the former ones is stored, and everything later goes by what is
	// stored. The error is that of ctx. It is safe for concurrent use.
	Reload(ctx context.Context, account int32) error
}

// reload has the learner follow what the caller changed.
func (a *API) reload(ctx context.Context, c *auth.Caller) error {
	if a.cfg.Learner == nil {
		return nil
	}
	return a.cfg.Learner.Reload(ctx, c.Account)
}

// Records is the log of what was recorded.
type Records interface {
	// Scan yields the records of all accounts from one time up to, and without,
	// another, in the order of the log; a zero time is no limit. A record and its
	// bytes are valid until yield returns. An error of yield ends the scan and
	// is returned. Scan is safe for concurrent use.
	Scan(ctx context.Context, from, to time.Time, yield func(*ingest.Record) error) error
}

// An API serves the control API and the page.
type API struct {
	cfg      Config
	log      *slog.Logger
	spec     func() (*ui.Asset, error) // the OpenAPI document
	hasher   *auth.Hasher
	logins   *limiter
	compiled typeCache
	// memory bounds the bytes of uploads that are held at once; an upload that
	// does not fit is told to come back.
	memory *semaphore.Weighted
	guard  *http.CrossOriginProtection
}

// New checks cfg and returns an API. It starts nothing.
func New(cfg Config) (*API, error) {
	if cfg.Stores == nil || cfg.Users == nil {
		return nil, errors.New("admin: Config needs Stores and Users")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.MaxUpload == 0 {
		cfg.MaxUpload = DefaultMaxUpload
	}
	if cfg.MaxHAR == 0 {
		cfg.MaxHAR = DefaultMaxHAR
	}
	if cfg.MaxRecord == 0 {
		cfg.MaxRecord = DefaultMaxRecord
	}
	if cfg.SessionIdle == 0 {
		cfg.SessionIdle = DefaultSessionIdle
	}
	if cfg.LimitLogin == 0 {
		cfg.LimitLogin = DefaultLimitLogin
	}
	if cfg.MaxUpload < 0 || cfg.MaxHAR < 0 || cfg.MaxRecord < 0 || cfg.SessionIdle < time.Second {
		return nil, errors.New("admin: a limit of Config is negative, or SessionIdle is under a second")
	}
	return &API{
		cfg: cfg, log: cfg.Log, hasher: auth.NewHasher(0), guard: http.NewCrossOriginProtection(),
		compiled: typeCache{accounts: map[int32]cachedTypes{}},
		logins:   newLimiter(cfg.LimitLogin, time.Hour, cfg.Now),
		memory:   semaphore.NewWeighted(2*cfg.MaxUpload + 64*maxBody),
		spec:     specOf(cfg.Version),
	}, nil
}
