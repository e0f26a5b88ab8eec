// Package admin serves the control API and the page: one table of routes, one
// file per group of endpoints. What an endpoint does to the inventory is decided
// in package inventory and its store, who may do it in package auth; here is only
// HTTP: decoding, credentials, limits, statuses.
package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"harken/admin/auth"
	"harken/admin/ui"
	"harken/ingest"
	"harken/internal/job"
	"harken/inventory"
)

// Defaults of Config.
const (
	DefaultMaxUpload   = 200 << 20
	DefaultMaxHAR      = 25 << 20
	DefaultMaxRecord   = 2 * 799_920
	DefaultSessionIdle = 30 * time.Minute
	DefaultLimitLogin  = 10 // tries per hour and address
	DefaultLimitReset  = 10 // tries per hour and address

	DefaultAccessTokenLifetime  = 2 * time.Hour
	DefaultRefreshTokenLifetime = 182 * 24 * time.Hour
	DefaultResetTokenLifetime   = 2 * time.Hour
)

// maxBody bounds the bodies of all endpoints that take no uploads.
const maxBody = 1 << 20

// A Config says what an API works on. Stores, Users and Log may be shared with
// other parts of the program. Zero values of numbers mean the defaults above.
type Config struct {
	Stores inventory.Stores
	Users  auth.Store
	// Jobs is the table of background jobs, which Run runs.
	Jobs   job.Store
	Tokens *auth.Signer // of access and refresh tokens
	// Sealer encrypts credentials that people leave. With nil none are taken.
	Sealer *auth.Sealer
	// Mailer takes what is sent to people. With nil nobody is sent anything.
	Mailer Mailer
	// Sink takes what is imported. With nil, imports are refused.
	Sink ingest.Sink
	// Plans say what organizations may use; nil grants everything.
	Plans Plans
	// Billing sells plans; with nil every order succeeds and is recorded.
	Billing Billing
	// BillingStrictCustomer refuses orders for a customer that is not the caller's
	// organization.
	BillingStrictCustomer bool
	// Push brings notifications to the browsers of users; with nil their
	// subscriptions are stored only.
	Push Pusher
	// Records is what records.har reads. With nil it gives the stored samples.
	Records Records
	// Learned returns when everything that Sink took before the call is part of
	// the inventory, or with the error of ctx. With nil nobody waits.
	Learned func(ctx context.Context) error
	// Learner is told what people change, so that it follows at once. With nil it
	// finds out when it next looks.
	Learner Learner

	Invites Invites
	// RevealTokens seals API keys when they are made, with Sealer, so that their
	// owners can see them again. Else a key is shown once and never stored.
	RevealTokens bool

	CAPage  http.Handler // mounted at /ca, without that prefix; with nil there is none
	Healthz http.Handler // with nil: 200
	Readyz  http.Handler // with nil: 200
	Metrics http.Handler // with nil there is none

	Log        *slog.Logger // nil discards
	Registerer prometheus.Registerer
	Now        func() time.Time
	Version    string
	// Proxy is the address of the built-in recorder that the page tells people to
	// use; empty when there is none.
	Proxy string

	MaxUpload   int64 // bytes of the body of an upload, also after decompression
	MaxHAR      int64 // bytes of a HAR
	MaxRecord   int   // bytes of one imported record; a larger one loses its bodies
	SessionIdle time.Duration
	LimitLogin  int // negative: no limit
	LimitReset  int // of asking for and setting new passwords; negative: no limit

	AccessTokenLifetime  time.Duration
	RefreshTokenLifetime time.Duration
	ResetTokenLifetime   time.Duration // also how long until there may be another one

	// OpenSignup lets everybody sign up, with an organization of their own.
	OpenSignup bool
	// PublicURL is the address of this site in links, such as
	// https://harken.example.com; empty: that of the request.
	PublicURL string

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
	resets   *limiter
	invites  *limiter
	guesses  *backoff
	compiled typeCache
	// memory bounds the bytes of uploads that are held at once; an upload that
	// does not fit is told to come back.
	memory *semaphore.Weighted
	guard  *http.CrossOriginProtection
	jobs   *job.Runner
	seldom seldom
	// replies and samples have the memory of calls that are made often.
	replies replyPool
	samples sync.Pool // of *sampleTexts

	unaudited prometheus.Counter
	pushed    *prometheus.CounterVec
}

// New checks cfg and returns an API. It starts nothing.
func New(cfg Config) (*API, error) {
	if cfg.Stores == nil || cfg.Users == nil || cfg.Tokens == nil || cfg.Jobs == nil {
		return nil, errors.New("admin: Config needs Stores, Users, Tokens and Jobs")
	}
	if err := cfg.defaults(); err != nil {
		return nil, err
	}
	a := &API{
		cfg: cfg, log: cfg.Log, hasher: auth.NewHasher(0), guard: http.NewCrossOriginProtection(),
		compiled: typeCache{accounts: map[int32]cachedTypes{}},
		logins:   newLimiter(cfg.LimitLogin, cfg.Now),
		resets:   newLimiter(cfg.LimitReset, cfg.Now),
		invites:  newLimiter(cfg.Invites.Limit, cfg.Now),
		guesses:  newBackoff(cfg.Now),
		memory:   semaphore.NewWeighted(2*cfg.MaxUpload + 64*maxBody),
		spec:     specOf(cfg.Version),
		seldom:   seldom{last: map[seldomKey]time.Time{}},
		unaudited: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "audit_errors_total", Help: "Calls that changed something and whose audit row could not be stored.",
		}),
		pushed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "notifications_total", Help: "Web push messages, by what became of them.",
		}, []string{"result"}),
	}
	if cfg.Registerer != nil {
		if err := errors.Join(cfg.Registerer.Register(a.unaudited), cfg.Registerer.Register(a.pushed)); err != nil {
			return nil, fmt.Errorf("admin: register metrics: %w", err)
		}
	}
	var err error
	if a.jobs, err = job.New(job.Config{Store: cfg.Jobs, Kinds: a.jobKinds(), Log: cfg.Log, Registerer: cfg.Registerer, Now: cfg.Now}); err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	return a, nil
}

// Run does the background work of the API until ctx is done. It is called once.
func (a *API) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	if a.cfg.Push != nil {
		wg.Go(func() { a.newNotifier().run(ctx) })
	}
	err := a.jobs.Run(ctx)
	cancel()
	wg.Wait()
	return err
}

func (a *API) newNotifier() *notifier {
	return &notifier{api: a, began: a.cfg.Now(), accounts: map[int32]*notified{}}
}

// defaults sets what is zero, and checks the rest.
func (cfg *Config) defaults() error {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.RevealTokens && cfg.Sealer == nil {
		return errors.New("admin: Config with RevealTokens needs a Sealer")
	}
	if cfg.Plans == nil {
		cfg.Plans = LocalPlans(nil)
	}
	cfg.MaxUpload = cmp.Or(cfg.MaxUpload, DefaultMaxUpload)
	cfg.MaxHAR = cmp.Or(cfg.MaxHAR, DefaultMaxHAR)
	cfg.MaxRecord = cmp.Or(cfg.MaxRecord, DefaultMaxRecord)
	cfg.LimitLogin = cmp.Or(cfg.LimitLogin, DefaultLimitLogin)
	cfg.LimitReset = cmp.Or(cfg.LimitReset, DefaultLimitReset)
	cfg.SessionIdle = cmp.Or(cfg.SessionIdle, DefaultSessionIdle)
	cfg.AccessTokenLifetime = cmp.Or(cfg.AccessTokenLifetime, DefaultAccessTokenLifetime)
	cfg.RefreshTokenLifetime = cmp.Or(cfg.RefreshTokenLifetime, DefaultRefreshTokenLifetime)
	cfg.ResetTokenLifetime = cmp.Or(cfg.ResetTokenLifetime, DefaultResetTokenLifetime)
	if cfg.MaxUpload < 0 || cfg.MaxHAR < 0 || cfg.MaxRecord < 0 {
		return errors.New("admin: a limit of Config is negative")
	}
	if min(cfg.SessionIdle, cfg.AccessTokenLifetime, cfg.RefreshTokenLifetime, cfg.ResetTokenLifetime) < time.Second {
		return errors.New("admin: a lifetime of Config is under a second")
	}
	return cfg.Invites.defaults()
}
