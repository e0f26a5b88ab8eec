package obs_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"harken/internal/obs"
)

func TestHealth(t *testing.T) {
	var h obs.Health
	f := func(path string, status int, want string) {
		t.Helper()
		code, body, _ := get(t, obs.Handler(obs.HandlerConfig{Health: &h}), "GET", path)
		if code != status || strings.TrimSpace(body) != want {
			t.Errorf("GET %s = %d %s, want %d %s", path, code, body, status, want)
		}
	}
	f("/readyz", 200, `{"status":"ready"}`)
	h.Add("store", func(context.Context) error { return nil })
	f("/readyz", 200, `{"status":"ready"}`)
	h.Add("sink", func(context.Context) error { return errors.New("broker unreachable") })
	h.Add("learner", func(context.Context) error { panic("nil map") })
	f("/readyz", 503, `{"status":"not ready","failing":{"learner":"panic: nil map","sink":"broker unreachable"}}`)
	f("/healthz", 200, `{"status":"ok"}`)
	h.Add("sink", nil)
	h.Add("learner", func(context.Context) error { return nil })
	f("/readyz", 200, `{"status":"ready"}`)
	h.Drain()
	f("/readyz", 503, `{"status":"not ready","failing":{"process":"stopping"}}`)
	f("/healthz", 200, `{"status":"ok"}`)
}

// Slow checks run at the same time and are cut off.
func TestHealthTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h obs.Health
		for _, name := range []string{"a", "b", "c"} {
			h.Add(name, func(ctx context.Context) error {
				<-ctx.Done()
				return ctx.Err()
			})
		}
		start := time.Now()
		failing := h.Failing(t.Context())
		if d := time.Since(start); d != 2*time.Second || len(failing) != 3 {
			t.Errorf("Failing took %s and returned %v, want 2s and three", d, failing)
		}
		if !errors.Is(failing["a"], context.DeadlineExceeded) {
			t.Errorf("a: %v, want a deadline", failing["a"])
		}
	})
}
