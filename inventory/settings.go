package inventory

import (
	"context"
	"time"
)

// Settings are the settings of an account that a rule uses, under their published
// names. They are one document; the zero Settings are the documented defaults.
type Settings struct {
	// Version is the number of the document; 0 before it was ever stored.
	Version int64 `json:"-"`

	PrivateCIDRs  []string `json:"privateCidrList,omitempty"` // empty is the default list; see AccessType
	PartnerIPs    []string `json:"partnerIpList,omitempty"`   // addresses and CIDRs
	RedactPayload bool     `json:"redactPayload,omitempty"`   // live traffic; never HAR and BURP
	SetupType     string   `json:"setupType,omitempty"`       // PROD (also ""), QA, STAGING or DEV

	// FilterHeaderValues keeps, unless empty, only records of which a request or
	// response header has exactly its value. Names in lower case.
	FilterHeaderValues map[string]string         `json:"filterHeaderValueMap,omitempty"`
	NameMapper         map[string]NameMapping    `json:"apiCollectionNameMapper,omitempty"`
	DefaultPayloads    map[string]DefaultPayload `json:"defaultPayloads,omitempty"` // by base64 of the host
	// RedundantEndpoints is the list of extensions and CONTENT-TYPE items; nil is
	// the default list, empty drops nothing.
	RedundantEndpoints []string `json:"allowRedundantEndpointsList"`
	AllowOptions       bool     `json:"allowOptionsAPIs,omitempty"`
	AllowFilterLogs    bool     `json:"allowFilterLogs,omitempty"`
	AllowDeletion      bool     `json:"allowDeletionOfUrls,omitempty"`
	IgnoreCase         bool     `json:"handleApisCaseInsensitive,omitempty"`
	MergeVersions      bool     `json:"allowMergingOnVersions,omitempty"`
	RegexMatching      bool     `json:"urlRegexMatchingEnabled,omitempty"`
	BodyMatch          *bool    `json:"bodyMatchEnabled,omitempty"` // nil is true; see BodyMatching

	// Ours.
	SplitIPHosts     bool     `json:"splitIpHosts,omitempty"` // a collection for each address that is a host
	AllowHosts       []string `json:"allowHosts,omitempty"`   // globs; empty is all
	DenyHosts        []string `json:"denyHosts,omitempty"`    // globs
	DenyPaths        []string `json:"denyPathPrefixes,omitempty"`
	DenyContentTypes []string `json:"denyContentTypes,omitempty"` // globs of media types of responses
	// EndpointRate bounds the records that are learned of one endpoint; nil does not.
	EndpointRate *Rate `json:"endpointRateLimit,omitempty"`
	SampleCount  int   `json:"sampleCount,omitempty"` // newest samples kept, at most and by default MaxSamples
	SampleDays   int   `json:"sampleDays,omitempty"`  // samples older than that are removed; 0 keeps them
	ChangeDays   int   `json:"changeDays,omitempty"`  // change rows older than that are removed; 0 is DefaultChangeDays
}

// A Rate is Burst at once (0: as many as in a minute), and PerMinute in the long
// run.
type Rate struct {
	PerMinute float64 `json:"perMinute"`
	Burst     int     `json:"burst,omitempty"`
}

// A NameMapping gives the host of records another name: those whose request
// header, host if empty, matches Regex as a whole.
type NameMapping struct {
	Header  string `json:"headerName,omitempty"`
	Regex   string `json:"regex"`
	NewName string `json:"newName"`
}

// A DefaultPayload drops the responses of a host that are one known page.
type DefaultPayload struct {
	ID      string `json:"id,omitempty"`
	Pattern string `json:"pattern"` // a regular expression for the whole body without newlines
	Author  string `json:"author,omitempty"`
	Created int64  `json:"createdTs,omitempty"` // Unix seconds
	Updated int64  `json:"updatedTs,omitempty"` // Unix seconds
	Scanned bool   `json:"scannedExistingData,omitempty"`
}

// DefaultChangeDays is how long change rows are kept.
const DefaultChangeDays = 90

// BodyMatching reports whether look-alike paths merge only if their parameters
// are similar.
func (s *Settings) BodyMatching() bool { return s.BodyMatch == nil || *s.BodyMatch }

// Redacts reports whether s redacts records of a source; see Redactable.
func (s *Settings) Redacts(source string) bool {
	return s.RedactPayload && Redactable(source)
}

// KeptSamples is the number of newest samples to keep per endpoint.
func (s *Settings) KeptSamples() int {
	if s.SampleCount <= 0 {
		return MaxSamples
	}
	return min(s.SampleCount, MaxSamples)
}

// ChangesFrom is the time, in Unix seconds, before which change rows are removed.
func (s *Settings) ChangesFrom(now time.Time) int64 {
	days := s.ChangeDays
	if days <= 0 {
		days = DefaultChangeDays
	}
	return now.AddDate(0, 0, -days).Unix()
}

// A SettingsStore keeps the settings of an account.
type SettingsStore interface {
	// Settings returns what is stored, or the zero Settings.
	Settings(ctx context.Context) (Settings, error)
	// PutSettings stores s if s.Version is the version of what is stored, and
	// returns it with its new version; else fault.Conflict.
	PutSettings(ctx context.Context, s Settings) (Settings, error)
	// ConfigVersion changes whenever settings, definitions, overrides or the flags
	// of a collection do. It is cheap: the learner asks every few seconds.
	ConfigVersion(ctx context.Context) (int64, error)
}

// The kinds of definitions, named as the published collections are.
const (
	CustomDataTypes   = "custom_data_type"         // ID: the name
	DataTypeOverrides = "akto_data_type"           // ID: the name of the built-in type
	CustomAuthTypes   = "custom_auth_type"         // ID: the name
	AdvancedFilters   = "advanced_traffic_filters" // ID: the id of the filter
	TestRoles         = "test_role"                // ID: 24 hexadecimal digits; the learner has no use for it
)

// A Definition is a rule that a person wrote: its published JSON document, which
// the store does not look into.
type Definition struct {
	Kind    string
	ID      string
	Doc     []byte // JSON
	Updated int64  // Unix seconds
}

// Bounds of definitions.
const (
	MaxDefinitions     = 1000     // of one kind
	MaxDefinitionBytes = 64 << 10 // of one Doc
)

// A DefinitionStore keeps definitions.
type DefinitionStore interface {
	// Definitions returns those of a kind, in the order in which they were made.
	Definitions(ctx context.Context, kind string) ([]Definition, error)
	// PutDefinition stores d over the one with its kind and id, whose place in the
	// order it takes, or as a new one. More than MaxDefinitions is fault.Invalid,
	// as is a Doc that is no JSON object; one beyond its bound fault.TooLarge.
	PutDefinition(ctx context.Context, d Definition) error
	// DeleteDefinition removes one; fault.NotFound if there is none.
	DeleteDefinition(ctx context.Context, kind, id string) error
}
