package admin

import (
	"harken/admin/auth"
	"harken/inventory"
	"harken/inventory/fault"
)

// allowOptions sets whether OPTIONS requests are learned.
type allowOptions struct {
	AllowOptionsAPIs Bool `json:"allowOptionsAPIs" api:"required"`
}

// allowFilterLogs sets a setting of the published API that is kept and given back:
// nothing here goes by it.
type allowFilterLogs struct {
	AllowFilterLogs Bool `json:"allowFilterLogs" api:"required"`
}

// allowDeletion sets a setting of the published API that is kept and given back:
// nothing here goes by it.
type allowDeletion struct {
	AllowDeletionOfURLs Bool `json:"allowDeletionOfUrls" api:"required"`
}

// ignoreCase sets whether paths that differ in letter case only are one endpoint.
type ignoreCase struct {
	HandleAPIsCaseInsensitive Bool `json:"handleApisCaseInsensitive" api:"required"`
}

// mergeVersions sets whether versions in paths, such as v1 and v2, are one endpoint.
type mergeVersions struct {
	AllowMergingOnVersions Bool `json:"allowMergingOnVersions" api:"required"`
}

// regexMatching sets a setting of the published API that is kept and given back:
// nothing here goes by it.
type regexMatching struct {
	URLRegexMatchingEnabled Bool `json:"urlRegexMatchingEnabled" api:"required"`
}

// bodyMatch sets whether URLs with similar parameters may become one template.
type bodyMatch struct {
	BodyMatchEnabled Bool `json:"bodyMatchEnabled" api:"required"`
}

// splitIPHosts sets whether hosts that are addresses get a collection each.
type splitIPHosts struct {
	SplitIPHosts Bool `json:"splitIpHosts" api:"required"`
}

func (r allowOptions) value() bool    { return r.AllowOptionsAPIs.B }
func (r allowFilterLogs) value() bool { return r.AllowFilterLogs.B }
func (r allowDeletion) value() bool   { return r.AllowDeletionOfURLs.B }
func (r ignoreCase) value() bool      { return r.HandleAPIsCaseInsensitive.B }
func (r mergeVersions) value() bool   { return r.AllowMergingOnVersions.B }
func (r regexMatching) value() bool   { return r.URLRegexMatchingEnabled.B }
func (r bodyMatch) value() bool       { return r.BodyMatchEnabled.B }
func (r splitIPHosts) value() bool    { return r.SplitIPHosts.B }

func setOptions(s *inventory.Settings, v bool)       { s.AllowOptions = v }
func setFilterLogs(s *inventory.Settings, v bool)    { s.AllowFilterLogs = v }
func setDeletion(s *inventory.Settings, v bool)      { s.AllowDeletion = v }
func setIgnoreCase(s *inventory.Settings, v bool)    { s.IgnoreCase = v }
func setMergeVersions(s *inventory.Settings, v bool) { s.MergeVersions = v }
func setRegexMatching(s *inventory.Settings, v bool) { s.RegexMatching = v }
func setBodyMatch(s *inventory.Settings, v bool)     { s.BodyMatch = &v }
func setSplitIPHosts(s *inventory.Settings, v bool)  { s.SplitIPHosts = v }

// captureScopeRequest changes the lists that it has.
type captureScopeRequest struct {
	AllowHosts       Strings `json:"allowHosts"`
	DenyHosts        Strings `json:"denyHosts"`
	DenyPathPrefixes Strings `json:"denyPathPrefixes"`
	DenyContentTypes Strings `json:"denyContentTypes"`
}

// updateCaptureScope sets which hosts, paths and content types are learned; lists
// that are absent stay as they are.
func updateCaptureScope(_ *API, _ *auth.Caller, in captureScopeRequest) (edit, error) {
	if in.AllowHosts == nil && in.DenyHosts == nil && in.DenyPathPrefixes == nil && in.DenyContentTypes == nil {
		return nil, fault.New(fault.Invalid, "allowHosts: one of it, denyHosts, denyPathPrefixes and denyContentTypes is required")
	}
	return func(s *inventory.Settings) {
		for _, l := range []struct {
			in  Strings
			out *[]string
		}{
			{in.AllowHosts, &s.AllowHosts},
			{in.DenyHosts, &s.DenyHosts},
			{in.DenyPathPrefixes, &s.DenyPaths},
			{in.DenyContentTypes, &s.DenyContentTypes},
		} {
			if l.in != nil {
				*l.out = trimmed(l.in)
			}
		}
	}, nil
}

type rateLimitRequest struct {
	EndpointRateLimit *inventory.Rate `json:"endpointRateLimit"`
	Unlimited         Bool            `json:"unlimited"` // in place of a limit
}

// updateRateLimit limits how many records of an endpoint are learned in a minute.
func updateRateLimit(_ *API, _ *auth.Caller, in rateLimitRequest) (edit, error) {
	if (in.EndpointRateLimit == nil) != in.Unlimited.B {
		return nil, fault.New(fault.Invalid, "endpointRateLimit: is required, or unlimited")
	}
	return func(s *inventory.Settings) { s.EndpointRate = in.EndpointRateLimit }, nil
}

// maxDays bounds how long things are kept.
const maxDays = 3650

// retentionRequest changes what it has.
type retentionRequest struct {
	SampleCount Int `json:"sampleCount"`                   // newest samples of an endpoint; 0 is the default
	SampleDays  Int `json:"sampleDays" min:"0" max:"3650"` // 0 keeps samples
	ChangeDays  Int `json:"changeDays" min:"0" max:"3650"` // 0 is the default
}

// updateRetention sets how many samples are kept and for how long.
func updateRetention(_ *API, _ *auth.Caller, in retentionRequest) (edit, error) {
	if !in.SampleCount.Set && !in.SampleDays.Set && !in.ChangeDays.Set {
		return nil, fault.New(fault.Invalid, "sampleCount: one of it, sampleDays and changeDays is required")
	}
	for _, n := range []struct {
		name string
		n    int64
		most int64
	}{
		{"sampleCount", in.SampleCount.N, inventory.MaxSamples}, {"sampleDays", in.SampleDays.N, maxDays}, {"changeDays", in.ChangeDays.N, maxDays},
	} {
		if n.n < 0 || n.n > n.most {
			return nil, fault.New(fault.Invalid, "%s: must be from 0 to %d", n.name, n.most)
		}
	}
	return func(s *inventory.Settings) {
		if in.SampleCount.Set {
			s.SampleCount = int(in.SampleCount.N)
		}
		if in.SampleDays.Set {
			s.SampleDays = int(in.SampleDays.N)
		}
		if in.ChangeDays.Set {
			s.ChangeDays = int(in.ChangeDays.N)
		}
	}, nil
}
