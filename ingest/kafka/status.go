package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"
)

// sayAgain is how often a failure that lasts is logged.
const sayAgain = time.Minute

// A status tells when to say that Kafka is away or back: not at every try, and
// not while one partition works and another does not.
type status struct {
	mu      sync.Mutex
	failing map[string]struct{} // guarded by mu, as all below
	down    bool
	said    time.Time
}

// A turn is what there is to say.
type turn int

const (
	same turn = iota
	away
	back
)

// set notes how the last try of what ended.
func (s *status) set(what string, err error) turn {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		delete(s.failing, what)
		if s.down && len(s.failing) == 0 {
			s.down = false
			return back
		}
		return same
	}
	if s.failing == nil {
		s.failing = map[string]struct{}{}
	}
	s.failing[what] = struct{}{}
	if s.down && time.Since(s.said) < sayAgain {
		return same
	}
	s.down, s.said = true, time.Now()
	return away
}

// forget drops what is not tried any more.
func (s *status) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.failing)
}

// explain adds to an error what it usually means. Brokers that do not take a
// connection often just close it.
func (c *Config) explain(err error) error {
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	switch {
	case c.Username != "":
		return fmt.Errorf("%w: the broker closed the connection, as it may when the user name or password is wrong", err)
	case !c.TLS:
		return fmt.Errorf("%w: the broker closed the connection, as it may when it expects TLS or a user name", err)
	}
	return fmt.Errorf("%w: the broker closed the connection, as it may when it expects a user name", err)
}

// sleep waits for about d, or until ctx is done.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d/2 + rand.N(d)) //nolint:gosec // jitter, not a secret
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
