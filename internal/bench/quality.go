package main

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"harken/ingest"
	"harken/ingest/learn"
	"harken/internal/store/sqlite"
	"harken/inventory"
	"harken/inventory/pathtmpl"
)

// account is the one that all records of the corpus belong to.
const account = 1000000

// A seenURLs counts the distinct URLs of each endpoint that a learner was given,
// exactly up to maxSeen, and those of them that look alike.
type seenURLs struct {
	c         *corpus
	seed      maphash.Seed
	of, alike [][]uint64
}

const maxSeen = 12

func newSeenURLs(c *corpus) *seenURLs {
	return &seenURLs{c, maphash.MakeSeed(), make([][]uint64, len(c.ends)), make([][]uint64, len(c.ends))}
}

func (s *seenURLs) add(end int, path []byte, short bool) {
	h := maphash.Bytes(s.seed, path)
	put := func(have *[]uint64) {
		if len(*have) < maxSeen && !slices.Contains(*have, h) {
			*have = append(*have, h)
		}
	}
	put(&s.of[end])
	if e := &s.c.ends[end]; !short && len(s.alike[end]) < maxSeen && e.alike(string(path)) {
		put(&s.alike[end])
	}
}

// alike reports whether a path may count as a look-alike: what is opaque in it is
// no English word.
func (e *endpoint) alike(path string) bool {
	values := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i := range e.segs {
		if s := &e.segs[i]; s.literal == "" && s.kind.opaque() && pathtmpl.English(values[i]) {
			return false
		}
	}
	return true
}

// learnable reports whether the rules for learning can find a template. An opaque
// parameter takes eleven URLs that look alike and have the same members, and is
// never found where it has English words; two of them take eleven of the one for
// each of eleven of the other, which nobody here counts.
func (s *seenURLs) learnable(end int) bool {
	_, opaque := s.c.ends[end].params()
	return opaque == 0 || opaque == 1 && len(s.alike[end]) >= 11
}

// A corpusSource gives the learner the records of a corpus as they are made.
type corpusSource struct {
	t    *traffic
	left int
	seq  int64
	recs [500]*ingest.Record
	seen *seenURLs
}

func (s *corpusSource) Next(context.Context) (ingest.Batch, error) {
	if s.left <= 0 {
		return ingest.Batch{}, io.EOF
	}
	n := min(len(s.recs), s.left)
	s.left -= n
	for i := range n {
		if s.recs[i] == nil {
			s.recs[i] = &ingest.Record{}
		}
		end := s.t.next(s.recs[i])
		s.seq++
		s.recs[i].Origin = ingest.Origin{Log: "corpus", Seq: s.seq}
		if s.seen != nil && s.t.kept() {
			s.seen.add(end, s.t.path(), s.t.short)
		}
	}
	return ingest.Batch{Partition: "0", Records: s.recs[:n], Ack: func(context.Context) error { return nil }}, nil
}

// learnCorpus learns n records into a store in dir, and says which URLs these had.
func learnCorpus(ctx context.Context, c *corpus, dir string, n int, how draw, noWords bool) (*sqlite.DB, *seenURLs, error) {
	db, err := sqlite.Open(ctx, filepath.Join(dir, "harken.db"))
	if err != nil {
		return nil, nil, err
	}
	seen := newSeenURLs(c)
	l, err := learn.New(learn.Config{Source: &corpusSource{t: newTraffic(c, 1, how), left: n, seen: seen}, Stores: db, NoWords: noWords})
	if err == nil {
		err = l.Run(ctx)
	}
	if err == nil {
		err = settle(ctx, db, noWords)
	}
	if err != nil {
		db.Close()
		return nil, nil, err
	}
	return db, seen, nil
}

// settle gives a learner without traffic the time to merge what is due: in a
// service the seconds after an update are that.
func settle(ctx context.Context, db *sqlite.DB, noWords bool) error {
	l, err := learn.New(learn.Config{Source: untilMerged{db}, Stores: db, NoWords: noWords, MergeEvery: 100 * time.Millisecond})
	if err != nil {
		return err
	}
	return l.Run(ctx)
}

// untilMerged is a source without records, that ends when nothing is due.
type untilMerged struct{ db *sqlite.DB }

func (s untilMerged) Next(ctx context.Context) (ingest.Batch, error) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		due, err := s.db.MergeDue(ctx)
		if err != nil {
			return ingest.Batch{}, err
		}
		if len(due) == 0 {
			return ingest.Batch{}, io.EOF
		}
		select {
		case <-ctx.Done():
			return ingest.Batch{}, ctx.Err()
		case <-tick.C:
		}
	}
}

// A quality says how well what was learned fits the truth.
//
// A learned template is right if it equals a true one of its host: same method,
// literals and placeholders at the same places, whatever the placeholders are
// called; only the first of several that equal the same one is. A number in the
// path of a document, /2.0/users, is a placeholder, as the rules for learning want
// it. Recall asks for the true templates of which at least two distinct URLs were
// seen; precision is about all learned templates. Strict counts static URLs too,
// so that a value that was left as it is counts as wrong.
type quality struct {
	truths, found        int // templates of which two URLs were seen
	learnable, foundThem int // those of them that the rules can find; see seenURLs.learnable
	learned, right       int // templates
	hopeless             int // wrong ones that the rules want as they are
	urls, rightURLs      int // all that was learned
	params               int
	missed, wrong        map[string]int
	example              map[string]string
}

func (q *quality) recall() float64    { return float64(q.found) / float64(max(1, q.truths)) }
func (q *quality) precision() float64 { return float64(q.right) / float64(max(1, q.learned)) }
func (q *quality) strict() float64    { return float64(q.rightURLs) / float64(max(1, q.urls)) }

// Of what the rules can find.
func (q *quality) ruleRecall() float64 { return float64(q.foundThem) / float64(max(1, q.learnable)) }

func (q *quality) rulePrecision() float64 {
	return float64(q.right) / float64(max(1, q.learned-q.hopeless))
}

func (q *quality) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "precision %.4f (%d of %d templates), recall %.4f (%d of %d); of what the rules can find precision %.4f, recall %.4f (%d templates); all URLs %.4f (%d of %d), %d params",
		q.precision(), q.right, q.learned, q.recall(), q.found, q.truths, q.rulePrecision(), q.ruleRecall(), q.learnable, q.strict(), q.rightURLs, q.urls, q.params)
	list := func(title string, of map[string]int) {
		keys := slices.SortedFunc(maps.Keys(of), func(x, y string) int { return cmp.Or(of[y]-of[x], strings.Compare(x, y)) })
		for _, k := range keys[:min(12, len(keys))] {
			fmt.Fprintf(&b, "\n  %-6s %6d  %s   e.g. %s", title, of[k], k, q.example[title+k])
		}
	}
	list("missed", q.missed)
	list("wrong", q.wrong)
	return b.String()
}

// measureQuality compares what a store has with the corpus.
func measureQuality(ctx context.Context, c *corpus, db *sqlite.DB, seen *seenURLs, countParams bool) (*quality, error) {
	q := &quality{missed: map[string]int{}, wrong: map[string]int{}, example: map[string]string{}}
	byHost := make([]map[string]int, len(c.hosts))
	for i := range c.ends {
		e := &c.ends[i]
		if byHost[e.host] == nil {
			byHost[e.host] = map[string]int{}
		}
		byHost[e.host][e.truthKey()] = i
	}
	store := db.Account(account)
	cs, err := store.Collections(ctx)
	if err != nil {
		return nil, err
	}
	ids := map[string]int32{}
	for i := range cs {
		ids[cs[i].HostName] = cs[i].ID
	}
	for h, host := range c.hosts {
		found := map[string]bool{}
		err := store.Keys(ctx, ids[host], func(k inventory.EndpointKey) error {
			q.learnedURL(seen, byHost[h], found, host, &k)
			return nil
		})
		if err != nil {
			return nil, err
		}
		for key, i := range byHost[h] {
			q.truth(seen, i, key, found[key], host)
		}
		if !countParams {
			continue
		}
		err = store.Keys(ctx, ids[host], func(k inventory.EndpointKey) error {
			e, err := store.Endpoint(ctx, k)
			q.params += len(e.Params)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return q, nil
}

// truthKey is method and skeleton, with numbers as the rules want them.
func (e *endpoint) truthKey() string {
	segs := strings.Split(e.skeleton(), "/")
	for i, s := range segs {
		if s != "" && strings.Trim(s, "0123456789.") == "" {
			segs[i] = "*"
		}
	}
	return e.method + " " + strings.Join(segs, "/")
}

func keyOfURL(k *inventory.EndpointKey) string {
	segs := strings.Split(k.URL, "/")
	for i, s := range segs {
		if pathtmpl.IsTemplate("/" + s) {
			segs[i] = "*"
		}
	}
	return k.Method + " " + strings.Join(segs, "/")
}

func (q *quality) learnedURL(seen *seenURLs, truths map[string]int, found map[string]bool, host string, k *inventory.EndpointKey) {
	q.urls++
	key := keyOfURL(k)
	template := pathtmpl.IsTemplate(k.URL)
	if template {
		q.learned++
	}
	_, ok := truths[key]
	switch {
	case ok && !found[key]:
		found[key] = true
		q.rightURLs++
		if template {
			q.right++
		}
		return
	case !template:
		return // see missed
	}
	class := "a second template for the same"
	if !ok {
		var nearest int
		if class, nearest = classOf(seen.c, truths, key); nearest >= 0 && (!seen.learnable(nearest) || seen.c.ends[nearest].words(k.URL)) {
			class += " (not to be found by the rules)"
			q.hopeless++
		}
	}
	q.wrong[class]++
	q.example["wrong"+class] = k.Method + " " + host + k.URL
}

// words reports whether a URL has an English word where the endpoint has a
// parameter: such never become part of a template.
func (e *endpoint) words(url string) bool {
	values := strings.Split(strings.TrimPrefix(url, "/"), "/")
	for i := range e.segs {
		if e.segs[i].literal == "" && !pathtmpl.IsTemplate("/"+values[i]) && pathtmpl.English(values[i]) {
			return true
		}
	}
	return false
}

// classOf says what is wrong with a learned template, by the nearest true one.
func classOf(c *corpus, truths map[string]int, key string) (class string, nearest int) {
	got := strings.Split(key, "/")
	best := 100
	class, nearest = "nothing like it", -1
	for want, i := range truths {
		ws := strings.Split(want, "/")
		if len(ws) != len(got) || ws[0] != got[0] {
			continue
		}
		made, left, other := "", "", 0
		for j := 1; j < len(ws); j++ {
			switch {
			case ws[j] == got[j]:
			case got[j] == "*":
				made += " " + ws[j]
			case ws[j] == "*":
				left += " " + kindNames[c.ends[i].segs[j-1].kind]
			default:
				other += 100
			}
		}
		n := other + strings.Count(made, " ") + strings.Count(left, " ")
		if n >= best {
			continue
		}
		best, class, nearest = n, "", i
		if made != "" {
			class = "a literal taken for a value"
		}
		if left != "" {
			class += "left:" + left
		}
	}
	return class, nearest
}

func (q *quality) truth(seen *seenURLs, end int, key string, found bool, host string) {
	e := &seen.c.ends[end]
	if len(seen.of[end]) < 2 || !strings.Contains(key, "/*") {
		return
	}
	q.truths++
	can := seen.learnable(end)
	if can {
		q.learnable++
	}
	if found {
		q.found++
		if can {
			q.foundThem++
		}
		return
	}
	var names []string
	for i := range e.segs {
		if e.segs[i].literal == "" {
			names = append(names, kindNames[e.segs[i].kind])
		}
	}
	class := strings.Join(names, ", ")
	if !can {
		class += " (not to be found by the rules)"
	}
	q.missed[class]++
	q.example["missed"+class] = e.method + " " + host + e.skeleton()
}

// benchCorpus learns the corpus with and without the word list.
func benchCorpus(ctx context.Context, o options) error {
	docs, err := readDocuments(o.openapi)
	if err != nil {
		return err
	}
	c, err := newCorpus(docs, o.corpus)
	if err != nil {
		return err
	}
	fmt.Printf("corpus of seed %d: %d records, %d documents, %s\n", o.corpus.Seed, o.records, len(docs), c.describe())
	for _, noWords := range []bool{false, true} {
		dir, err := os.MkdirTemp("", "harken-bench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		began := time.Now()
		db, seen, err := learnCorpus(ctx, c, dir, o.records, o.draw, noWords)
		if err != nil {
			return err
		}
		took := time.Since(began)
		q, err := measureQuality(ctx, c, db, seen, !noWords)
		db.Close()
		if err != nil {
			return err
		}
		with := "with"
		if noWords {
			with = "without"
		}
		fmt.Printf("%s words, %v (%.0f records/s, made and learned): %v\n", with, took.Round(time.Second), float64(o.records)/took.Seconds(), q)
	}
	return nil
}
