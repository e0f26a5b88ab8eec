package admin

import (
	"cmp"
	"context"
	"crypto/ecdh"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"harken/admin/auth"
	"harken/internal/job"
	"harken/inventory"
	"harken/inventory/fault"
)

type subscriptionRequest struct {
	Subscription *pushSubscription `json:"subscription"`
	Endpoint     string            `json:"endpoint"`
	Keys         pushKeys          `json:"keys"`
}

type pushSubscription struct {
	Endpoint string   `json:"endpoint"`
	Keys     pushKeys `json:"keys"`
}

type pushKeys struct {
	Auth   string `json:"auth"`
	P256DH string `json:"p256dh"`
}

type completeResponse struct {
	Complete bool `json:"complete"`
}

// maxPushEndpoint bounds the URL of a subscription.
const maxPushEndpoint = 2048

// saveSubscription keeps where the browser of the caller takes push messages.
func (a *API) saveSubscription(ctx context.Context, c *auth.Caller, in subscriptionRequest) (completeResponse, error) {
	sub := pushSubscription{in.Endpoint, in.Keys}
	if in.Subscription != nil {
		sub = *in.Subscription
	}
	if sub == (pushSubscription{}) {
		if in.Subscription != nil {
			return completeResponse{}, fault.New(fault.Invalid, "subscription.endpoint: is required")
		}
		return completeResponse{}, nil
	}
	u, err := url.Parse(sub.Endpoint)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || len(sub.Endpoint) > maxPushEndpoint {
		return completeResponse{}, fault.New(fault.Invalid, "subscription.endpoint: must be an absolute https URL of at most %d bytes", maxPushEndpoint)
	}
	s := auth.Subscription{User: c.User.ID, Endpoint: sub.Endpoint, Created: a.cfg.Now().Unix()}
	if s.Auth, err = decodeBase64(sub.Keys.Auth); err != nil || len(s.Auth) != 16 {
		return completeResponse{}, fault.New(fault.Invalid, "subscription.keys.auth: must be 16 bytes in base64url")
	}
	s.P256DH, err = decodeBase64(sub.Keys.P256DH)
	if err == nil {
		_, err = ecdh.P256().NewPublicKey(s.P256DH)
	}
	if err != nil {
		return completeResponse{}, fault.New(fault.Invalid, "subscription.keys.p256dh: must be an uncompressed point of P-256 in base64url")
	}
	err = a.cfg.Users.PutSubscription(ctx, s)
	return completeResponse{err == nil}, err
}

const (
	notifyEvery = 30 * time.Second // between looks
	notifyQuiet = 10 * time.Minute // between messages to an account
	// notifyLate is how much older than the look before a change may be: records are
	// learned some time after they were seen.
	notifyLate = time.Hour
	notifyMost = 500 // changes of one look, and jobs
	maxNotices = 20_000
)

// A notifier sends the users of each account, at most once in notifyQuiet, what is
// new since the process started and theirs to see: sensitive parameters, and jobs
// that failed. Run is its only goroutine.
type notifier struct {
	api      *API
	began    time.Time
	accounts map[int32]*notified
}

type notified struct {
	sent time.Time // of the latest message
	seen map[string]bool
}

func (n *notifier) run(ctx context.Context) {
	tick := time.NewTicker(notifyEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := n.look(ctx); err != nil && ctx.Err() == nil {
				n.api.log.ErrorContext(ctx, "notifications not sent", "err", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

func (n *notifier) look(ctx context.Context) error {
	ids, err := n.api.cfg.Users.SubscribedAccounts(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range ids {
		if n.accounts[id] == nil {
			n.accounts[id] = &notified{seen: map[string]bool{}}
		}
		if a := n.accounts[id]; a.sent.IsZero() || n.api.cfg.Now().Sub(a.sent) >= notifyQuiet {
			errs = append(errs, n.account(ctx, id, a))
		}
	}
	return errors.Join(errs...)
}

// account sends each subscribed user of an account what is new for them.
func (n *notifier) account(ctx context.Context, id int32, a *notified) error {
	subs, err := n.api.cfg.Users.Subscriptions(ctx, id)
	if err != nil {
		return err
	}
	var told []string
	for i := range subs {
		c, err := auth.NewCaller(ctx, n.api.cfg.Users, n.api.cfg.Stores, subs[i].User, id, auth.DefaultScope)
		if err != nil {
			return err
		}
		news, err := n.news(ctx, c, a)
		if err != nil {
			return err
		}
		if len(news.keys) == 0 {
			continue
		}
		told = append(told, news.keys...)
		n.push(ctx, &subs[i], news)
	}
	if len(told) == 0 {
		return nil
	}
	if len(a.seen)+len(told) > maxNotices {
		clear(a.seen)
	}
	for _, k := range told {
		a.seen[k] = true
	}
	a.sent = n.api.cfg.Now()
	return nil
}

// news is what one user is told.
type news struct {
	keys         []string // what is told, not to be told again
	params, jobs int
	param, job   string // an example of each
}

func (n *notifier) news(ctx context.Context, c *auth.Caller, a *notified) (*news, error) {
	out := &news{}
	add := func(key string) bool {
		if a.seen[key] {
			return false
		}
		out.keys = append(out.keys, key)
		return true
	}
	may := func(f auth.Feature) bool { return c.Check(auth.Permission{Feature: f, Access: auth.Read}) == nil }
	if may(auth.SensitiveData) {
		if err := n.sensitive(ctx, c, out, add); err != nil {
			return nil, err
		}
	}
	if !may(auth.AdminActions) {
		return out, nil
	}
	failed, _, err := n.api.cfg.Jobs.Jobs(ctx, job.Filter{Account: c.Account, States: []job.State{job.Failed}}, 0, notifyMost)
	for i := range failed {
		j := &failed[i]
		if j.Finished >= n.began.Unix() && add(fmt.Sprintf("job %d", j.ID)) {
			out.jobs++
			out.job = cmp.Or(out.job, fmt.Sprintf("%s (job %d)", j.Kind, j.ID))
		}
	}
	return out, err
}

// sensitive finds parameters that are sensitive and new.
func (n *notifier) sensitive(ctx context.Context, c *auth.Caller, out *news, add func(string) bool) error {
	from := n.began.Unix()
	if last := n.accounts[c.Account].sent; !last.IsZero() {
		from = max(from, last.Add(-notifyLate).Unix())
	}
	changes, _, err := c.Store.Changes(ctx, inventory.ChangeFilter{
		Kinds: []string{inventory.NewEndpoint, inventory.NewParam, inventory.NewType}, From: from,
	}, 0, notifyMost)
	if err != nil || len(changes) == 0 {
		return err
	}
	s, err := n.api.sensitivity(ctx, c, nil)
	if err != nil {
		return err
	}
	looked := map[inventory.EndpointKey]bool{}
	for i := range changes {
		k := changes[i].EndpointKey
		if looked[k] {
			continue
		}
		looked[k] = true
		e, err := c.Store.Endpoint(ctx, k)
		if inventory.NotFound(err) {
			continue
		}
		if err != nil {
			return err
		}
		for j := range e.Params {
			p := &e.Params[j]
			if p.FirstSeen < from || !s.of(k, p) {
				continue
			}
			if add(fmt.Sprintf("%d %s %s %+v", k.Collection, k.Method, k.URL, p.ParamKey)) {
				out.params++
				out.param = cmp.Or(out.param, fmt.Sprintf("%s in %s %s", p.Type, k.Method, k.URL))
			}
		}
	}
	return nil
}

// text tells the news in a line or two.
func (w *news) text() string {
	var lines []string
	line := func(n int, one, many, example string) {
		switch {
		case n == 1:
			lines = append(lines, one+": "+example)
		case n > 1:
			lines = append(lines, fmt.Sprintf(many, n)+", such as "+example)
		}
	}
	line(w.params, "New sensitive parameter", "%d new sensitive parameters", w.param)
	line(w.jobs, "A job failed", "%d jobs failed", w.job)
	return strings.Join(lines, "\n")
}

// A notification is the message that a service worker shows.
type notification struct {
	Title string `json:"title"`
	Body  string `json:"body"`
}

// maxNotification bounds the text, so that its JSON fits.
const maxNotification = 500

func (n *notifier) push(ctx context.Context, s *auth.Subscription, w *news) {
	text := w.text()
	if len(text) > maxNotification {
		text = strings.ToValidUTF8(text[:maxNotification], "") + "..."
	}
	message, err := json.Marshal(notification{"Harken", text})
	if err == nil {
		err = n.api.cfg.Push.Push(ctx, s, message)
	}
	switch {
	case errors.Is(err, ErrSubscriptionGone):
		n.api.pushed.WithLabelValues("gone").Inc()
		if err := n.api.cfg.Users.DeleteSubscription(ctx, s.User, s.Endpoint); err != nil {
			n.api.log.ErrorContext(ctx, "subscription not removed", "user", s.User, "err", err)
		}
	case err != nil:
		n.api.pushed.WithLabelValues("failed").Inc()
		n.api.log.WarnContext(ctx, "notification not delivered", "user", s.User, "err", err)
	default:
		n.api.pushed.WithLabelValues("sent").Inc()
	}
}
