package admin

import (
	"context"
	"net/http"
	"net/netip"
	"path"
	"reflect"
	"strings"
	"sync"
	"time"
	"unicode"

	"harken/admin/auth"
)

// auditTimeout bounds how long an answer waits for its audit row.
const auditTimeout = 10 * time.Second

// audit stores the row of a call that succeeded, before it is answered: who reads
// the rows next finds it. A row that cannot be stored is logged and counted, and
// the call stands, for it is done.
func (a *API) audit(ctx context.Context, c *call, in any) {
	if c.caller == nil || c.route.needs.Access != auth.ReadWrite || c.route.sparse && !a.seldom.pass(c, a.cfg.Now()) {
		return
	}
	// The client that goes away now has done what it did.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditTimeout)
	defer cancel()
	noteRequest(c.caller, in)
	client, proxies := a.addresses(c.r)
	row := auth.AuditRow{
		Account: c.caller.Account, Time: a.cfg.Now().Unix(), Endpoint: c.route.url(), Description: inWords(c.route.path),
		UserEmail: c.caller.User.Email, UserAgent: clientClass(c.r.UserAgent()), IP: client.String(), ProxyIPs: []string{},
		Resource: string(c.route.needs.Feature), Operation: auditOperation(c.route.path), Metadata: c.caller.Notes(),
	}
	for _, p := range proxies {
		row.ProxyIPs = append(row.ProxyIPs, p.String())
	}
	if row.Metadata == nil {
		row.Metadata = map[string]any{}
	}
	if err := a.cfg.Users.AddAudit(ctx, row); err != nil {
		a.unaudited.Inc()
		a.log.ErrorContext(ctx, "audit row not stored", "path", row.Endpoint, "user", c.caller.User.ID, "account", row.Account, "err", err)
	}
}

// noted are the members of requests that say what a call touched.
var noted = map[string]bool{
	"apiCollectionId": true, "apiCollectionIds": true, "apiCollections": true, "apiCollectionName": true, "collectionName": true, "url": true,
	"apiList": true, "method": true, "param": true, "email": true, "inviteeEmail": true, "userEmail": true, "userId": true, "roleName": true, "baseRole": true,
	"userRole": true, "inviteeRole": true, "scopeRoleMapping": true, "newAccountName": true, "newAccountId": true,
	"apiTokenId": true, "tokenUtility": true, "uploadId": true, "workspace_id": true, "planId": true, "reset": true, "redacted": true, "jobId": true,
}

// noteRequest notes them; what a handler noted itself stays.
func noteRequest(c *auth.Caller, in any) {
	v := reflect.Indirect(reflect.ValueOf(in))
	if v.Kind() != reflect.Struct {
		return
	}
	for f, x := range v.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if _, done := c.Notes()[name]; done || !noted[name] || !f.IsExported() {
			continue
		}
		switch x := x.Interface().(type) {
		case Int:
			if x.Set {
				c.Note(name, x.N)
			}
		case Ints:
			if len(x) > 0 {
				c.Note(name, []int64(x))
			}
		case Refs:
			if len(x) > 0 {
				c.Note(name, []int64(x))
			}
		case APIs:
			if len(x) > 0 {
				c.Note("apiCollectionIds", x.collections())
			}
		case Strings:
			if len(x) > 0 {
				c.Note(name, []string(x))
			}
		case Roles:
			if list := x.list(); len(list) > 0 {
				c.Note(name, list)
			}
		case Bool:
			c.Note(name, x.B)
		case Text:
			c.Note(name, clip(x.S))
		case string:
			if name == "url" {
				x = bareURL(x)
			}
			if x != "" {
				c.Note(name, clip(x))
			}
		}
	}
}

// bareURL is a URL without what may hold a secret: user information, query, fragment.
func bareURL(s string) string {
	if i := strings.IndexAny(s, "?#"); i >= 0 {
		s = s[:i]
	}
	scheme, rest, ok := strings.Cut(s, "//")
	if !ok {
		return s
	}
	authority, _, _ := strings.Cut(rest, "/")
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		return scheme + "//" + authority[i+1:] + strings.TrimPrefix(rest, authority)
	}
	return s
}

// words splits a name such as addApiToken at its capitals.
func words(name string) []string {
	var out []string
	start := 0
	for i, r := range name {
		if unicode.IsUpper(r) && i > start && !unicode.IsUpper(rune(name[i-1])) {
			out = append(out, strings.ToLower(name[start:i]))
			start = i
		}
	}
	return append(out, strings.ToLower(name[start:]))
}

// inWords is the name of an endpoint in words.
func inWords(name string) string { return strings.Join(words(path.Base(name)), " ") }

// auditOperation is what an endpoint does, told by the verb that its name begins with.
func auditOperation(name string) string {
	switch words(path.Base(name))[0] {
	case "create", "add", "generate", "provision":
		return "CREATE"
	case "delete", "remove":
		return "DELETE"
	case "import", "upload", "ingest":
		return "IMPORT"
	case "invite":
		return "INVITE"
	default:
		return "UPDATE"
	}
}

// clientClass says what kind of program a User-Agent header names.
func clientClass(agent string) string {
	agent = strings.ToLower(agent)
	for _, c := range [...]struct{ text, class string }{
		{"postman", "Postman"},
		{"newman", "Postman"},
		{"harken", "Harken"},
		{"curl/", "curl"},
		{"wget/", "wget"},
		{"burp", "Burp"},
		{"python", "Python"},
		{"go-http-client", "Go"},
		{"okhttp", "Java"},
		{"java/", "Java"},
		{"node", "Node"},
		{"axios", "Node"},
		{"undici", "Node"},
		{"mozilla/", "Browser"},
	} {
		if strings.Contains(agent, c.text) {
			return c.class
		}
	}
	return "Other"
}

// addresses returns the address of the client and those of the proxies between,
// nearest to the client first. Only what a trusted proxy says counts.
func (a *API) addresses(r *http.Request) (client netip.Addr, proxies []netip.Addr) {
	client = peerAddr(r)
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && a.trusted(client); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		proxies = append([]netip.Addr{client}, proxies...)
		client = next.Unmap().WithZone("")
	}
	return client, proxies
}

// seldomEvery is how often a call of an endpoint that agents call all the time is
// audited, by caller.
const seldomEvery = time.Minute

// A seldom lets through the first call of a caller in each while.
type seldom struct {
	mu   sync.Mutex
	last map[seldomKey]time.Time
}

type seldomKey struct {
	account, user int32
	path          string
}

func (s *seldom) pass(c *call, now time.Time) bool {
	k := seldomKey{c.caller.Account, c.caller.User.ID, c.route.path}
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, ok := s.last[k]; ok && now.Sub(t) < seldomEvery {
		return false
	}
	if len(s.last) >= maxAddrs {
		clear(s.last)
	}
	s.last[k] = now
	return true
}

// Bounds of a page of audit rows.
const (
	defaultAudit = 100
	maxAudit     = 1000
)

type auditLogsRequest struct {
	Skip           Int `json:"skip"`
	Limit          Int `json:"limit"` // absent: 100; at most 1000
	StartTimestamp Int `json:"startTimestamp"`
	EndTimestamp   Int `json:"endTimestamp"` // absent: now
}

type auditLogsResponse struct {
	AuditLogs []auth.AuditRow `json:"auditLogs"` // newest first
	Total     int             `json:"total"`
}

// fetchAuditLogs lists who changed what, newest first.
func (a *API) fetchAuditLogs(ctx context.Context, c *auth.Caller, in auditLogsRequest) (auditLogsResponse, error) {
	out := auditLogsResponse{AuditLogs: []auth.AuditRow{}}
	skip, limit, err := page(in.Skip, in.Limit, defaultAudit, maxAudit)
	if err != nil {
		return out, err
	}
	from, to, err := a.period(in.StartTimestamp, in.EndTimestamp)
	if err != nil {
		return out, err
	}
	rows, total, err := a.cfg.Users.AuditRows(ctx, c.Account, from, to, skip, limit)
	out.AuditLogs, out.Total = append(out.AuditLogs, rows...), total
	return out, err
}
