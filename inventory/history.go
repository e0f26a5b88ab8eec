package inventory

import "context"

// TrafficCount is a number of exchanges of an endpoint with one status within an
// hour or, when it is older, a day.
type TrafficCount struct {
	Start  int64 // Unix seconds, a whole hour or day (UTC)
	Day    bool
	Status int // 0 is none
	Count  int64
}

// Bounds of the traffic of one endpoint, counted back from its latest hour: counts
// of hours become counts of days, and days are forgotten.
const (
	TrafficHours = 48
	TrafficDays  = 90
)

// The kinds of changes.
const (
	NewEndpoint = "new-endpoint"
	NewParam    = "new-param"  // Detail: place and name
	NewType     = "new-type"   // a known parameter with another type; Detail: place, name and type
	NewStatus   = "new-status" // Detail: the status
	NewAuth     = "new-auth"   // Detail: the set, joined with "+"
)

// A Change says that something of an endpoint was first seen: the endpoint itself,
// or after it something that it did not have before. Which changes there are, and
// their times, depend on what was recorded, not on the order in which it came.
type Change struct {
	EndpointKey
	Time   int64 // Unix seconds
	Kind   string
	Detail string
}

// MaxChanges is the number of changes of one endpoint that are kept: the latest.
const MaxChanges = 100

// A ChangeFilter chooses changes; zero fields choose all.
type ChangeFilter struct {
	Collections []int32 // nil is all, empty none
	URL         string
	Method      string
	Kinds       []string
	From, To    int64 // Unix seconds; To is not included
}

// A HistoryStore keeps what happened when, and what was dropped.
type HistoryStore interface {
	ChangeStore
	TrafficStore
	DroppedStore
}

// A ChangeStore keeps changes. They are written by Apply and Absorb, and removed
// by Compact when they are too old.
type ChangeStore interface {
	// Changes returns at most limit changes, newest first, after leaving out the
	// first skip, and how many there are.
	Changes(ctx context.Context, f ChangeFilter, skip, limit int) (page []Change, total int, err error)
}

// A TrafficStore keeps counts of exchanges over time.
type TrafficStore interface {
	// Traffic returns the counts of one endpoint, by start and status.
	Traffic(ctx context.Context, k EndpointKey) ([]TrafficCount, error)
	// CollectionTraffic returns the sums over the endpoints of collections (nil is
	// all), by start and status. It reads all these endpoints.
	CollectionTraffic(ctx context.Context, collections []int32) ([]TrafficCount, error)
}

// A Drop is what is known of the records of one host that one rule dropped.
type Drop struct {
	Rule    string
	Host    string // "" also stands for hosts beyond MaxDrops
	Count   int64
	Last    int64  // Unix seconds of the latest
	Example []byte // the latest, a HAR entry of at most MaxExample bytes; nil if none is kept
}

// Bounds of drops.
const (
	MaxDrops   = 1000     // of one account
	MaxExample = 16 << 10 // bytes of an example
)

// A DroppedStore keeps what was dropped.
type DroppedStore interface {
	// Dropped returns how many records filters dropped, by rule.
	Dropped(ctx context.Context) (map[string]int64, error)
	// Drops returns the drops, largest count first.
	Drops(ctx context.Context) ([]Drop, error)
}

// A SensitiveSample is a record kept because a sensitive parameter was in it.
type SensitiveSample struct {
	Sample
	Params []ParamKey // whose samples it is, sorted
}

// A SensitiveOverride is a person's word on one parameter, whatever its type.
type SensitiveOverride struct {
	EndpointKey
	ResponseCode int    `json:"responseCode"`
	Header       bool   `json:"isHeader"`
	Param        string `json:"param"`
	Sensitive    bool   `json:"sensitive"`
	SampleSaved  bool   `json:"sampleDataSaved"`
	// Groups are those of the endpoint, as Endpoint.Groups.
	Groups []int32 `json:"-"`
}

// A SensitiveStore keeps samples of sensitive parameters, the newest MaxSamples of
// each, and overrides.
type SensitiveStore interface {
	// SensitiveSamples returns those of an endpoint, oldest first.
	SensitiveSamples(ctx context.Context, k EndpointKey) ([]SensitiveSample, error)
	// SensitiveOverrides returns those of collections (nil is all), by key.
	SensitiveOverrides(ctx context.Context, collections []int32) ([]SensitiveOverride, error)
	// PutSensitiveOverride stores o over the one of the same parameter. SampleSaved
	// is the store's: true once there is a sample.
	PutSensitiveOverride(ctx context.Context, o SensitiveOverride) error
	// DeleteSensitiveOverride removes the one of a parameter; fault.NotFound if
	// there is none.
	DeleteSensitiveOverride(ctx context.Context, o SensitiveOverride) error
}
