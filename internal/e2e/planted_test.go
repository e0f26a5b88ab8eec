package e2e

import (
	"slices"
	"strings"
	"sync"
	"testing"
)

// planted are the secrets of the whole run: passwords, keys and tokens that tests
// use or are given. No process of ours may print one, whichever test it is of.
var planted = struct {
	sync.Mutex
	list []string
}{list: []string{"correct7horse", "another8horse", "wrong9horse"}}

// plant adds secrets to those that are searched for in what processes print.
func plant(secrets ...string) {
	planted.Lock()
	defer planted.Unlock()
	for _, s := range secrets {
		if len(s) >= 8 && !slices.Contains(planted.list, s) {
			planted.list = append(planted.list, s)
		}
	}
}

// mayTell lets a process print secrets once: the first start tells the password and
// the API key of the administrator.
func (p *process) mayTell(secrets ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = append(p.told, secrets...)
}

// checkSecrets fails the test if a process printed a secret.
func (p *process) checkSecrets(t *testing.T) {
	t.Helper()
	out := p.output()
	planted.Lock()
	defer planted.Unlock()
	for _, s := range planted.list {
		n, allowed := strings.Count(out, s), 0
		if slices.Contains(p.told, s) && strings.Contains(out, "not shown again") {
			allowed = 2 // in a line of its own, and in a line to paste
		}
		if n > allowed {
			at := strings.Index(out, s)
			t.Errorf("the output has the secret %.6s... %d times, allowed %d: %s", s, n, allowed, out[max(0, at-200):min(len(out), at+len(s)+50)])
		}
	}
}
