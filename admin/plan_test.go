package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"harken/admin"
	"harken/admin/auth"
	"harken/internal/job"
	"harken/internal/outbound"
	"harken/inventory"
)

const testHAR = `{"harString":{"log":{"version":"1.2","creator":{"name":"t","version":"1"},"entries":[]}},"apiCollectionId":7}`

func limits(t *testing.T, grace time.Duration, list ...string) admin.Plans {
	t.Helper()
	p, err := admin.ParsePlans(list, grace)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPlanGate(t *testing.T) {
	f := func(plans admin.Plans, name, body string, status int, want string) {
		t.Helper()
		w := start(t, func(c *admin.Config) { c.Plans = plans })
		got := w.want(t, status, "admin", http.MethodPost, "/api/"+name, strings.NewReader(body))
		if !strings.Contains(got, want) {
			t.Errorf("%s = %s, want %q", name, got, want)
		}
	}
	create, asleep := `{"collectionName":"one more"}`, `{"apiCollections":[{"id":8}]}`
	f(limits(t, 0), "createCollection", create, 200, "one more")
	f(limits(t, 0, "API_COLLECTIONS=6"), "createCollection", create, 200, "one more")
	f(limits(t, 0, "API_COLLECTIONS=5"), "createCollection", create, 403, "limit of API_COLLECTIONS is reached: 5 of 5")
	f(limits(t, time.Hour, "API_COLLECTIONS=5"), "createCollection", create, 200, "one more")
	f(limits(t, 0, "API_COLLECTIONS=off"), "editCollectionName", `{"apiCollectionId":7,"collectionName":"x"}`, 403, "does not include API_COLLECTIONS")
	f(limits(t, 0, "ACTIVE_ENDPOINTS=2"), "uploadHar", testHAR, 403, "ACTIVE_ENDPOINTS")
	f(limits(t, 0, "ACTIVE_ENDPOINTS=3"), "uploadHar", testHAR, 200, "")
	// Before the body is read, after the role.
	f(limits(t, 0, "ACTIVE_ENDPOINTS=0"), "uploadHar", `{`, 403, "ACTIVE_ENDPOINTS")
	// Three endpoints are asleep, two awake.
	f(limits(t, 0, "ACTIVE_ENDPOINTS=5"), "activateCollections", asleep, 200, "asleep")
	f(limits(t, 0, "ACTIVE_ENDPOINTS=4"), "activateCollections", asleep, 422, "2 are used and 3 would come, of 4")
	f(limits(t, 0, "ACTIVE_ENDPOINTS=0"), "activateCollections", `{"apiCollections":[{"id":7}]}`, 200, "[]")

	w := start(t, func(c *admin.Config) { c.Plans = limits(t, 0, "ACTIVE_ENDPOINTS=0") })
	got := w.want(t, 403, "guest", http.MethodPost, "/api/uploadHar", strings.NewReader(testHAR))
	if !strings.Contains(got, "GUEST") {
		t.Errorf("a guest is told %s", got)
	}
}

// A limit may be exceeded for the grace period from when that was first seen, and
// anew once it was kept again.
func TestPlanGrace(t *testing.T) {
	at := time.Unix(now, 0)
	w := start(t, func(c *admin.Config) {
		c.Plans, c.Now = limits(t, time.Hour, "API_COLLECTIONS=6"), func() time.Time { return at }
	})
	create := func(status int, name string) {
		t.Helper()
		w.want(t, status, "admin", http.MethodPost, "/api/createCollection", strings.NewReader(`{"collectionName":"`+name+`"}`))
	}
	create(200, "a")
	at = at.Add(24 * time.Hour)
	create(200, "b") // exceeded from now on
	at = at.Add(59 * time.Minute)
	create(200, "c")
	at = at.Add(time.Minute)
	create(403, "d")
	got := w.want(t, 200, "admin", http.MethodPost, "/api/fetchAdminSettings", strings.NewReader(""))
	if !strings.Contains(got, `"API_COLLECTIONS":{"isGranted":true,"usageLimit":6,"usage":0,"overageFirstDetected":1700086400,"gracePeriod":3600}`) {
		t.Errorf("settings = %s", got)
	}
	if _, err := w.db.Account(inventory.DefaultAccount).(inventory.FullStore).DeleteCollections(t.Context(), []int32{7, 8, 9}); err != nil {
		t.Fatal(err)
	}
	create(200, "e")
	create(200, "f") // exceeded anew
}

type brokenPlans struct{}

func (brokenPlans) Features(context.Context, *auth.Organization) (map[string]admin.PlanFeature, error) {
	return nil, errors.New("no answer")
}

// What the gate cannot find out does not open it.
func TestPlanGateFails(t *testing.T) {
	w := start(t, func(c *admin.Config) { c.Plans = brokenPlans{} })
	w.want(t, 500, "admin", http.MethodPost, "/api/createCollection", strings.NewReader(`{"collectionName":"x"}`))
	if cols, err := w.db.Account(inventory.DefaultAccount).Collections(t.Context()); err != nil || len(cols) != 5 {
		t.Errorf("%d collections, %v", len(cols), err)
	}
	w.want(t, 200, "admin", http.MethodPost, "/api/getAllCollections", strings.NewReader(""))
}

func TestParsePlans(t *testing.T) {
	for _, s := range []string{"", "ACTIVE_ENDPOINTS", "ACTIVE_ENDPOINTS=", "ACTIVE_ENDPOINTS=-1", "ACTIVE_ENDPOINTS=many", "OTHER=1"} {
		if _, err := admin.ParsePlans([]string{s}, 0); err == nil {
			t.Errorf("ParsePlans(%q) is accepted", s)
		}
	}
}

// failing is a store whose audit rows cannot be stored.
type failing struct{ auth.Store }

func (failing) AddAudit(context.Context, auth.AuditRow) error { return errors.New("disk full") }

// A row that is lost is counted and logged, and the call stands.
func TestAuditFails(t *testing.T) {
	reg := prometheus.NewRegistry()
	var logged strings.Builder
	w := start(t, func(c *admin.Config) {
		c.Users, c.Registerer, c.Log = failing{c.Users}, reg, slog.New(slog.NewTextHandler(&logged, nil))
	})
	w.want(t, 200, "admin", http.MethodPost, "/api/createCollection", strings.NewReader(`{"collectionName":"x"}`))
	if err := testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP audit_errors_total Calls that changed something and whose audit row could not be stored.
# TYPE audit_errors_total counter
audit_errors_total 1
`), "audit_errors_total"); err != nil {
		t.Error(err)
	}
	if !strings.Contains(logged.String(), "audit row not stored") {
		t.Errorf("logged %s", &logged)
	}
}

// Agents that send all the time fill no log; the address behind a proxy we trust is
// told.
func TestAuditAgents(t *testing.T) {
	w := start(t, func(c *admin.Config) {
		c.TrustedProxies = append(c.TrustedProxies, loopback()...)
	})
	for range 3 {
		w.want(t, 200, "admin", http.MethodPost, "/api/ingestData", strings.NewReader(`{"batchData":[]}`), "X-Forwarded-For: 10.9.9.9, 203.0.113.5, 127.0.0.7")
	}
	got := w.want(t, 200, "admin", http.MethodPost, "/api/fetchApiAuditLogsFromDb", strings.NewReader(""))
	if strings.Count(got, "ingestData") != 1 || !strings.Contains(got, `"userIpAddress":"203.0.113.5","userProxyIpAddresses":["127.0.0.7","127.0.0.1"]`) {
		t.Errorf("audit logs = %s", got)
	}
}

// service is a billing service.
type service struct {
	mu     sync.Mutex
	got    []string
	status int
	answer string
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, r.URL.Path+" "+r.Header.Get("Authorization")+" "+string(b))
	w.WriteHeader(s.status)
	_, _ = io.WriteString(w, s.answer)
}

func TestHTTPBilling(t *testing.T) {
	s := &service{status: 200, answer: `{"data":{"provisionSubscription":{"status":"PAYMENT_REQUIRED","checkoutUrl":"https://pay.example/1"}}}`}
	srv := httptest.NewServer(s)
	defer srv.Close()
	billing := func(allow ...string) *admin.HTTPBilling {
		g, err := outbound.NewGuard(allow)
		if err != nil {
			t.Fatal(err)
		}
		client, err := outbound.New(outbound.Config{Guard: g})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.CloseIdle)
		b, err := admin.NewHTTPBilling(srv.URL+"/", "tok", client)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	w := start(t, func(c *admin.Config) { c.Billing = billing("127.0.0.0/8") })
	order := `{"customerId":"anyone","planId":"p1","billingPeriod":"annual","successUrl":"https://a.example/ok","cancelUrl":"https://a.example/no"}`
	if got := w.want(t, 200, "admin", http.MethodPost, "/api/provisionSubscription", strings.NewReader(order)); got != s.answer {
		t.Errorf("provisionSubscription = %s", got)
	}
	org, err := w.db.Organization(t.Context(), inventory.DefaultAccount)
	if err != nil {
		t.Fatal(err)
	}
	want := `/api/provisionSubscription Bearer tok {"orgId":"` + org.ID + `","planId":"p1","billingPeriod":"ANNUAL","successUrl":"https://a.example/ok","cancelUrl":"https://a.example/no"}`
	if s.got[0] != want {
		t.Errorf("the service got %s, want %s", s.got[0], want)
	}

	// What is used is reported; a service that refuses fails the job, not the counting.
	w.want(t, 200, "admin", http.MethodPost, "/api/refreshUsageDataForOrg", strings.NewReader(""))
	if js, err := w.api.JobsEnded(t.Context(), inventory.DefaultAccount); err != nil || js[0].State != job.Succeeded {
		t.Errorf("%+v, %v", js, err)
	}
	var report struct {
		OrgID string
		Usage []struct {
			AccountID  int32
			MetricType string
			Usage      int64
		}
	}
	_, doc, _ := strings.Cut(s.got[1], " Bearer tok ")
	if err := json.Unmarshal([]byte(doc), &report); err != nil || report.OrgID != org.ID || len(report.Usage) != 7 {
		t.Errorf("report = %s, %v", s.got[1], err)
	}
	s.status = 503
	w.want(t, 200, "admin", http.MethodPost, "/api/refreshUsageDataForOrg", strings.NewReader(""))
	if js, err := w.api.JobsEnded(t.Context(), inventory.DefaultAccount); err != nil || js[1].State != job.Failed || !strings.Contains(js[1].Error, "503") {
		t.Errorf("%+v, %v", js, err)
	}
	for answer, status := range map[string]int{"{}": 500, "null": 200, "<html>": 200} {
		s.status, s.answer = status, answer
		w.want(t, 422, "admin", http.MethodPost, "/api/provisionSubscription", strings.NewReader(order))
	}
	srv.Close()
	w.want(t, 422, "admin", http.MethodPost, "/api/provisionSubscription", strings.NewReader(order))

	// The guard stands before it, and the strict switch names who may be ordered for.
	n := len(s.got)
	w = start(t, func(c *admin.Config) { c.Billing = billing() })
	w.want(t, 422, "admin", http.MethodPost, "/api/provisionSubscription", strings.NewReader(order))
	if len(s.got) != n {
		t.Error("a private address was reached")
	}
	w = start(t, func(c *admin.Config) { c.BillingStrictCustomer = true })
	got := w.want(t, 422, "admin", http.MethodPost, "/api/provisionSubscription", strings.NewReader(order))
	if !strings.Contains(got, "customerId") {
		t.Errorf("strict = %s", got)
	}
	org, err = w.db.Organization(t.Context(), inventory.DefaultAccount)
	if err != nil {
		t.Fatal(err)
	}
	w.want(t, 200, "admin", http.MethodPost, "/api/provisionSubscription", strings.NewReader(strings.Replace(order, "anyone", org.ID, 1)))
	for _, u := range []string{"", "billing.example", "ftp://billing.example", "https://", "https://billing.example/?a=b"} {
		if _, err := admin.NewHTTPBilling(u, "", nil); err == nil {
			t.Errorf("NewHTTPBilling(%q) is accepted", u)
		}
	}
}

func loopback() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }
