package inventory

import (
	"slices"
	"strings"
	"unicode/utf16"

	"harken/inventory/fault"
)

// DefaultAccount is the first account ever made.
const DefaultAccount int32 = 1000000

// A Collection is a set of endpoints: a host's live traffic, or what a person
// put together.
type Collection struct {
	ID                       int32
	Name                     string // "" for host collections without a name
	HostName                 string // "" unless the collection is of live traffic
	VxlanID                  int32
	Description              string
	StartTS                  int64 // Unix seconds
	Redact                   bool
	SampleCollectionsDropped bool
	Deactivated              bool
	OutOfTestingScope        bool
	Automated                bool
	Type                     string // "" or API_GROUP
	Tags                     []Tag  // nil until somebody edits them; see AllTags
	AccessType               string // "", Internal, Third party or Unknown
	URLsCount                int    // endpoints it has, or that are in the group, counted by the store

	// Of a group.
	Conditions []Condition
	Within     []int32 // see NewSelector
}

// DefaultCollection is the name of the collection 0 that every account has.
const DefaultCollection = "Default"

// MaxCollectionName is the number of characters in the name of a collection that
// a person makes.
const MaxCollectionName = 60

// TypeGroup is the Type of a collection that groups endpoints of others.
const TypeGroup = "API_GROUP"

// NewCollection returns a collection with a name that a person chose. A name that
// breaks the rules is fault.Invalid; that it is not taken is checked by the store.
func NewCollection(name string) (Collection, error) {
	if strings.TrimSpace(name) == "" {
		return Collection{}, fault.New(fault.Invalid, "the collection name is invalid: it is empty")
	}
	if len([]rune(name)) > MaxCollectionName {
		return Collection{}, fault.New(fault.Invalid, "the collection name is too long: at most %d characters", MaxCollectionName)
	}
	for _, c := range name {
		if !nameRune(c) {
			return Collection{}, fault.New(fault.Invalid,
				"the collection name has illegal characters: only letters, digits, space, '-', '.' and '_' are accepted")
		}
	}
	return Collection{Name: name, SampleCollectionsDropped: true}, nil
}

func nameRune(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("-._ ", c)
}

// HashID returns the id that a host, or another name, hashes to: 31*h + unit over
// its UTF-16 units, with 32-bit wrap-around. It may be negative.
func HashID(name string) int32 {
	var h int32
	for _, r := range name {
		if r >= 0x10000 {
			hi, lo := utf16.EncodeRune(r)
			h = 31*h + hi
			h = 31*h + lo
			continue
		}
		h = 31*h + r
	}
	return h
}

// MaxProbes is how many ids are tried for a host whose hash is taken.
const MaxProbes = 100

// ProbeID returns the id of try n, from 0, for a host that hashes to id: each try
// adds one more than the one before (id, id+1, id+3, id+6, ...).
func ProbeID(id int32, n int) int32 {
	return id + int32(n*(n+1)/2) //nolint:gosec // n is below MaxProbes, and the sum wraps as the hash does
}

// KeyEnvType is the KeyName of the tag that names the environment.
const KeyEnvType = "envType"

// EnvType derives the environment from the labels of a host after the first one;
// empty if they do not tell.
func EnvType(host string) string {
	host = strings.ToLower(host)
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.Contains(host[i:], "]") {
		host = host[:i]
	}
	labels := strings.Split(host, ".")[1:]
	for _, env := range [...]string{"staging", "qa", "dev", "integ", "uat", "preprod"} {
		if slices.Contains(labels, env) {
			return strings.ToUpper(env)
		}
	}
	for _, l := range labels {
		switch l {
		case "demo", "test", "svc", "localhost", "local", "intranet", "lan", "example", "invalid", "home", "corp",
			"priv", "localdomain", "localnet", "network", "int", "private":
			return "STAGING"
		}
	}
	if strings.Contains(host, "kubernetes") || strings.Contains(host, "internal") {
		return "INTERNAL"
	}
	return ""
}

// AllTags returns the tags that people see: Tags, or while these are nil the
// environment that the host tells. It may return Tags itself.
func (c *Collection) AllTags() []Tag {
	if c.Tags != nil {
		return c.Tags
	}
	if env := EnvType(c.HostName); env != "" {
		return []Tag{{LastUpdatedTS: c.StartTS, KeyName: KeyEnvType, Value: env, Source: tagOfHost}}
	}
	return nil
}

// Bounds of the tags of a collection.
const (
	MaxTags    = 100
	MaxTagText = 256 // bytes of a key, and of a value
)

// A Tag is a label of a collection; the environment is the one with KeyName
// "envType".
type Tag struct {
	LastUpdatedTS int64  `json:"lastUpdatedTs"`
	KeyName       string `json:"keyName"`
	Value         string `json:"value"`
	Source        string `json:"source"`
}

// The sources of tags that are not a person's.
const (
	tagOfHost   = "AKTO"       // derived from the name of the host
	tagOfRecord = "KUBERNETES" // a label that a recorder put into its records
)

// The access types of collections: which side of their traffic was observed.
const (
	Internal   = "Internal"    // inbound to the observed host
	ThirdParty = "Third party" // outbound only
)

// Bounds of tags that records tell.
const (
	maxLearnedTags = 50 // of a collection, with those of people
	// tagSettles is for how long, in seconds, a label keeps its value: instances of a
	// service that differ in one would change it with each record.
	tagSettles = 3600
)

// Labels are what records tell of their collection.
type Labels struct {
	AccessType string
	Tags       []Tag
}

// Learn takes over what a record of a direction tells at a time (Unix seconds), and
// reports whether that was new. Internal wins over Third party, and tags of people over
// those of records. What Tags were is not written to.
func (l *Labels) Learn(direction string, tags map[string]string, at int64) (changed bool) {
	switch {
	case l.AccessType == Internal:
	case direction == "1":
		l.AccessType, changed = Internal, true
	case direction == "2" && l.AccessType != ThirdParty:
		l.AccessType, changed = ThirdParty, true
	}
	var news []string // nearly always none
	for key, value := range tags {
		if _, is := l.place(key, value, at); is {
			news = append(news, key)
		}
	}
	if len(news) == 0 {
		return changed
	}
	l.Tags = slices.Clone(l.Tags)
	slices.Sort(news)
	for _, key := range news {
		one := Tag{at, strings.Clone(key), strings.Clone(tags[key]), tagOfRecord}
		if i, is := l.place(key, tags[key], at); is && i >= 0 {
			l.Tags[i] = one
		} else if is {
			l.Tags = append(l.Tags, one)
		}
	}
	return true
}

// place reports whether a tag is news, and where it stands, -1 if nowhere.
func (l *Labels) place(key, value string, at int64) (i int, news bool) {
	if key == "" || len(key) > MaxTagText || len(value) > MaxTagText {
		return 0, false
	}
	i = slices.IndexFunc(l.Tags, func(t Tag) bool { return t.KeyName == key })
	if i < 0 {
		return i, len(l.Tags) < maxLearnedTags
	}
	switch t := &l.Tags[i]; {
	case t.Value == value:
		return i, false
	case t.Source == tagOfRecord:
		return i, at-t.LastUpdatedTS >= tagSettles
	default:
		return i, t.Source == tagOfHost
	}
}

// DisplayName is the name that people see: host, name, or both.
func (c *Collection) DisplayName() string {
	switch {
	case c.HostName == "":
		return c.Name
	case c.Name == "":
		return c.HostName
	}
	return c.HostName + " - " + c.Name
}
