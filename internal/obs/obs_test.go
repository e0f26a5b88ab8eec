package obs_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"harken/internal/obs"
)

func get(t *testing.T, h http.Handler, method, path string) (int, string, http.Header) {
	t.Helper()
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), method, path, nil))
	return rec.Code, rec.Body.String(), rec.Header()
}

func TestHandler(t *testing.T) {
	reg := obs.NewRegistry("v1.2.3")
	n := prometheus.NewCounter(prometheus.CounterOpts{Name: "test_things_total", Help: "Things."})
	reg.MustRegister(n)
	n.Add(3)
	h := obs.Handler(obs.HandlerConfig{Registry: reg})
	f := func(h http.Handler, method, path string, status int, parts ...string) {
		t.Helper()
		code, body, header := get(t, h, method, path)
		if code != status {
			t.Errorf("%s %s = %d, want %d", method, path, code, status)
		}
		for _, p := range parts {
			if !strings.Contains(body, p) {
				t.Errorf("%s %s: %q is not in the answer %.200q", method, path, p, body)
			}
		}
		if header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s %s: no nosniff", method, path)
		}
	}
	f(h, "GET", "/metrics", 200, "test_things_total 3", "go_goroutines", "process_open_fds", `harken_build_info{go_version="go`, `version="v1.2.3"`)
	f(h, "GET", "/healthz", 200, `{"status":"ok"}`)
	f(h, "GET", "/readyz", 200, `{"status":"ready"}`)
	f(h, "HEAD", "/readyz", 200)
	f(h, "POST", "/metrics", 405)
	f(h, "GET", "/", 404)
	f(h, "GET", "/debug/pprof/", 404)
	f(obs.Handler(obs.HandlerConfig{}), "GET", "/metrics", 404)
	p := obs.Handler(obs.HandlerConfig{Pprof: true})
	f(p, "GET", "/debug/pprof/", 200, "goroutine")
	f(p, "GET", "/debug/pprof/heap?debug=1", 200, "heap profile")
	f(p, "GET", "/debug/pprof/symbol", 200)
}

// A collector that fails must neither hide the others nor stay unheard.
func TestMetricsWithFailingCollector(t *testing.T) {
	reg := obs.NewRegistry("v1")
	reg.MustRegister(broken{})
	var log strings.Builder
	logger, err := obs.NewLogger(&log, "info", "text")
	if err != nil {
		t.Fatal(err)
	}
	code, body, _ := get(t, obs.Handler(obs.HandlerConfig{Registry: reg, Log: logger}), "GET", "/metrics")
	if code != 200 || !strings.Contains(body, "harken_build_info") {
		t.Errorf("/metrics = %d, %.100q", code, body)
	}
	if !strings.Contains(log.String(), `msg="metrics incomplete"`) {
		t.Errorf("log = %q", log.String())
	}
}

type broken struct{}

func (broken) Describe(c chan<- *prometheus.Desc) {
	c <- prometheus.NewDesc("test_broken", "Broken.", nil, nil)
}

func (broken) Collect(c chan<- prometheus.Metric) {
	c <- prometheus.NewInvalidMetric(prometheus.NewDesc("test_broken", "Broken.", nil, nil), errors.New("out of order"))
}

func TestServe(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	inside, leave := make(chan struct{}), make(chan struct{})
	addr, wait, err := obs.Serve(ctx, "127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(inside)
		<-leave
		_, _ = io.WriteString(w, "finished")
	}))
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 1)
	go func() {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr.String()+"/", nil)
		if err != nil {
			got <- err.Error()
			return
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			got <- err.Error()
			return
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		got <- string(b)
	}()
	<-inside
	// A request in flight is answered although ctx is done.
	cancel()
	close(leave)
	if s := <-got; s != "finished" {
		t.Errorf("request in flight = %q, want it answered", s)
	}
	for range 2 {
		if err := wait(); err != nil {
			t.Errorf("wait = %v", err)
		}
	}
	if _, _, err := obs.Serve(t.Context(), "256.0.0.1:0", nil); err == nil || !strings.Contains(err.Error(), "operations listener") {
		t.Errorf("Serve on a bad address: %v", err)
	}
}
