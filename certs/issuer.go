package certs

import (
	"container/list"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

const (
	defaultCapacity = 4096

	// Chromium refuses leaves of more than 200 days, and Apple's systems are about
	// to go below that; 90 is what public authorities issue.
	defaultValidity = 90 * 24 * time.Hour

	// ub-common-name of RFC 5280 appendix A.1.
	maxCommonName = 64
)

// An IssuerConfig configures an Issuer.
type IssuerConfig struct {
	// CA signs the leaves. Required.
	CA *CA
	// Capacity is how many leaves are kept; the least recently used goes first.
	// Zero means 4096.
	Capacity int
	// Validity is the life of a leaf from its issue on, one hour to 199 days. Zero
	// means 90 days.
	Validity time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// An Issuer issues leaf certificates for hosts and keeps them. All leaves of
// one Issuer share one ECDSA P-256 key, which never leaves the process: making
// a key per host would cost more than signing and protect nothing, as all of
// them would lie in the same memory. It is safe for concurrent use.
type Issuer struct {
	ca       *CA
	key      *ecdsa.PrivateKey
	capacity int
	validity time.Duration
	now      func() time.Time

	mu      sync.Mutex
	leaves  map[string]*list.Element // by normal host name; values are *leaf
	recent  *list.List               // most recently used first
	flights map[string]*flight
}

type leaf struct {
	host  string
	cert  *tls.Certificate
	renew time.Time
}

// A flight is one certificate being made, for all who asked meanwhile.
type flight struct {
	done chan struct{} // closed when cert and err are set
	cert *tls.Certificate
	err  error
}

// NewIssuer makes an Issuer with a fresh leaf key. It fails if cfg is not
// valid.
func NewIssuer(cfg IssuerConfig) (*Issuer, error) {
	if cfg.CA == nil {
		return nil, errors.New("certs: IssuerConfig.CA is missing")
	}
	if cfg.Capacity < 0 {
		return nil, fmt.Errorf("certs: IssuerConfig.Capacity is %d", cfg.Capacity)
	}
	if cfg.Capacity == 0 {
		cfg.Capacity = defaultCapacity
	}
	if cfg.Validity == 0 {
		cfg.Validity = defaultValidity
	}
	if cfg.Validity < time.Hour || cfg.Validity > 199*24*time.Hour {
		return nil, fmt.Errorf("certs: IssuerConfig.Validity is %s; want 1h to 199 days", cfg.Validity)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make leaf key: %w", err)
	}
	return &Issuer{
		ca:       cfg.CA,
		key:      key,
		capacity: cfg.Capacity,
		validity: cfg.Validity,
		now:      cfg.Now,
		leaves:   make(map[string]*list.Element),
		recent:   list.New(),
		flights:  make(map[string]*flight),
	}, nil
}

// Leaf returns a certificate for host: a DNS name in ASCII or Unicode, an IPv4
// or an IPv6 address with or without brackets, without a port. The certificate
// is signed once per host, whoever asks at the same time, and again when a
// third of its life is left. It is shared: callers must not change it. Its Leaf
// field is set.
//
// An invalid host is an error that wraps ErrHost; an expired CA and a host that
// the CA's own name constraints exclude are errors too. Errors are not kept.
// ctx ends only the waiting for someone else's signing.
func (i *Issuer) Leaf(ctx context.Context, host string) (*tls.Certificate, error) {
	now := i.now()
	// Most callers ask with a name that is already normal; that way allocates nothing.
	if cert := i.cached(host, now); cert != nil {
		return cert, nil
	}
	name, ip, err := normalHost(host)
	if err != nil {
		return nil, err
	}
	i.mu.Lock()
	if cert := i.cachedLocked(name, now); cert != nil {
		i.mu.Unlock()
		return cert, nil
	}
	if f, ok := i.flights[name]; ok {
		i.mu.Unlock()
		select {
		case <-f.done:
			return f.cert, f.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	f := &flight{done: make(chan struct{})}
	i.flights[name] = f
	i.mu.Unlock()

	cert, renew, err := i.sign(name, ip, now)
	i.land(f, &leaf{host: name, cert: cert, renew: renew}, err)
	return cert, err
}

func (i *Issuer) cached(name string, now time.Time) *tls.Certificate {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.cachedLocked(name, now)
}

func (i *Issuer) cachedLocked(name string, now time.Time) *tls.Certificate {
	el, ok := i.leaves[name]
	if !ok {
		return nil
	}
	l := el.Value.(*leaf) //nolint:forcetypeassert // only leaves are put in
	if !now.Before(l.renew) {
		return nil
	}
	i.recent.MoveToFront(el)
	return l.cert
}

// land ends a flight and keeps its leaf.
func (i *Issuer) land(f *flight, l *leaf, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.flights, l.host)
	f.cert, f.err = l.cert, err
	close(f.done)
	if err != nil {
		return
	}
	if el, ok := i.leaves[l.host]; ok {
		el.Value = l
		i.recent.MoveToFront(el)
		return
	}
	i.leaves[l.host] = i.recent.PushFront(l)
	for i.recent.Len() > i.capacity {
		oldest := i.recent.Back()
		delete(i.leaves, i.recent.Remove(oldest).(*leaf).host) //nolint:forcetypeassert // only leaves are put in
	}
}

// sign makes the certificate of name, and says when to make the next.
func (i *Issuer) sign(name string, ip net.IP, now time.Time) (*tls.Certificate, time.Time, error) {
	caEnd := i.ca.expires()
	if !now.Before(caEnd) {
		return nil, time.Time{}, fmt.Errorf("issue certificate for %s: the CA expired at %s", name, caEnd.UTC().Format(time.RFC3339))
	}
	serial, err := newSerial()
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("issue certificate for %s: %w", name, err)
	}
	tmpl := &x509.Certificate{
		SerialNumber:          serial,
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(i.validity),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	if len(name) <= maxCommonName {
		tmpl.Subject = pkix.Name{CommonName: name}
	}
	if ip != nil {
		tmpl.IPAddresses = []net.IP{ip}
	} else {
		tmpl.DNSNames = []string{name}
	}
	if start := i.ca.starts(); tmpl.NotBefore.Before(start) {
		tmpl.NotBefore = start
	}
	renew := tmpl.NotAfter.Add(-i.validity / 3)
	if tmpl.NotAfter.After(caEnd) {
		// A new one would end at the same time: only a new CA helps.
		tmpl.NotAfter, renew = caEnd, caEnd
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, i.ca.issuer, &i.key.PublicKey, i.ca.key)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("issue certificate for %s: %w", name, err)
	}
	crt, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("issue certificate for %s: %w", name, err)
	}
	if err := i.ca.permits(crt, now); err != nil {
		return nil, time.Time{}, fmt.Errorf("issue certificate for %s: %w", name, err)
	}
	cert := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: i.key, Leaf: crt}
	for _, c := range i.ca.sent {
		cert.Certificate = append(cert.Certificate, c.Raw)
	}
	return cert, renew, nil
}

// permits checks crt against the name constraints of a user's own CA, so that
// the caller hears of them and not only the client, in a handshake alert.
func (c *CA) permits(crt *x509.Certificate, now time.Time) error {
	if !c.constrained() {
		return nil
	}
	roots, inter := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(c.anchor)
	for _, above := range c.path[:len(c.path)-1] {
		inter.AddCert(above)
	}
	_, err := crt.Verify(x509.VerifyOptions{Roots: roots, Intermediates: inter, CurrentTime: now})
	return err
}

func (c *CA) constrained() bool {
	for _, crt := range c.path {
		if len(crt.PermittedDNSDomains)+len(crt.ExcludedDNSDomains)+len(crt.PermittedIPRanges)+len(crt.ExcludedIPRanges) > 0 {
			return true
		}
	}
	return false
}
