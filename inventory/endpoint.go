package inventory

import (
	"cmp"
	"strconv"
	"strings"
)

// An EndpointKey names an endpoint in an account. URL is a static path or a
// template; its placeholders are INTEGER, FLOAT, STRING, OBJECT_ID, VERSIONED
// and LOCALE, each a whole segment.
type EndpointKey struct {
	Collection int32  `json:"apiCollectionId"`
	URL        string `json:"url"`
	Method     string `json:"method"`
}

// An Endpoint is what is known of one method and path template. The same type is
// an observation (the aggregate of some records) and the stored whole: an
// observation is merged into what is stored, in any order, with one result.
type Endpoint struct {
	EndpointKey
	Count         int64            // exchanges learned, exact
	Discovered    int64            // Unix seconds of the earliest record
	LastSeen      int64            // Unix seconds of the latest record
	APIType       string           // REST, GRAPHQL, GRPC or SOAP
	AuthTypes     [][]string       // distinct sets, each sorted
	AccessTypes   []string         // distinct, sorted
	ResponseCodes []int            // distinct, sorted
	Sources       map[string]int64 // source to Unix seconds of its latest record
	Origins       []string         // distinct scheme://authority, sorted, at most MaxOrigins
	Params        []Param          // sorted by key; nil where a listing leaves them out
	Description   string           // set by people, never by learning
	Traffic       []TrafficCount   // by start and status; nil where a listing leaves it out
	// When a member of AuthTypes and of ResponseCodes was first seen, in Unix
	// seconds, by its index there. Nil, or 0, is as long as the endpoint.
	AuthSeen, CodeSeen []int64
	Callers            Callers // who sent requests
	// Groups are the groups it is in, by id. They follow from the conditions of these:
	// the store fills them in, and they are never stored or merged.
	Groups []int32
}

// Bounds of an Endpoint. A set that is full keeps its smallest members, and an
// endpoint that has too many parameters of one place its smallest by key: which
// those are does not depend on the order in which they came.
const (
	MaxOrigins   = 16
	MaxSources   = 16
	MaxAuthTypes = 64   // distinct sets
	MaxCodes     = 1000 // response codes
	MaxParams    = 1000 // of one side and one place
)

// A ParamKey names a parameter of an endpoint: its position, its name and its
// type. A parameter that was seen with two types is two Params.
type ParamKey struct {
	ResponseCode int    // -1 on the request side
	Header       bool   // neither Header, URLParam nor Query is a body parameter
	URLParam     bool   // Name is the segment index
	Query        bool   // Name is the query key
	Name         string // body paths joined with "#", an array element is "$"
	Type         string // a name of package datatype
}

// A Param is what is known of one parameter.
type Param struct {
	ParamKey
	Count     int64 // occurrences
	FirstSeen int64 // Unix seconds
	LastSeen  int64 // Unix seconds
	// Values holds distinct raw values while there are fewer than MaxValues;
	// after that Full is set and Values is empty.
	Values   []string
	Full     bool
	HasRange bool // Min and Max hold numeric values, fractions cut
	Min, Max int64
	// Unique is about how many distinct values there were, Public how many of these
	// several callers sent; both are told by Sketch, if there is one.
	Unique, Public int64
	Sketch         Sketch // of requests, headers excepted; never of redacted values
}

// MaxValueBytes is the length of a value beyond which it is not kept: a parameter
// with such a value is no enumeration, so it is Full.
const MaxValueBytes = 256

// MaxValues is the number of distinct values of a parameter beyond which none
// are kept: its domain becomes RANGE (numbers) or ANY.
const MaxValues = 50

// The domains of a parameter.
const (
	DomainEnum  = "ENUM"
	DomainRange = "RANGE"
	DomainAny   = "ANY"
)

// Domain says how the values of p are described: ENUM lists them, RANGE gives the
// smallest and the largest number, ANY is free.
func (p *Param) Domain() string {
	if !p.Full {
		return DomainEnum
	}
	switch p.Type {
	case "INTEGER_32", "INTEGER_64", "FLOAT":
		return DomainRange
	}
	return DomainAny
}

// Compare orders keys: by response code, then headers, path segments, query and
// body, then name and type.
func (k *ParamKey) Compare(o *ParamKey) int {
	if c := cmp.Compare(k.ResponseCode, o.ResponseCode); c != 0 {
		return c
	}
	if c := cmp.Compare(k.place(), o.place()); c != 0 {
		return c
	}
	if c := strings.Compare(k.Name, o.Name); c != 0 {
		return c
	}
	return strings.Compare(k.Type, o.Type)
}

// The places of a parameter, in the order of their keys.
const (
	placeHeader = iota
	placeURLParam
	placeQuery
	placeBody
	places
)

func (k *ParamKey) place() int {
	switch {
	case k.Header:
		return placeHeader
	case k.URLParam:
		return placeURLParam
	case k.Query:
		return placeQuery
	}
	return placeBody
}

// A Sample is one record kept as an example of an endpoint: the bytes as they
// came, in either wire form, which readers tell apart by content.
type Sample struct {
	Endpoint EndpointKey
	Time     int64 // Unix seconds
	ID       [16]byte
	Account  int32
	Source   string
	Data     []byte
	// Sensitive are, in an update, the parameters of which this is also a sensitive
	// sample. Stores return it empty.
	Sensitive []ParamKey
}

// EnoughURLValues counts the URL parameters of which there are at least so many values.
func (e *Endpoint) EnoughURLValues(enough int) (n int) {
	for i := range e.Params {
		if e.Params[i].isURLWith(enough) {
			n++
		}
	}
	return n
}

func (p *Param) isURLWith(values int) bool {
	return p.URLParam && values > 0 && (p.Full || len(p.Values) >= values)
}

// MaxSamples is the number of newest samples kept per endpoint.
const MaxSamples = 10

// URLValues returns what is known of a segment of the path, given by its index: the
// values of that URL parameter, the names of its data types, and about how many
// values there were of those types whose values are not kept.
func (e *Endpoint) URLValues(segment int) (values, types []string, more int64) {
	name := strconv.Itoa(segment)
	for i := range e.Params {
		p := &e.Params[i]
		if !p.URLParam || p.Name != name {
			continue
		}
		values, types = append(values, p.Values...), append(types, p.Type)
		if p.Full {
			more += p.Unique
		}
	}
	return values, types, more
}
