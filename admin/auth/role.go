package auth

import (
	"strings"

	"harken/inventory/fault"
)

// A Role is a built-in role.
type Role string

// The built-in roles.
const (
	Admin          Role = "ADMIN"
	Member         Role = "MEMBER"
	Developer      Role = "DEVELOPER"
	Guest          Role = "GUEST"
	ThreatEngineer Role = "THREAT_ENGINEER"
	ThreatViewer   Role = "THREAT_VIEWER"
	NoAccess       Role = "NO_ACCESS"
)

// DisplayName is the name of the role in messages.
func (r Role) DisplayName() string {
	switch r {
	case Member:
		return "SECURITY ENGINEER"
	case ThreatEngineer:
		return "THREAT ENGINEER"
	case ThreatViewer:
		return "THREAT VIEWER"
	default:
		return string(r)
	}
}

// BuiltIn returns the built-in role of a name in any letter case.
func BuiltIn(name string) (Role, bool) {
	switch r := Role(strings.ToUpper(strings.TrimSpace(name))); r {
	case Admin, Member, Developer, Guest, ThreatEngineer, ThreatViewer, NoAccess:
		return r, true
	default:
		return "", false
	}
}

// DefaultScope is the product scope of a request that names none.
const DefaultScope = "API"

// Scope returns the product scope that the text of a request header names; what
// is empty or unknown is DefaultScope.
func Scope(s string) string {
	switch s = strings.ToUpper(strings.TrimSpace(s)); s {
	case "MCP", "GEN_AI", "AGENTIC", "DAST", "ENDPOINT":
		return s
	default:
		return DefaultScope
	}
}

// A Feature is a part of the product that permissions speak of.
type Feature string

// The features of the endpoints.
const (
	APICollections  Feature = "API_COLLECTIONS"
	TrafficFilters  Feature = "TRAFFIC_FILTERS"
	DefaultPayloads Feature = "DEFAULT_PAYLOADS"
	Tags            Feature = "TAGS"
	SensitiveData   Feature = "SENSITIVE_DATA"
	SampleData      Feature = "SAMPLE_DATA"
	Integrations    Feature = "INTEGRATIONS"
	APITokens       Feature = "API_TOKENS"
	Billing         Feature = "BILLING"
	Metrics         Feature = "METRICS"
	Logs            Feature = "LOGS"
	InviteMembers   Feature = "INVITE_MEMBERS"
	AdminActions    Feature = "ADMIN_ACTIONS"
	UserActions     Feature = "USER_ACTIONS"
	// Open needs no credential at all: signing in, and liveness.
	Open Feature = "OPEN"
	// SignedIn needs a credential and nothing else, not even a role: signing out.
	SignedIn Feature = "SIGNED_IN"
)

// An Access is what a permission lets do.
type Access int

// The accesses; each holds those before it.
const (
	None Access = iota
	Read
	ReadWrite
)

// String returns the word of the published API.
func (a Access) String() string {
	return [...]string{"NONE", "READ", "READ_WRITE"}[a]
}

// A Permission is what an endpoint needs.
type Permission struct {
	Feature Feature
	Access  Access
}

// Access returns what a role may do with a feature.
func (r Role) Access(f Feature) Access {
	if r == Admin {
		return ReadWrite
	}
	if _, ok := BuiltIn(string(r)); !ok || r == NoAccess {
		return None
	}
	security := r == Member || r == ThreatEngineer || r == ThreatViewer
	switch f {
	case UserActions:
		return ReadWrite
	case APICollections, TrafficFilters, DefaultPayloads, Tags, Metrics, Logs, InviteMembers:
		if security {
			return ReadWrite
		}
		return Read
	case SensitiveData, SampleData:
		if security {
			return ReadWrite
		}
		return None
	case APITokens:
		if security || r == Developer {
			return ReadWrite
		}
		return Read
	case Integrations, Billing:
		if r == Developer {
			return ReadWrite
		}
		return Read
	default: // AdminActions, and whatever is not in the table
		return None
	}
}

// Check returns nil when the role has a permission, and fault.Denied that names
// the role when it has not.
func (r Role) Check(p Permission) error {
	if r.Access(p.Feature) >= p.Access && p.Access > None {
		return nil
	}
	return fault.New(fault.Denied, "the role %s has no %s access to %s", r.DisplayName(), p.Access, p.Feature)
}
