package main

import (
	"cmp"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

// A corpus is a landscape of services, of which it is known what their endpoints
// are. Everything in it follows from the seed.
//
// Each host has services; each service is one of the documents, mounted below a
// prefix. A quarter of them are the document as it is; of the others the resources
// have another name, as /pet/{petId}/uploadImage gives /invoices/{petId}/uploadImage,
// and ids as kindFor says. How many endpoints a host has is log-normal: most have
// ten to thirty, some hundreds.
type corpus struct {
	seed  uint64
	hosts []string
	ends  []endpoint
}

// An endpoint is one true endpoint.
type endpoint struct {
	host   int32
	method string
	segs   []segment
}

// A segment is a literal, or the values of a parameter: all endpoints with the
// same pool share them, as /users/{id} and /users/{id}/orders do.
type segment struct {
	literal string // "" for a parameter
	kind    kind
	pool    uint64
}

// params counts the parameters of the path, and those of them that are opaque.
func (e *endpoint) params() (n, opaque int) {
	for i := range e.segs {
		if e.segs[i].literal == "" {
			n++
			if e.segs[i].kind.opaque() {
				opaque++
			}
		}
	}
	return n, opaque
}

// mounts are where services live; an empty name is replaced by one of services.
// A few have a tenant in the path.
var mounts = []struct {
	prefix string
	weight int
}{
	{"", 15},
	{"/api", 14},
	{"/api/v1", 20},
	{"/v1", 14},
	{"/v2", 7},
	{"/api/v2", 6},
	{"/rest", 3},
	{"/<>", 5},
	{"/<>/v1", 5},
	{"/<>/api", 3},
	{"/api/<>", 5},
	{"/internal/<>", 2},
	{"/tenants/{tenantId}", 1},
	{"/orgs/{orgName}/v1", 1},
	{"/eu-west-1/<>", 1},
}

// Names as people give them: a fifth is in no dictionary.
var (
	serviceNames = strings.Fields(`billing catalog identity search payments shipping notifications reporting iam kyc crm erp sso cms pim oms wms chat
		media storage ledger fraud risk pricing auth2 oauth2 b2b k8s svc-core inventory scheduling analytics`)
	resources = strings.Fields(`accounts users orders invoices payments refunds products categories carts customers shipments addresses coupons
		subscriptions plans reviews ratings comments posts articles tags files folders images videos documents reports dashboards alerts incidents
		tickets projects tasks boards sprints releases builds deployments clusters nodes pods volumes networks subnets vpcs instances buckets queues
		topics messages threads channels members teams groups roles permissions policies sessions tokens keys secrets certificates domains zones
		records devices sensors readings firmware vehicles drivers trips routes stops bookings rooms hotels flights passengers seats menus recipes
		ingredients suppliers warehouses pallets skus stock prices offers campaigns audiences events webhooks integrations workflows jobs runs logs
		metrics traces experiments models datasets features labels annotations patients appointments prescriptions claims policies_v2 premiums
		loans deposits cards transactions transfers beneficiaries statements mandates ibans payouts disputes chargebacks kyc-checks credit-notes
		payment_methods purchaseOrders apiKeys auditLogs mfa otp oauth2-clients faqs rss sms voip cdrs wallets nfts uploads downloads exports imports
		settings preferences profiles avatars followers feeds stories polls quizzes courses lessons students grades teachers classes`)
)

// A corpusSize says how large a corpus is.
type corpusSize struct {
	Seed             uint64
	Hosts, Endpoints int
}

// newCorpus makes the landscape.
func newCorpus(docs []document, size corpusSize) (*corpus, error) {
	if len(docs) == 0 || size.Hosts < 1 || size.Endpoints < size.Hosts {
		return nil, errors.New("a corpus needs documents, hosts, and an endpoint for each")
	}
	c := &corpus{seed: size.Seed, hosts: make([]string, size.Hosts), ends: make([]endpoint, 0, size.Endpoints)}
	r := rand.New(rand.NewPCG(size.Seed, 1))
	sizes := make([]float64, size.Hosts)
	sum := 0.0
	for i := range sizes {
		sizes[i] = math.Exp(r.NormFloat64())
		sum += sizes[i]
	}
	for h := range c.hosts {
		c.hosts[h] = fmt.Sprintf("%s-%d.%s", strings.Trim(oneOf(r, serviceNames), "-"), h, oneOf(r, strings.Fields("example.com prod.example.net svc.example.org")))
		left := float64(size.Endpoints-len(c.ends)) - float64(size.Hosts-h-1)
		n := int(min(max(1, math.Round(left*sizes[h]/sum)), left))
		if h == size.Hosts-1 {
			n = size.Endpoints - len(c.ends)
		}
		sum -= sizes[h]
		c.addHost(r, docs, int32(h), n)
	}
	return c, nil
}

// addHost mounts services until a host has n endpoints.
func (c *corpus) addHost(r *rand.Rand, docs []document, host int32, n int) {
	seen := map[string]bool{}
	for end := len(c.ends) + n; len(c.ends) < end; {
		d := &docs[r.IntN(len(docs))]
		s := service{r: r, host: host, seed: r.Uint64(), prefix: mountPrefix(r), renamed: r.IntN(4) > 0, names: map[string]string{}, kinds: map[string]kind{}}
		for i := range d.ops {
			e := s.endpoint(&d.ops[i])
			key := e.method + " " + e.skeleton()
			if seen[key] || len(c.ends) == end {
				continue
			}
			seen[key] = true
			c.ends = append(c.ends, e)
		}
	}
}

func mountPrefix(r *rand.Rand) string {
	sum := 0
	for _, m := range mounts {
		sum += m.weight
	}
	n := r.IntN(sum)
	for _, m := range mounts {
		if n -= m.weight; n < 0 {
			return strings.Replace(m.prefix, "<>", oneOf(r, serviceNames), 1)
		}
	}
	return ""
}

// A service is a document as one host has it.
type service struct {
	r       *rand.Rand
	host    int32
	seed    uint64
	prefix  string
	renamed bool
	names   map[string]string // of resources, by what the document calls them
	kinds   map[string]kind   // of parameters
}

func (s *service) endpoint(op *operation) endpoint {
	e := endpoint{host: s.host, method: op.method}
	first := true // of the document's own literals
	scope := fnv.New64a()
	for i, part := range []string{s.prefix, op.path} {
		for seg := range strings.SplitSeq(strings.Trim(part, "/"), "/") {
			if seg == "" {
				continue
			}
			if !strings.Contains(seg, "{") {
				if i == 1 && first && s.renamed && strings.Trim(seg, digits+".v") != "" {
					seg = s.rename(seg)
				}
				first = first && (i == 0 || strings.Trim(seg, digits+".v") == "")
				fmt.Fprint(scope, seg, "/")
				e.segs = append(e.segs, segment{literal: seg})
				continue
			}
			name := strings.Trim(seg, "{}")
			k, ok := s.kinds[name]
			if !ok {
				k = kindFor(s.r, name, op.types[name], s.renamed)
				s.kinds[name] = k
			}
			fmt.Fprint(scope, name, "/")
			e.segs = append(e.segs, segment{kind: k, pool: s.seed ^ scope.Sum64()})
		}
	}
	return e
}

// rename gives a resource the name that this service has for it, a free one.
func (s *service) rename(was string) string {
	if s.names[was] == "" {
		for {
			name := oneOf(s.r, resources)
			free := true
			for _, other := range s.names {
				free = free && other != name
			}
			if free {
				s.names[was] = name
				break
			}
		}
	}
	return s.names[was]
}

// skeleton is the path with a star for every parameter.
func (e *endpoint) skeleton() string {
	var b strings.Builder
	for i := range e.segs {
		b.WriteByte('/')
		b.WriteString(cmp.Or(e.segs[i].literal, "*"))
	}
	if b.Len() == 0 {
		return "/"
	}
	return b.String()
}

// An id of a pool is one of at most this many.
const poolSize = 5000

// appendPath appends a path of the endpoint. Half of the requests are for a tenth
// of the ids, as of what is new.
func (e *endpoint) appendPath(dst []byte, r *rand.Rand) []byte {
	if len(e.segs) == 0 {
		return append(dst, '/')
	}
	for i := range e.segs {
		s := &e.segs[i]
		dst = append(dst, '/')
		if s.literal != "" {
			dst = append(dst, s.literal...)
			continue
		}
		n := r.Uint64N(poolSize)
		if r.IntN(2) == 0 {
			n /= 10
		}
		var own rand.PCG
		own.Seed(s.pool, n)
		dst = appendID(dst, s.kind, rand.New(&own))
	}
	return dst
}

// describe sums up the corpus.
func (c *corpus) describe() string {
	var with, opaque, two int
	byKind := make([]int, kinds)
	sizes := make([]int, len(c.hosts))
	for i := range c.ends {
		e := &c.ends[i]
		sizes[e.host]++
		n, o := e.params()
		if n > 0 {
			with++
		}
		if o > 0 {
			opaque++
		}
		if o > 1 {
			two++
		}
		for j := range e.segs {
			if e.segs[j].literal == "" {
				byKind[e.segs[j].kind]++
			}
		}
	}
	slices.Sort(sizes)
	var list strings.Builder
	for k, n := range byKind {
		fmt.Fprintf(&list, " %s %d,", kindNames[k], n)
	}
	return fmt.Sprintf("%d hosts with %d to %d endpoints (median %d), %d endpoints, %d of them with path parameters, %d with an opaque one, %d with two\n  parameters of paths:%s",
		len(c.hosts), sizes[0], sizes[len(sizes)-1], sizes[len(sizes)/2], len(c.ends), with, opaque, two, strings.TrimSuffix(list.String(), ","))
}
