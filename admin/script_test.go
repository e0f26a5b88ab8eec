package admin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"harken/admin"
	"harken/admin/auth"
	"harken/har"
	"harken/ingest"
	"harken/internal/store/sqlite"
	"harken/inventory"
)

var update = flag.Bool("update", false, "rewrite golden files")

// now is the time of every test server.
const now = 1_700_000_000

const password = "correct7horse"

// world is one control plane with users of every kind and a small inventory.
type world struct {
	api  *admin.API
	db   *sqlite.DB
	srv  *httptest.Server
	sink *sink
	keys map[string]string // role name to API key
	stop func() error      // ends the background work
	mail *admin.Outbox
	late atomic.Int64 // nanoseconds that have passed since now

	mu      sync.Mutex
	reloads int // how often the learner was told of a change
	plans   admin.LocalPlans
}

// Features makes the world what sells plans.
func (w *world) Features(context.Context, *auth.Organization) (map[string]admin.PlanFeature, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.plans, nil
}

// Reload makes the world the learner.
func (w *world) Reload(_ context.Context, account int32) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if account == inventory.DefaultAccount {
		w.reloads++
	}
	return nil
}

// sink keeps what was put; it refuses records whose host is refused.example, and
// is busy while busy is set.
type sink struct {
	mu   sync.Mutex
	busy bool
	recs []*ingest.Record
}

func (s *sink) Put(_ context.Context, recs ...*ingest.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy {
		return &ingest.BusyError{After: 1500 * time.Millisecond, Err: io.ErrShortWrite}
	}
	for i, r := range recs {
		if r.Host == "refused.example" {
			return ingest.Reject(i, "refused by the sink")
		}
		c := *r
		c.Data = bytes.Clone(r.Data)
		s.recs = append(s.recs, &c)
	}
	return nil
}

// Scan makes the sink a record log too.
func (s *sink) Scan(_ context.Context, from, to time.Time, yield func(*ingest.Record) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.recs {
		if r.Time.Before(from) || !to.IsZero() && !r.Time.Before(to) {
			continue
		}
		if err := yield(r); err != nil {
			return err
		}
	}
	return nil
}

// A stage is the world before the curtain rises: the file of its database, which is
// made once, as making it takes longer than what most tests do with it.
type stage struct {
	db   []byte
	recs []*ingest.Record
	keys map[string]string
}

var theStage = sync.OnceValues(func() (*stage, error) {
	dir, err := os.MkdirTemp("", "harken-admin-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx, path := context.Background(), filepath.Join(dir, "harken.db")
	db, err := sqlite.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	w := &world{db: db, sink: &sink{}, keys: map[string]string{"admin": "admin-key-0123456789"}}
	if _, _, err := auth.Bootstrap(ctx, db, auth.BootstrapConfig{
		Email: "admin@example.com", Password: password, APIKey: w.keys["admin"], Now: now,
	}); err != nil {
		return nil, err
	}
	if err := w.people(ctx); err != nil {
		return nil, err
	}
	if err := w.inventory(ctx); err != nil {
		return nil, err
	}
	if err := db.Close(); err != nil { // which leaves no journal beside the file
		return nil, err
	}
	b, err := os.ReadFile(path)
	return &stage{db: b, recs: w.sink.recs, keys: w.keys}, err
})

func newWorld(ctx context.Context, dir string, change func(*admin.Config)) (*world, error) {
	st, err := theStage()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "harken.db")
	if err := os.WriteFile(path, st.db, 0o600); err != nil {
		return nil, err
	}
	db, err := sqlite.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	w := &world{db: db, sink: &sink{recs: slices.Clone(st.recs)}, keys: maps.Clone(st.keys), mail: &admin.Outbox{
		Dir: filepath.Join(dir, "outbox"), Now: func() time.Time { return time.Unix(now, 0).UTC() },
	}}
	return w, w.serve(ctx, change)
}

// serve starts the API on what is stored.
func (w *world) serve(ctx context.Context, change func(*admin.Config)) (err error) {
	cfg := admin.Config{
		Stores: w.db, Users: w.db, Jobs: w.db, Sink: w.sink, Records: w.sink, Learner: w, Version: "1.2.3",
		Now:     func() time.Time { return time.Unix(now, w.late.Load()) },
		Tokens:  signer(),
		Sealer:  sealer(),
		Mailer:  w.mail,
		Plans:   w,
		Learned: func(context.Context) error { return nil },
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "up 1\n") }),
		CAPage:  http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "the CA\n") }),
	}
	if change != nil {
		change(&cfg)
	}
	if w.api, err = admin.New(cfg); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- w.api.Run(ctx) }()
	w.stop = func() error {
		cancel()
		return <-done
	}
	w.srv = httptest.NewServer(w.api.Handler())
	return nil
}

// reopen starts another process, as it were, on a database of newWorld.
func reopen(ctx context.Context, path string) (*world, error) {
	db, err := sqlite.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	w := &world{db: db, sink: &sink{}, keys: map[string]string{"admin": "admin-key-0123456789"}}
	return w, w.serve(ctx, nil)
}

func (w *world) close() {
	w.srv.Close()
	_ = w.stop()
	_ = w.db.Close()
}

// people adds a user and a key for each role, and keys that may do little.
func (w *world) people(ctx context.Context) error {
	add := func(name string, g auth.Grant, u auth.Utility) error {
		user, err := w.db.AddUser(ctx, auth.User{
			ID: now, Email: name + "@example.com", Name: name, Accounts: []auth.Membership{{Account: inventory.DefaultAccount}},
		})
		if err != nil {
			return err
		}
		g.User, g.Account = user.ID, inventory.DefaultAccount
		if err := w.db.PutGrant(ctx, g); err != nil {
			return err
		}
		w.keys[name] = name + "-key-0123456789"
		_, err = w.db.AddKey(ctx, auth.NewAPIKey(w.keys[name], user.ID, inventory.DefaultAccount, u, now))
		return err
	}
	for _, role := range []auth.Role{auth.Member, auth.Developer, auth.Guest, auth.NoAccess} {
		if err := add(strings.ToLower(string(role)), auth.Grant{Role: string(role)}, auth.ExternalAPI); err != nil {
			return err
		}
	}
	if err := add("limited", auth.Grant{Role: "MEMBER", Collections: []int32{7}}, auth.ExternalAPI); err != nil {
		return err
	}
	for _, u := range []auth.Utility{auth.Burp, auth.CICD, auth.Slack} {
		if err := add(strings.ToLower(string(u)), auth.Grant{Role: "MEMBER"}, u); err != nil {
			return err
		}
	}
	w.keys["stranger"] = "no-such-key"
	return nil
}

// inventory learns a host with two endpoints, and adds collections by hand.
func (w *world) inventory(ctx context.Context) error {
	st := w.db.Account(inventory.DefaultAccount)
	col, err := st.HostCollection(ctx, "api.example.com", now-100)
	if err != nil {
		return err
	}
	for _, c := range []inventory.Collection{
		{ID: 7, Name: "by hand", StartTS: now - 50, SampleCollectionsDropped: true},
		{ID: 8, Name: "asleep", StartTS: now - 40, Deactivated: true},
		{ID: 9, Name: "group", StartTS: now - 30, Type: inventory.TypeGroup},
	} {
		if _, err := st.AddCollection(ctx, c); err != nil {
			return err
		}
	}
	users := inventory.EndpointKey{Collection: col.ID, URL: "/users/INTEGER", Method: "GET"}
	e := har.Entry{
		Started: time.Unix(now-10, 0).UTC(),
		Request: har.Request{
			Method: "GET", URL: "https://api.example.com/users/42?full=1", HTTPVersion: "HTTP/1.1", HeadersSize: -1,
			Headers: []har.Header{{Name: "Host", Value: "api.example.com"}},
		},
		Response: har.Response{
			Status: 200, StatusText: "OK", HTTPVersion: "HTTP/1.1", HeadersSize: -1,
			Content: har.Content{Size: 17, MimeType: "application/json", Body: []byte(`{"mail":"a@b.co"}`)},
		},
		Harken: &har.Meta{Account: "1000000", Source: "MIRRORING", Direction: "1"},
	}
	data := har.AppendEntry(nil, &e)
	w.sink.recs = []*ingest.Record{
		{Account: "1000000", Source: "MIRRORING", Host: "api.example.com", Time: e.Started, Data: data},
		{Account: "1000000", Source: "HAR", Collection: 7, Host: "other.example.com", Time: e.Started, Data: []byte(`{"request":{"method":"GET","url":"http://other.example.com/x"}}`)},
		{Account: "2000000", Source: "HAR", Collection: 7, Time: e.Started, Data: []byte(`{"secret":true}`)},
	}
	sample := inventory.Sample{Endpoint: users, Time: now - 10, Account: inventory.DefaultAccount, Source: "MIRRORING", Data: data}
	return w.db.Apply(ctx, &inventory.Update{
		Marks: map[inventory.Mark]int64{},
		Accounts: map[int32]*inventory.AccountUpdate{inventory.DefaultAccount: {
			Endpoints: []inventory.Endpoint{
				{
					EndpointKey: users, Count: 12, Discovered: now - 100, LastSeen: now - 10, APIType: "REST",
					AuthTypes: [][]string{{"BEARER"}, {"JWT", "API_KEY"}}, AccessTypes: []string{"PUBLIC"}, ResponseCodes: []int{200, 302},
					Sources: map[string]int64{"MIRRORING": now - 10}, Origins: []string{"https://api.example.com"},
					AuthSeen: []int64{now - 100, now - 20}, CodeSeen: []int64{now - 100, now - 30},
					Traffic: []inventory.TrafficCount{
						{Start: now - now%3600, Status: 200, Count: 11}, {Start: now - now%3600, Status: 302, Count: 1},
					},
					Params: []inventory.Param{
						{
							ParamKey: inventory.ParamKey{ResponseCode: -1, URLParam: true, Name: "1", Type: "INTEGER_32"},
							Count:    12, FirstSeen: now - 100, LastSeen: now - 10, Values: []string{"42"}, HasRange: true, Min: 42, Max: 42,
						},
						{
							ParamKey: inventory.ParamKey{ResponseCode: 200, Name: "mail", Type: "EMAIL"},
							Count:    12, FirstSeen: now - 100, LastSeen: now - 10, Values: []string{"a@b.co"}, Unique: 20, Public: 1,
						},
					},
				},
				{
					EndpointKey: inventory.EndpointKey{Collection: col.ID, URL: "/users", Method: "POST"}, Count: 1,
					Discovered: now - 40*86400, LastSeen: now - 40*86400, APIType: "REST", AuthTypes: [][]string{{"UNAUTHENTICATED"}, {"BASIC"}},
					ResponseCodes: []int{201},
					Params: []inventory.Param{{
						ParamKey: inventory.ParamKey{ResponseCode: -1, Name: "nick", Type: "GENERIC"}, Count: 1, FirstSeen: now - 40*86400,
						LastSeen: now - 40*86400, Values: []string{"bob"},
					}},
				},
				{EndpointKey: inventory.EndpointKey{Collection: 8, URL: "/vendors/kplm", Method: "GET"}, Count: 2},
				{EndpointKey: inventory.EndpointKey{Collection: 8, URL: "/vendors/zxqv", Method: "GET"}, Count: 3},
				{EndpointKey: inventory.EndpointKey{Collection: 8, URL: "/zzz", Method: "GET"}, Count: 1},
			},
			Samples:   []inventory.Sample{sample},
			Sensitive: []inventory.SensitiveSample{{Sample: sample, Params: []inventory.ParamKey{{ResponseCode: 200, Name: "mail", Type: "EMAIL"}}}},
			Dropped:   map[string]int64{"status": 3, "options": 1},
			Drops: []inventory.Drop{
				{Rule: "status", Host: "api.example.com", Count: 3, Last: now - 5, Example: []byte(`{"request":{"method":"GET"}}`)},
				{Rule: "options", Host: "other.example.com", Count: 1, Last: now - 6},
			},
		}},
	})
}

func TestAPI(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata", UpdateScripts: *update, RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			w, err := newWorld(t.Context(), e.WorkDir, nil)
			if err != nil {
				return err
			}
			e.Defer(w.close)
			e.Values["world"] = w
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"sample": cmdSample, "jobs": cmdJobs, "access": cmdAccess,
			"api": cmdAPI, "http": cmdHTTP, "sent": cmdSent, "busy": cmdBusy, "reloads": cmdReloads, "mails": cmdMails,
			"pass": cmdPass, "mail": cmdMail, "invite": cmdInvite, "take": cmdTake, "claims": cmdClaims, "plan": cmdPlan,
		},
	})
}

// api WHO NAME [FILE] posts FILE, or an empty body, as JSON to an endpoint and
// prints the answer, indented.
func cmdAPI(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: api who name [file]")
	}
	body := ""
	if len(args) == 3 {
		body = strings.ReplaceAll(ts.ReadFile(args[2]), "${TAKEN}", ts.Getenv("TAKEN"))
	}
	name := args[1]
	if name[0] != '/' {
		name = "/api/" + name
	}
	do(ts, neg, args[0], http.MethodPost, name, []string{"Content-Type: application/json"}, body)
}

// http WHO METHOD PATH [HEADER...] [@FILE] makes any request. The status is the
// first line of stderr, the headers follow.
func cmdHTTP(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 3 {
		ts.Fatalf("usage: http who method path [header...] [@file]")
	}
	var headers []string
	body := ""
	for _, a := range args[3:] {
		if file, ok := strings.CutPrefix(a, "@"); ok {
			body = ts.ReadFile(file)
		} else {
			headers = append(headers, a)
		}
	}
	do(ts, neg, args[0], args[1], args[2], headers, body)
}

func do(ts *testscript.TestScript, neg bool, who, method, path string, headers []string, body string) {
	w := ts.Value("world").(*world)
	req, err := http.NewRequest(method, w.srv.URL+path, strings.NewReader(body))
	ts.Check(err)
	switch key, ok := w.keys[who]; {
	case ok:
		req.Header.Set("X-API-KEY", key)
	case who == "cookie" || who == "refresh": // of the last login in this script
		req.Header.Set("Cookie", strings.TrimSpace(ts.ReadFile(who)))
	case who == "token":
		req.Header.Set("access-token", ts.ReadFile("token"))
	case who != "nobody":
		ts.Fatalf("no caller %s", who)
	}
	for _, h := range headers {
		k, v, _ := strings.Cut(h, ": ")
		req.Header.Set(k, strings.ReplaceAll(v, "$HOST", w.srv.URL))
	}
	res, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	ts.Check(err)
	keepCredentials(ts, res)
	if m := apiKeys.FindSubmatch(b); m != nil { // of addApiToken: the caller "new" from now on
		w.keys["new"] = string(m[1])
	}
	_, _ = fmt.Fprintf(ts.Stderr(), "%d\n", res.StatusCode)
	_ = res.Header.Write(ts.Stderr())
	ts.Check(conforms(w, req, []byte(body), res, b))
	var out bytes.Buffer
	if json.Indent(&out, b, "", "  ") != nil {
		out.Reset()
		out.Write(b)
	}
	out = *bytes.NewBuffer(scrub(out.Bytes()))
	if b := out.Bytes(); len(b) > 0 && b[len(b)-1] != '\n' {
		out.WriteByte('\n')
	}
	_, err = ts.Stdout().Write(out.Bytes())
	ts.Check(err)
	if (res.StatusCode >= 400) != neg {
		ts.Fatalf("status %d: %s", res.StatusCode, b)
	}
}

var (
	uuids   = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	startTS = regexp.MustCompile(`"startTs": (\d+)`)
	apiKeys = regexp.MustCompile(`"key":\s*"(\w{40})"`)
	codes   = regexp.MustCompile(`Code=\w{40}\b`)
	ports   = regexp.MustCompile(`127\.0\.0\.1:\d+/signup`)
)

// scrub replaces what differs from run to run: random ids, and the time at which
// the store made the default collection.
func scrub(b []byte) []byte {
	b = uuids.ReplaceAll(b, []byte("UUID"))
	b = apiKeys.ReplaceAll(b, []byte(`"key": "KEY"`))
	b = ports.ReplaceAll(codes.ReplaceAll(b, []byte("Code=CODE")), []byte("HOST/signup"))
	return startTS.ReplaceAllFunc(b, func(m []byte) []byte {
		if string(m) > fmt.Sprintf(`"startTs": %d`, now+1000) {
			return []byte(`"startTs": 0`)
		}
		return m
	})
}

// sent prints what the sink was given since the server started, one record a line.
func cmdSent(ts *testscript.TestScript, _ bool, _ []string) {
	s := ts.Value("world").(*world).sink
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.recs[3:] {
		_, _ = fmt.Fprintf(ts.Stdout(), "account=%s collection=%d source=%s host=%s origin=%s flags=%s form=%d\n",
			r.Account, r.Collection, r.Source, r.Host, r.Origin, strings.Join(r.Flags.Texts(), ","), r.Form)
	}
}

// mails prints the messages in the outbox, without their dates.
func cmdMails(ts *testscript.TestScript, _ bool, _ []string) {
	files, err := filepath.Glob(ts.MkAbs("outbox/*"))
	ts.Check(err)
	for _, f := range files {
		_, text, _ := strings.Cut(strings.ReplaceAll(ts.ReadFile(f), "\r", ""), "\n") // after the date
		_, err := ts.Stdout().Write(scrub([]byte(text)))
		ts.Check(err)
	}
}

// reloads prints how often the learner was told of a change.
func cmdReloads(ts *testscript.TestScript, _ bool, _ []string) {
	w := ts.Value("world").(*world)
	w.mu.Lock()
	defer w.mu.Unlock()
	_, _ = fmt.Fprintf(ts.Stdout(), "%d\n", w.reloads)
}

// busy makes the sink refuse everything for now.
func cmdBusy(ts *testscript.TestScript, neg bool, _ []string) {
	s := ts.Value("world").(*world).sink
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy = !neg
}

// sealer has a key that all test servers share.
func sealer() *auth.Sealer {
	s, err := auth.NewSealer(bytes.Repeat([]byte("k"), 32))
	if err != nil {
		panic(err)
	}
	return s
}
