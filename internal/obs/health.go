package obs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"time"
)

// checkTimeout is below the ten seconds after which the probes of most
// orchestrators give up.
const checkTimeout = 2 * time.Second

// A Health knows whether a process can do its work. The zero Health is ready.
// It is safe for concurrent use.
type Health struct {
	mu       sync.Mutex
	checks   map[string]func(context.Context) error
	draining bool
}

// Add makes check part of readiness under name, in place of an earlier one of
// that name; a nil check removes it. check is called for each request to
// /readyz, from several goroutines, and must end when its context does, after
// two seconds. Its error is shown to whoever can reach the listener.
func (h *Health) Add(name string, check func(context.Context) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if check == nil {
		delete(h.checks, name)
		return
	}
	if h.checks == nil {
		h.checks = make(map[string]func(context.Context) error)
	}
	h.checks[name] = check
}

// Drain makes the process not ready for good: it is stopping, and new work
// should go elsewhere.
func (h *Health) Drain() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.draining = true
}

// Failing runs all checks at the same time and returns the errors of those that
// fail, by name. A check that panics fails.
func (h *Health) Failing(ctx context.Context) map[string]error {
	h.mu.Lock()
	checks := make(map[string]func(context.Context) error, len(h.checks)+1)
	maps.Copy(checks, h.checks)
	if h.draining {
		checks["process"] = func(context.Context) error { return errors.New("stopping") }
	}
	h.mu.Unlock()

	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	var (
		wg      sync.WaitGroup
		mu      sync.Mutex
		failing = make(map[string]error)
	)
	for name, check := range checks {
		wg.Go(func() {
			if err := guarded(ctx, check); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failing[name] = err
			}
		})
	}
	wg.Wait()
	return failing
}

func guarded(ctx context.Context, check func(context.Context) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	return check(ctx)
}

type healthAnswer struct {
	Status  string            `json:"status"`
	Failing map[string]string `json:"failing,omitempty"`
}

// Live answers 200 as long as the process can answer at all: what /healthz
// serves. A failing dependency is no reason to restart the process.
func (h *Health) Live() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, healthAnswer{Status: "ok"})
	})
}

// Ready answers 200 if no check fails and else 503 with the failing checks and
// their errors as JSON: what /readyz serves.
func (h *Health) Ready() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		failing := h.Failing(r.Context())
		if len(failing) == 0 {
			answer(w, http.StatusOK, healthAnswer{Status: "ready"})
			return
		}
		out := healthAnswer{Status: "not ready", Failing: make(map[string]string, len(failing))}
		for name, err := range failing {
			out.Failing[name] = err.Error()
		}
		answer(w, http.StatusServiceUnavailable, out)
	})
}

func answer(w http.ResponseWriter, status int, body healthAnswer) {
	data, err := json.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n'))
}
