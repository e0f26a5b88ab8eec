package learn_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"harken/har"
	"harken/ingest"
	"harken/ingest/learn"
	"harken/internal/store/sqlite"
	"harken/inventory"
	"harken/inventory/fault"
)

const logID = "log"

var mark = inventory.Mark{Log: logID, Partition: "p"}

// exchange is one exchange of a test.
type exchange struct {
	method, url   string
	headers       []string // "name: value"
	body          string   // of the request
	status        int
	responseType  string
	response      string
	source        string
	collection    int32
	account       string
	at            int64
	responseHeads []string
}

func (x exchange) record(seq int64) *ingest.Record {
	e := har.Entry{Started: time.Unix(x.time(seq), 0).UTC(), Time: time.Millisecond}
	e.Request = har.Request{Method: x.method, URL: x.url, HTTPVersion: "HTTP/1.1", Headers: heads(x.headers), HeadersSize: -1, BodySize: -1}
	if x.body != "" {
		ct, _ := har.HeaderValue(e.Request.Headers, "content-type")
		e.Request.PostData = &har.PostData{MimeType: ct, Body: []byte(x.body)}
	}
	if i := strings.IndexByte(x.url, '?'); i >= 0 {
		e.Request.QueryString = har.ParseQuery(x.url[i+1:])
	}
	e.Response = har.Response{
		Status: x.status, StatusText: "OK", HTTPVersion: "HTTP/1.1", Headers: heads(x.responseHeads), HeadersSize: -1, BodySize: -1,
		Content: har.Content{Size: int64(len(x.response)), MimeType: x.responseType, Body: []byte(x.response)},
	}
	if x.responseType != "" {
		e.Response.Headers = append(e.Response.Headers, har.Header{Name: "content-type", Value: x.responseType})
	}
	source := x.source
	if source == "" {
		source = "MIRRORING"
	}
	_, host, _ := strings.Cut(x.url, "://")
	host, _, _ = strings.Cut(host, "/")
	return &ingest.Record{
		ID: ingest.ID{15: byte(seq)}, Origin: ingest.Origin{Log: logID, Seq: seq}, Account: x.account, Collection: x.collection, Source: source, Host: host,
		Time: e.Started, Data: har.AppendEntry(nil, &e),
	}
}

func (x exchange) time(seq int64) int64 {
	if x.at != 0 {
		return x.at
	}
	return 1767225600 + seq
}

func heads(lines []string) []har.Header {
	var hs []har.Header
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ": ")
		hs = append(hs, har.Header{Name: name, Value: value})
	}
	return hs
}

func get(url string) exchange {
	return exchange{method: "GET", url: url, status: 200}
}

func records(xs ...exchange) []*ingest.Record {
	var rs []*ingest.Record
	for i, x := range xs {
		rs = append(rs, x.record(int64(i+1)))
	}
	return rs
}

// A source gives records in batches, then blocks. With again, it gives what was
// not acknowledged at the end once more.
type source struct {
	mu      sync.Mutex
	rs      []*ingest.Record
	at      int
	size    int
	acked   int
	acks    int
	nextErr error
	more    chan struct{}
}

func newSource(size int, rs ...*ingest.Record) *source {
	return &source{rs: rs, size: size, more: make(chan struct{}, 1)}
}

func (s *source) add(rs ...*ingest.Record) {
	s.mu.Lock()
	s.rs = append(s.rs, rs...)
	s.mu.Unlock()
	select {
	case s.more <- struct{}{}:
	default: // Next was told already
	}
}

func (s *source) Next(ctx context.Context) (ingest.Batch, error) {
	for {
		s.mu.Lock()
		if s.at < len(s.rs) {
			defer s.mu.Unlock()
			end := min(len(s.rs), s.at+s.size)
			b := ingest.Batch{Partition: "p", Records: s.rs[s.at:end], Ack: func(context.Context) error {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.acked = max(s.acked, end)
				s.acks++
				return nil
			}}
			s.at = end
			return b, ctx.Err()
		}
		err := s.nextErr
		s.mu.Unlock()
		if err != nil {
			return ingest.Batch{}, err
		}
		select {
		case <-ctx.Done():
			return ingest.Batch{}, ctx.Err()
		case <-s.more:
		}
	}
}

// rewind gives everything that was not acknowledged again.
func (s *source) rewind() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = s.acked
}

func openStore(tb testing.TB) *sqlite.DB {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), "h.db")
	fresh, err := freshStore()
	if err == nil {
		err = os.WriteFile(file, fresh, 0o600)
	}
	if err != nil {
		tb.Fatal(err)
	}
	db, err := sqlite.Open(tb.Context(), file)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Error(err)
		}
	})
	return db
}

// freshStore is a store without anything in it: to make one takes longer than most
// tests.
var freshStore = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "learn")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "h.db")
	db, err := sqlite.Open(context.Background(), file)
	if err != nil {
		return nil, err
	}
	if err := db.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(file)
})

// start runs a learner until stop is called.
func start(tb testing.TB, cfg learn.Config) (l *learn.Learner, stop func()) {
	tb.Helper()
	l, err := learn.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			cancel()
			if err := <-done; err != nil {
				tb.Errorf("Run = %v", err)
			}
		}
	}
	tb.Cleanup(stop)
	return l, stop
}

// learnAll learns records into a store and returns when it has them.
func learnAll(tb testing.TB, s inventory.Stores, rs ...*ingest.Record) {
	tb.Helper()
	l, stop := start(tb, learn.Config{Source: newSource(100, rs...), Stores: s})
	if err := l.WaitFor(tb.Context(), mark, rs[len(rs)-1].Origin.Seq); err != nil {
		tb.Fatal(err)
	}
	stop()
}

// inventoryOf lists all endpoints of an account with their params.
func inventoryOf(tb testing.TB, s inventory.Stores, account int32) []inventory.Endpoint {
	tb.Helper()
	a := s.Account(account)
	cs, err := a.Collections(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	var all []inventory.Endpoint
	for _, c := range cs {
		es, err := a.Endpoints(tb.Context(), c.ID, 0, 100_000)
		if err != nil {
			tb.Fatal(err)
		}
		for i := range es {
			e, err := a.Endpoint(tb.Context(), es[i].EndpointKey)
			if err != nil {
				tb.Fatal(err)
			}
			all = append(all, e)
		}
	}
	return all
}

// params lists the params of an endpoint, one a line.
func params(e *inventory.Endpoint) []string {
	var all []string
	for i := range e.Params {
		p := &e.Params[i]
		place := "body"
		switch {
		case p.Header:
			place = "header"
		case p.URLParam:
			place = "url"
		case p.Query:
			place = "query"
		}
		line := fmt.Sprintf("%d %s %s %s %dx %v", p.ResponseCode, place, p.Name, p.Type, p.Count, p.Values)
		if p.HasRange {
			line += fmt.Sprintf(" %d..%d", p.Min, p.Max)
		}
		all = append(all, line)
	}
	return all
}

// memory is a store for tests of the learner alone.
type memory struct {
	inventory.Stores // nil: what is not faked panics
	mu               sync.Mutex
	marks            map[inventory.Mark]int64
	counts           map[inventory.EndpointKey]int64
	hosts            map[string]int32
	applied          int
	deactivated      bool
	panics           int32             // the collection whose keys cannot be read
	before, after    func(n int) error // called at each Apply; after comes when it was done
}

func newMemory() *memory {
	return &memory{marks: map[inventory.Mark]int64{}, counts: map[inventory.EndpointKey]int64{}, hosts: map[string]int32{}}
}

func (m *memory) Account(int32) inventory.Store { return &memoryAccount{m: m} }

func (m *memory) Full(int32) inventory.FullStore { return &memoryAccount{m: m} }

func (m *memory) Compact(context.Context, int64) error { return nil }

func (m *memory) Regroup(context.Context) error { return nil }

func (m *memory) MergeDue(context.Context) ([]inventory.CollectionKey, error) { return nil, nil }

func (m *memory) Marks(context.Context) (map[inventory.Mark]int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.marks), nil
}

func (m *memory) Apply(_ context.Context, u *inventory.Update) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.applied++
	if m.before != nil {
		if err := m.before(m.applied); err != nil {
			return err
		}
	}
	for _, a := range u.Accounts {
		for i := range a.Endpoints {
			m.counts[a.Endpoints[i].EndpointKey] += a.Endpoints[i].Count
		}
	}
	maps.Copy(m.marks, u.Marks)
	if m.after != nil {
		return m.after(m.applied)
	}
	return nil
}

func (m *memory) total() (n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.counts {
		n += c
	}
	return n
}

type memoryAccount struct {
	inventory.FullStore
	m *memory
}

func (a *memoryAccount) ConfigVersion(context.Context) (int64, error) { return 1, nil }

func (a *memoryAccount) Settings(context.Context) (inventory.Settings, error) {
	return inventory.Settings{}, nil
}

func (a *memoryAccount) Definitions(context.Context, string) ([]inventory.Definition, error) {
	return nil, nil
}

func (a *memoryAccount) SensitiveOverrides(context.Context, []int32) ([]inventory.SensitiveOverride, error) {
	return nil, nil
}

func (a *memoryAccount) Collections(context.Context) ([]inventory.Collection, error) {
	return nil, nil
}

func (a *memoryAccount) TemplateState(context.Context, int32) (inventory.TemplateState, error) {
	return inventory.TemplateState{}, nil
}

func (a *memoryAccount) PutTemplateState(_ context.Context, _ int32, s inventory.TemplateState) (int64, error) {
	return s.Version, nil
}

func (a *memoryAccount) Absorb(context.Context, inventory.Absorption) error { return nil }

func (a *memoryAccount) HostCollection(_ context.Context, host string, _ int64) (inventory.Collection, error) {
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	host = strings.Clone(host) // it is valid during the call only
	a.m.hosts[host] = inventory.HashID(host)
	return inventory.Collection{ID: inventory.HashID(host), HostName: host, Deactivated: a.m.deactivated}, nil
}

func (a *memoryAccount) Collection(_ context.Context, id int32) (inventory.Collection, error) {
	return inventory.Collection{ID: id}, nil
}

func (a *memoryAccount) EnsureCollection(_ context.Context, id int32, _ int64) (inventory.Collection, error) {
	return inventory.Collection{ID: id}, nil
}

func (a *memoryAccount) LabelCollection(_ context.Context, id int32, _ string, _ map[string]string, _ int64) (inventory.Collection, error) {
	return inventory.Collection{ID: id}, nil
}

func (a *memoryAccount) Keys(_ context.Context, id int32, _ func(inventory.EndpointKey) error) error {
	if id == a.m.panics && id != 0 {
		panic("keys of a bad collection")
	}
	return nil
}

var errOut = fault.New(fault.Busy, "the store is out")
