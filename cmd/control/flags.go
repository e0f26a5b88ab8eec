package main

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"harken/admin"
	"harken/internal/flagenv"
	"harken/internal/wire"
)

const about = `Usage: harken-control [flags]
       harken-control reset-password [flags] EMAIL
       harken-control rotate-key [flags]
       harken-control version
       harken-control api NAME key=value...

Records traffic, learns the inventory of APIs and serves it. Without flags
everything runs in this process and is kept in ./harken-data.`

// sourceURLs says what -source accepts.
const sourceURLs = "log: or kafka://host:port/topic"

type options struct {
	log    wire.LogFlags
	rec    wire.ProxyFlags
	sinks  wire.Sinks
	listen string
	proxy  string
	data   string
	store  string
	source string
	sink   string
	ops    string

	logKeep                      int64
	email, password, apiKey      string
	maxUpload, maxHAR            int64
	limitLogin                   int
	sessionIdle                  time.Duration
	strictKeys, revealTokens     bool
	invites                      admin.Invites
	corsOrigins, trustedNetworks []string
	identity                     identityFlags
	trusted                      []netip.Prefix
	org                          organizationFlags
}

func (o *options) define(s *flagenv.Set) {
	s.About(about)
	s.Group("Where")
	s.String(&o.listen, "listen", "127.0.0.1:8081", "control API and page", flagenv.Opt{Value: "ADDR"})
	s.String(&o.proxy, "proxy", "127.0.0.1:8080", "built-in recorder; empty turns it off", flagenv.Opt{Value: "ADDR"})
	s.String(&o.data, "data", "harken-data", "directory of everything embedded", flagenv.Opt{Value: "DIR"})
	s.String(&o.store, "store", "sqlite:", "where the inventory is kept; sqlite: is harken.db in -data", flagenv.Opt{Value: "URL"})
	s.String(&o.source, "source", "log:", "where records come from: the log in -data, or kafka://host:port/topic?group=harken", flagenv.Opt{Value: "URL"})
	s.String(&o.sink, "sink", "", "where imports and the built-in recorder publish; the same as -source by default", flagenv.Opt{Value: "URL"})
	s.Size(&o.logKeep, "log-keep", 2<<30, "learned records kept in the log for records.har, oldest removed first")
	s.String(&o.ops, "ops", "", "own listener for /metrics, /healthz, /readyz and /debug/pprof", flagenv.Opt{Value: "ADDR"})
	o.log.Define(s)
	s.Group("First administrator")
	s.String(&o.email, "admin-email", "", "e-mail address; made at the first start only", flagenv.Opt{Value: "EMAIL"})
	s.Secret(&o.password, "admin-password", "password; generated when empty")
	s.Secret(&o.apiKey, "admin-api-key", "API key; generated when empty")
	o.identity.define(s)
	s.Group("Limits of the API")
	s.Size(&o.maxUpload, "max-upload", 200<<20, "bytes of an upload's request", flagenv.Opt{Rare: true})
	s.Size(&o.maxHAR, "max-har", 25<<20, "bytes of a HAR that is uploaded", flagenv.Opt{Rare: true})
	s.Int(&o.limitLogin, "limit-login", 10, "logins tried per hour and client address; negative is no limit", flagenv.Opt{Rare: true})
	s.Int(&o.identity.limitReset, "limit-reset", 10, "new passwords asked for and set per hour and client address; negative is no limit", flagenv.Opt{Rare: true})
	s.Duration(&o.sessionIdle, "session-idle", 30*time.Minute, "after which an unused session ends", flagenv.Opt{Rare: true})
	o.identity.lifetimes(s)
	s.Bool(&o.strictKeys, "auth-strict-api-key-blocklist", false, "refuse API keys at all endpoints where the reference does", flagenv.Opt{Rare: true})
	s.Bool(&o.revealTokens, "tokens-reveal-on-fetch", false, "keep API keys that are made, sealed, and show them to their owners again", flagenv.Opt{Rare: true})
	s.Int(&o.invites.Limit, "limit-invite", admin.DefaultLimitInvite, "invitations tried per hour and client address; negative is no limit", flagenv.Opt{Rare: true})
	s.Duration(&o.invites.Lifetime, "invite-lifetime", admin.DefaultInviteLifetime, "for how long an invitation can be accepted", flagenv.Opt{Rare: true})
	s.Bool(&o.invites.SameDomain, "invite-same-domain-only", false, "invite only e-mail addresses of the first administrator's domain", flagenv.Opt{Rare: true})
	s.List(&o.corsOrigins, "cors-origins", nil, "origins of other sites whose scripts may call the API with a key or an access token", flagenv.Opt{Rare: true})
	s.List(&o.trustedNetworks, "trusted-proxies", nil, "addresses and networks whose X-Forwarded-For counts", flagenv.Opt{Rare: true})
	o.org.define(s)
	o.rec.Define(s)
	o.sinks.Kafka.Define(s)
}

// check checks what no single flag can.
func (o *options) check() error {
	if err := o.identity.check(o); err != nil {
		return err
	}
	for _, n := range o.trustedNetworks {
		p, err := netip.ParsePrefix(n)
		if err != nil {
			a, aerr := netip.ParseAddr(n)
			if aerr != nil {
				return wire.Bad("trusted-proxies", n, "an address or a network such as 10.0.0.0/8", nil)
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		o.trusted = append(o.trusted, p)
	}
	if o.maxUpload == 0 {
		return wire.Bad("max-upload", "0", "a size of 1 byte and more", nil)
	}
	if o.maxHAR == 0 {
		return wire.Bad("max-har", "0", "a size of 1 byte and more", nil)
	}
	if err := checkOrigins(o.corsOrigins); err != nil {
		return err
	}
	if err := o.org.check(); err != nil {
		return err
	}
	if o.invites.Lifetime < time.Second {
		return wire.Bad("invite-lifetime", o.invites.Lifetime.String(), "a duration of 1s and more", nil)
	}
	if o.source != "log:" && !strings.HasPrefix(o.source, "kafka://") {
		return wire.Bad("source", o.source, sourceURLs, nil)
	}
	if o.sink == "" {
		o.sink = o.source
	}
	if o.sink == "log:" && o.source != "log:" {
		return wire.Bad("sink", o.sink, "the engine of -source", errors.New("nothing would learn from the log"))
	}
	return nil
}

// checkOrigins wants origins as browsers write them: another spelling would never match.
func checkOrigins(list []string) error {
	for _, origin := range list {
		u, err := url.Parse(origin)
		if origin != "*" && (err != nil || u.Scheme == "" || u.Host == "" || origin != strings.ToLower(u.Scheme+"://"+u.Host)) {
			return wire.Bad("cors-origins", origin, "* or an origin such as https://app.example.com", nil)
		}
	}
	return nil
}
