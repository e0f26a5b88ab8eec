package admin

import (
	"context"
	"crypto/ecdh"
	"errors"
	"net/netip"
	"slices"
	"time"

	"harken/admin/auth"
	"harken/ingest"
	"harken/internal/job"
)

func netAddr(s string) netip.Addr { return netip.MustParseAddr(s) }

func netAddr4(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

func retryAfter(err error) time.Duration {
	if busy, ok := errors.AsType[*ingest.BusyError](err); ok {
		return busy.After
	}
	return 0
}

// A RouteInfo is what the tests from outside know of a row.
type RouteInfo struct {
	URL, Verb string
	Needs     auth.Permission
	Uploads   bool     // takes bodies up to MaxUpload
	Sparse    bool     // is audited now and then
	Fields    []string // names of the request
}

// RouteInfos lists the whole API.
func RouteInfos() []RouteInfo {
	var out []RouteInfo
	for i := range routes {
		r := &routes[i]
		info := RouteInfo{URL: r.url(), Verb: r.verb, Needs: r.needs, Uploads: r.uploads, Sparse: r.sparse}
		for f := range r.in.Fields() {
			info.Fields = append(info.Fields, jsonName(f))
		}
		out = append(out, info)
	}
	return out
}

// JobsEnded returns the jobs of an account, oldest first, once all are finished.
func (a *API) JobsEnded(ctx context.Context, account int32) ([]job.Job, error) {
	all, _, err := a.cfg.Jobs.Jobs(ctx, job.Filter{Account: account}, 0, maxJobs)
	slices.Reverse(all)
	for i := range all {
		if err == nil {
			all[i], err = a.jobs.Wait(ctx, account, all[i].ID)
		}
	}
	return all, err
}

// SealPush is sealPush with what else is random given.
func SealPush(s *auth.Subscription, message, key, salt []byte) ([]byte, error) {
	own, err := ecdh.P256().NewPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return sealPush(s, message, own, salt)
}

// Notifier returns a function that looks for news once.
func (a *API) Notifier() func(context.Context) error { return a.newNotifier().look }

// HashesRun returns how many hashes of passwords were computed so far.
func (a *API) HashesRun() int64 { return a.hasher.Runs() }
