package auth

import (
	"slices"
	"strings"

	"harken/inventory/fault"
)

// A CustomRole is a role that an account made: a built-in role with limits.
type CustomRole struct {
	Account       int32
	Name          string // upper case
	Base          Role   // ADMIN, MEMBER or GUEST
	Collections   []int32
	Restricted    bool     // Collections restricts also while it is empty
	Features      []string // upper case; not empty: only these groups and features
	DefaultInvite bool     // whom nobody gave a role gets this one
	Threats       bool     // threat protection, which is stored only
}

// maxFeatures bounds the features of a custom role, and maxFeature the length of one.
const (
	maxFeatures = 200
	maxFeature  = 64
)

// NewCustomRole checks what is given and returns the role, its name in upper
// case. An error names the field of the published API.
func NewCustomRole(account int32, name, base string, features []string) (CustomRole, error) {
	r := CustomRole{Account: account}
	var err error
	if r.Name, err = customName(name); err != nil {
		return r, err
	}
	var ok bool
	r.Base, ok = BuiltIn(base)
	if !ok || r.Base != Admin && r.Base != Member && r.Base != Guest {
		return r, fault.New(fault.Invalid, "baseRole: must be ADMIN, MEMBER or GUEST")
	}
	r.Features, err = cleanFeatures(features)
	return r, err
}

// customName returns the name of a custom role as it is stored.
func customName(name string) (string, error) {
	name = strings.ToUpper(strings.TrimSpace(name))
	_, reserved := BuiltIn(name)
	switch {
	case name == "":
		return "", fault.New(fault.Invalid, "roleName: is required")
	case len(name) > 50:
		return "", fault.New(fault.Invalid, "roleName: is longer than 50 characters")
	case strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "":
		return "", fault.New(fault.Invalid, "roleName: only letters, digits, - and _ are allowed")
	case reserved:
		return "", fault.New(fault.Invalid, "roleName: %s is a built-in role", name)
	default:
		return name, nil
	}
}

func cleanFeatures(in []string) ([]string, error) {
	if len(in) > maxFeatures {
		return nil, fault.New(fault.Invalid, "allowedFeaturesForUser: has more than %d elements", maxFeatures)
	}
	var out []string
	for i, s := range in {
		s = strings.ToUpper(strings.TrimSpace(s))
		// A list of blanks must not become an empty list, which limits nothing.
		if s == "" || len(s) > maxFeature {
			return nil, fault.New(fault.Invalid, "allowedFeaturesForUser: element %d must have 1 to %d characters", i, maxFeature)
		}
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out, nil
}

// Restricts says whether the role shows some collections only.
func (r *CustomRole) Restricts() bool { return r.Restricted || len(r.Collections) > 0 }

// allows says whether the role's list of features has a feature or its group. A
// key that stands for nothing allows nothing.
func (r *CustomRole) allows(f Feature) bool {
	if r == nil || len(r.Features) == 0 || f == UserActions {
		return true
	}
	return slices.Contains(r.Features, string(f)) || slices.Contains(r.Features, group(f))
}

// features are all that permissions speak of.
func features() []Feature {
	return []Feature{
		APICollections, TrafficFilters, DefaultPayloads, Tags, SensitiveData, SampleData, Integrations, APITokens, Billing,
		Metrics, Logs, InviteMembers, AdminActions, UserActions,
	}
}

// group is the access group of a feature; "-" is none that a list could name.
func group(f Feature) string {
	switch f {
	case APICollections, TrafficFilters, DefaultPayloads, Tags:
		return "INVENTORY"
	case SensitiveData, SampleData:
		return "PII_DATA"
	case Integrations, APITokens, Billing:
		return "SETTINGS"
	case Metrics, Logs, InviteMembers:
		return "DEBUG_INFO"
	case AdminActions:
		return "ADMIN"
	case UserActions:
		return "USER"
	default:
		return "-"
	}
}

// A holding is a role that somebody has in a scope.
type holding struct {
	role   Role
	custom *CustomRole // nil for a built-in role
}

// check is Role.Check with the limits of a custom role.
func (h holding) check(p Permission) error {
	if err := h.role.Check(p); err != nil || h.custom.allows(p.Feature) {
		return err
	}
	return fault.New(fault.Denied, "the role %s (%s) has no %s access to %s", h.custom.Name, h.role.DisplayName(), p.Access, p.Feature)
}

// administers says whether the holder may do everything, and so may give others
// what is needed to.
func (h holding) administers() bool {
	return h.check(Permission{AdminActions, ReadWrite}) == nil
}

// covers says whether the holder's list of features has all that another role
// opens: nobody hands out more than they have.
func (h holding) covers(o holding) bool {
	for _, f := range features() {
		if o.check(Permission{f, Read}) == nil && !h.custom.allows(f) {
			return false
		}
	}
	return true
}

// Manages are the roles that holders of a role may invite and change.
func (r Role) Manages() []Role {
	switch r {
	case Admin:
		return []Role{Admin, Member, Developer, Guest, ThreatEngineer, ThreatViewer}
	case Member:
		return []Role{Member, Developer, Guest}
	case Developer:
		return []Role{Developer, Guest}
	case Guest:
		return []Role{Guest}
	case ThreatEngineer:
		return []Role{ThreatEngineer, ThreatViewer, Developer, Member, Guest}
	case ThreatViewer:
		return []Role{ThreatViewer, Developer, Member, Guest}
	case NoAccess:
		return []Role{NoAccess}
	default:
		return nil
	}
}

func (r Role) manages(o Role) bool { return slices.Contains(r.Manages(), o) }
