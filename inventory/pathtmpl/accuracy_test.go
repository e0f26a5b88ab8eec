package pathtmpl_test

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"harken/inventory/pathtmpl"
)

// ourRoutes are the kinds of paths that services have: {id} stands for an id.
const ourRoutes = `/api/v1/users /api/v1/users/{id} /api/v1/users/{id}/orders /api/v1/users/{id}/orders/{id} /api/v1/users/search /api/v1/users/me
/shop/orders /shop/orders/{id} /shop/orders/{id}/items /shop/orders/{id}/items/{id}/refunds /shop/cart /shop/checkout
/v2/customers/{id}/payment_methods /v2/customers/{id}/subscriptions/{id} /v2/invoices/{id}/pdf /v2/invoices/upcoming
/rest/projects/{id}/issues/{id} /rest/projects/{id}/members /rest/projects/{id}/webhooks/{id}/deliveries
/storage/buckets/{id} /storage/buckets/{id}/objects/{id} /storage/buckets/{id}/acl /auth/login /auth/logout /auth/oauth/token /auth/sessions/{id}
/devices/{id} /devices/{id}/telemetry /devices/{id}/firmware/latest /devices/{id}/sensors/{id}/readings
/healthz /readyz /metrics /favicon.ico /robots.txt /admin/tenants/{id}/features /admin/tenants/{id}/audit-logs
/catalog/products/{id}/reviews /catalog/products/{id} /catalog/categories/{id}/products /catalog/products/featured
/messaging/channels/{id}/messages/{id} /messaging/channels/{id}/pins /api/graphs /search/suggest /reports/daily/{id} /reports/weekly/{id}`

// idKinds make ids as services make them.
var idKinds = map[string]func(r *rand.Rand) string{
	"int":     func(r *rand.Rand) string { return fmt.Sprint(1 + r.IntN(90000)) },
	"bigint":  func(r *rand.Rand) string { return fmt.Sprint(r.Uint64()) },
	"decimal": func(r *rand.Rand) string { return fmt.Sprintf("%.4f", r.Float64()*90+1) },
	"uuid": func(r *rand.Rand) string {
		b := hexes(r, 32)
		return b[:8] + "-" + b[8:12] + "-4" + b[13:16] + "-a" + b[17:20] + "-" + b[20:]
	},
	"objectId":  func(r *rand.Rand) string { return "64" + hexes(r, 22) },
	"md5":       func(r *rand.Rand) string { return hexes(r, 32) },
	"sha1":      func(r *rand.Rand) string { return hexes(r, 40) },
	"sha256":    func(r *rand.Rand) string { return hexes(r, 64) },
	"git short": func(r *rand.Rand) string { return hexes(r, 7) },
	"ulid":      func(r *rand.Rand) string { return "01H" + from(r, "0123456789ABCDEFGHJKMNPQRSTVWXYZ", 23) },
	"nanoid":    func(r *rand.Rand) string { return from(r, letters+strings.ToUpper(letters)+"0123456789_-", 21) },
	"base64url": func(r *rand.Rand) string {
		return base64.RawURLEncoding.EncodeToString([]byte(from(r, "\x01\x80\xf3\x7e\x2b\xcc\x11\xa9", 16)))
	},
	"video":     func(r *rand.Rand) string { return from(r, letters+strings.ToUpper(letters)+"0123456789_-", 11) },
	"prefixed":  func(r *rand.Rand) string { return "cus_" + from(r, letters+strings.ToUpper(letters)+"0123456789", 14) },
	"instance":  func(r *rand.Rand) string { return "i-0" + hexes(r, 16) },
	"order":     func(r *rand.Rand) string { return fmt.Sprintf("ORD-2024-%04d", r.IntN(10000)) },
	"ticket":    func(r *rand.Rand) string { return fmt.Sprintf("PROJ-%d", 1+r.IntN(3000)) },
	"date":      func(r *rand.Rand) string { return fmt.Sprintf("2024-%02d-%02d", 1+r.IntN(12), 1+r.IntN(28)) },
	"timestamp": func(r *rand.Rand) string { return fmt.Sprintf("2024-%02d-%02dT10:20:30Z", 1+r.IntN(12), 1+r.IntN(28)) },
	"email":     func(r *rand.Rand) string { return from(r, letters, 5) + "." + from(r, letters, 6) + "@example.com" },
	"ip":        func(r *rand.Rand) string { return fmt.Sprintf("10.%d.%d.%d", r.IntN(256), r.IntN(256), 1+r.IntN(254)) },
	"phone":     func(r *rand.Rand) string { return fmt.Sprintf("+1650253%04d", r.IntN(10000)) },
	"base36":    func(r *rand.Rand) string { return from(r, letters+"0123456789", 8) },
	"user name": func(r *rand.Rand) string {
		return from(r, "bcdfghklmnprstvz", 1) + from(r, "aeiou", 1) + from(r, "bcdfghjklmnpqrstvwxz", 4) + fmt.Sprint(r.IntN(100))
	},
	"semver":    func(r *rand.Rand) string { return fmt.Sprintf("%d.%d.%d", r.IntN(9), r.IntN(30), r.IntN(40)) },
	"key":       func(r *rand.Rand) string { return from(r, "bcdfghjklmnpqrstvwxz", 6) },
	"english":   func(r *rand.Rand) string { return adjectives[r.IntN(6)] + "-" + nouns[r.IntN(6)] },
	"name slug": func(r *rand.Rand) string { return from(r, "bcdfghjklmnpqrstvwxz", 5) + "-" + nouns[r.IntN(6)] },
	"locale":    func(r *rand.Rand) string { return strings.Fields("en-US de-DE fr-FR pt-BR ja-JP es-MX")[r.IntN(6)] },
}

var (
	adjectives = strings.Fields("red small warm light blue late")
	nouns      = strings.Fields("shirt table lamp garden river stone")
)

// notLearnable are kinds that the contract leaves static: English words never merge.
var notLearnable = map[string]bool{"english": true}

// opaqueKinds are kinds of which only look-alikes tell that they are ids. Two such
// in a path are more than the contract lets merge at once: they do only when there
// are eleven values of the one for each of eleven of the other.
var opaqueKinds = map[string]bool{"key": true, "name slug": true, "semver": true, "user name": true, "locale": true, "english": true}

const letters = "abcdefghijklmnopqrstuvwxyz"

func from(r *rand.Rand, alphabet string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(b)
}

func hexes(r *rand.Rand, n int) string { return from(r, "0123456789abcdef", n) }

// A score counts routes that were found exactly, and learned URLs that are a route.
type score struct {
	routes, found, learned, right int
	wrong                         map[string]int // a learned URL that is no route, and how many like it
}

func (s *score) add(o score) {
	s.routes, s.found, s.learned, s.right = s.routes+o.routes, s.found+o.found, s.learned+o.learned, s.right+o.right
	if s.wrong == nil {
		s.wrong = map[string]int{}
	}
	for k, n := range o.wrong {
		s.wrong[k] += n
	}
}

func (s *score) recall() float64    { return float64(s.found) / float64(max(s.routes, 1)) }
func (s *score) precision() float64 { return float64(s.right) / float64(max(s.learned, 1)) }

func (s *score) worst(n int) string {
	keys := slices.SortedFunc(maps.Keys(s.wrong), func(a, b string) int { return cmp.Or(s.wrong[b]-s.wrong[a], strings.Compare(a, b)) })
	var b strings.Builder
	for _, k := range keys[:min(n, len(keys))] {
		fmt.Fprintf(&b, "\n      %4d x %s", s.wrong[k], k)
	}
	return b.String()
}

// A route is a method and a path whose segments in braces are parameters.
type route struct {
	method, path string
	kinds        map[string]string // of ids, by name of the parameter; any if it has none
}

// fill gives a path of a route.
func (ro route) fill(r *rand.Rand, kind string, pools map[string][]string) string {
	segs := strings.Split(ro.path, "/")
	for i, seg := range segs {
		if !strings.Contains(seg, "{") {
			continue
		}
		k := cmp.Or(ro.kinds[strings.Trim(seg, "{}")], kind)
		id := k + strings.Join(segs[:min(i, 3)], "/")
		if pools[id] == nil {
			for range 40 {
				pools[id] = append(pools[id], idKinds[k](r))
			}
		}
		segs[i] = pools[id][r.IntN(40)]
	}
	return strings.Join(segs, "/")
}

// measure streams requests through a Set and compares what it learned.
func measure(routes []route, kind string, opt pathtmpl.Options, seed uint64) score {
	r := rand.New(rand.NewPCG(seed, 7))
	s := pathtmpl.NewSet(opt)
	pools := map[string][]string{}
	type request struct {
		route int
		path  string
	}
	var all []request
	for i, ro := range routes {
		for range 80 {
			all = append(all, request{i, pathtmpl.Normalize(ro.fill(r, kind, pools))})
		}
	}
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	of := map[string]int{} // the route of a learned URL, for shapes
	mo := pathtmpl.MergeOptions{Shape: func(method, url string) (pathtmpl.Shape, bool) {
		i, ok := of[method+url]
		if !ok {
			return pathtmpl.Shape{}, false
		}
		var names []string
		for k := range 10 + i%5 {
			if k > 0 || len(url)%2 == 0 {
				names = append(names, fmt.Sprint("f", i*3+k))
			}
		}
		return pathtmpl.NewShape(nil, map[int][]string{200: names}), true
	}}
	for i, q := range all {
		u, _, _ := s.Resolve(routes[q.route].method, q.path)
		of[routes[q.route].method+u] = q.route
		if i%200 == 199 {
			s.Merge(mo)
		}
	}
	s.Merge(mo)
	sc := score{routes: len(routes), wrong: map[string]int{}}
	found := map[string]bool{}
	truth := map[string]string{}
	for _, ro := range routes {
		truth[ro.method+" "+skeleton(ro.path)] = ro.path
	}
	for method, url := range s.All {
		sc.learned++
		sk := method + " " + skeleton(url)
		if truth[sk] != "" && !found[sk] {
			sc.right++
			found[sk] = true
		} else {
			sc.wrong[blur(method+" "+url)]++
		}
	}
	sc.found = len(found)
	return sc
}

// skeleton writes every placeholder and parameter the same way.
func skeleton(path string) string {
	// A literal number in a document's path is a placeholder by the contract.
	path, _ = pathtmpl.Parameterize(pathtmpl.FromBraces(path), learning)
	segs := strings.Split(path, "/")
	for i, seg := range segs {
		if pathtmpl.IsTemplate(seg) {
			segs[i] = "*"
		}
	}
	return strings.Join(segs, "/")
}

// blur makes URLs that differ in ids alike, for the list of the worst.
func blur(url string) string {
	segs := strings.Split(url, "/")
	for i, seg := range segs[1:] {
		if !pathtmpl.IsTemplate(seg) && !pathtmpl.English(seg) && len(seg) > 3 {
			segs[i+1] = "~"
		}
	}
	return strings.Join(segs, "/")
}

func TestAccuracyByKind(t *testing.T) {
	var routes []route
	for path := range strings.FieldsSeq(ourRoutes) {
		routes = append(routes, route{method: "GET", path: path})
	}
	var single []route // with at most one id
	for _, ro := range routes {
		if strings.Count(ro.path, "{") < 2 {
			single = append(single, ro)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(idKinds)) {
		routes := routes
		if opaqueKinds[kind] {
			sc := measure(routes, kind, learning, 0)
			t.Logf("%-10s with paths of two ids: precision %.3f recall %.3f", kind, sc.precision(), sc.recall())
			routes = single
		}
		var with, without score
		for seed := range uint64(3) {
			with.add(measure(routes, kind, learning, seed))
			without.add(measure(routes, kind, pathtmpl.Options{Semantic: semantic, NoWords: true}, seed))
		}
		worst := ""
		if with.precision() < 0.99 || with.recall() < 0.99 {
			worst = with.worst(4)
		}
		t.Logf("%-10s precision %.3f recall %.3f; without words %.3f %.3f%s",
			kind, with.precision(), with.recall(), without.precision(), without.recall(), worst)
		if !notLearnable[kind] && (with.precision() < 0.99 || with.recall() < 0.99) {
			t.Errorf("%s: precision %.3f, recall %.3f, want 0.99 for both", kind, with.precision(), with.recall())
		}
	}
}

// The documents of others, filled with ids that suit the names and types of their
// parameters.
func TestAccuracyOfDocuments(t *testing.T) {
	dir := os.Getenv("HARKEN_CASES")
	if dir == "" {
		t.Skip("HARKEN_CASES is not set")
	}
	for _, noWords := range []bool{false, true} {
		var total score
		err := filepath.WalkDir(filepath.Join(dir, "openapi"), func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			routes := routesOf(t, name)
			if len(routes) == 0 {
				return nil
			}
			opt := learning
			opt.NoWords = noWords
			var sc score
			for seed := range uint64(5) {
				sc.add(measure(routes, "", opt, seed))
			}
			t.Logf("words %v: %s: %d routes, precision %.3f recall %.3f%s", !noWords, filepath.Base(name), len(routes), sc.precision(), sc.recall(), sc.worst(3))
			total.add(sc)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("words %v: all: precision %.3f recall %.3f", !noWords, total.precision(), total.recall())
		if !noWords && (total.precision() < 0.99 || total.recall() < 0.99) {
			t.Errorf("precision %.3f, recall %.3f, want 0.99 for both", total.precision(), total.recall())
		}
	}
}

// routesOf reads the operations of an OpenAPI document; none of what is no such
// document.
func routesOf(t *testing.T, name string) (routes []route) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths      map[string]map[string]any `json:"paths" yaml:"paths"`
		Components struct {
			Parameters map[string]any `json:"parameters" yaml:"parameters"`
			Schemas    map[string]any `json:"schemas" yaml:"schemas"`
		} `json:"components" yaml:"components"`
	}
	if strings.HasSuffix(name, ".json") {
		err = json.Unmarshal(data, &doc)
	} else {
		err = yaml.Unmarshal(data, &doc)
	}
	if err != nil {
		return nil
	}
	left := 0
	for path, item := range doc.Paths {
		if strings.ContainsAny(path, "#?") {
			continue
		}
		for method, op := range item {
			if !slices.Contains([]string{"get", "put", "post", "delete", "patch", "head", "options"}, method) {
				continue
			}
			ro := route{method: strings.ToUpper(method), path: path, kinds: map[string]string{}}
			types := map[string]string{}
			collect(item["parameters"], types, doc.Components.Parameters, doc.Components.Schemas)
			if o, ok := op.(map[string]any); ok {
				collect(o["parameters"], types, doc.Components.Parameters, doc.Components.Schemas)
			}
			for seg := range strings.SplitSeq(path, "/") {
				if strings.HasPrefix(seg, "{") {
					n := strings.Trim(seg, "{}")
					ro.kinds[n] = kindOf(n, types[n], len(routes))
				}
			}
			opaque := 0
			for _, k := range ro.kinds {
				if opaqueKinds[k] {
					opaque++
				}
			}
			if opaque > 1 {
				left++
				continue
			}
			routes = append(routes, ro)
		}
	}
	if left > 0 {
		t.Logf("%s: %d routes with two opaque ids are left out: see opaqueKinds", filepath.Base(name), left)
	}
	slices.SortFunc(routes, func(a, b route) int {
		return cmp.Or(strings.Compare(a.path, b.path), strings.Compare(a.method, b.method))
	})
	return routes
}

func collect(params any, types map[string]string, named, schemas map[string]any) {
	deref := func(v any, in map[string]any) map[string]any {
		m, _ := v.(map[string]any)
		if ref, ok := m["$ref"].(string); ok {
			m, _ = in[ref[strings.LastIndexByte(ref, '/')+1:]].(map[string]any)
		}
		return m
	}
	list, _ := params.([]any)
	for _, p := range list {
		m := deref(p, named)
		n, _ := m["name"].(string)
		schema := deref(m["schema"], schemas)
		types[n] = fmt.Sprint(m["type"], m["format"], schema["type"], schema["format"])
	}
}

// kindOf chooses a kind that suits a parameter.
func kindOf(name, typ string, i int) string {
	name = strings.ToLower(name)
	switch {
	case strings.Contains(typ, "uuid"):
		return "uuid"
	case strings.Contains(typ, "integer"), strings.Contains(typ, "number"):
		return "int"
	case strings.Contains(typ, "date-time"):
		return "timestamp"
	case strings.Contains(typ, "date"):
		return "date"
	case strings.Contains(name, "user"):
		return "user name"
	case strings.Contains(name, "name"), strings.Contains(name, "slug"):
		return "name slug"
	case strings.Contains(name, "id"), strings.Contains(name, "uuid"):
		return []string{"uuid", "objectId", "ulid", "prefixed", "base36"}[i%5]
	}
	return "key"
}
