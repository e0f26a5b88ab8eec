package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"harken/admin/auth"
	"harken/ingest/learn/filter"
	"harken/inventory"
	"harken/inventory/fault"
)

// maxSettingTries bounds how often a setting is stored anew because another one
// was stored meanwhile.
const maxSettingTries = 10

// An edit is what one endpoint changes of the settings.
type edit func(*inventory.Settings)

// setting is an endpoint that changes settings. f checks the request and says what
// to change; what the rules that use the settings refuse is refused here, with the
// member and its place, and nothing is stored.
func setting[In any](f func(*API, *auth.Caller, In) (edit, error)) endpoint {
	return post(func(a *API, ctx context.Context, c *auth.Caller, in In) (none, error) {
		change, err := f(a, c, in)
		if err != nil {
			return none{}, err
		}
		_, err = a.editSettings(ctx, c, change)
		return none{}, err
	})
}

func (a *API) editSettings(ctx context.Context, c *auth.Caller, change edit) (inventory.Settings, error) {
	// Checked alone: what is wrong elsewhere must not stand in the way.
	var alone inventory.Settings
	change(&alone)
	if err := checkSettings(&alone); err != nil {
		return alone, err
	}
	for range maxSettingTries {
		s, err := c.Store.Settings(ctx)
		if err != nil {
			return s, err
		}
		change(&s)
		s, err = c.Store.PutSettings(ctx, s)
		if err == nil {
			return s, a.reload(ctx, c)
		}
		if kind, _ := fault.Of(err); kind != fault.Conflict {
			return s, err
		}
	}
	return alone, fault.New(fault.Busy, "the settings change all the time; try again later")
}

// checkSettings asks those who use the settings.
func checkSettings(s *inventory.Settings) error {
	for i, cidr := range s.PrivateCIDRs {
		if !strings.Contains(cidr, "/") {
			return fault.New(fault.Invalid, "privateCidrList[%d]: must be a CIDR such as 10.0.0.0/8", i)
		}
	}
	if _, err := inventory.NewAccessPolicy(s.PrivateCIDRs, s.PartnerIPs); err != nil {
		return fault.New(fault.Invalid, "%v", err)
	}
	fs, err := filterSettings(s)
	if err != nil {
		return err
	}
	if _, err := filter.Compile(fs); err != nil {
		return fault.New(fault.Invalid, "%v", err)
	}
	return nil
}

// filterSettings are the members of s that filters use: both are the published
// document, so one is read as the other.
func filterSettings(s *inventory.Settings) (fs filter.Settings, err error) {
	b, err := json.Marshal(s)
	if err != nil {
		return fs, err
	}
	if err = json.Unmarshal(b, &fs); err != nil {
		return fs, fmt.Errorf("settings for filters: %w", err)
	}
	return fs, nil
}

// toggle is an endpoint that sets a boolean of the settings.
func toggle[In interface{ value() bool }](set func(*inventory.Settings, bool)) endpoint {
	return setting(func(_ *API, _ *auth.Caller, in In) (edit, error) {
		return func(s *inventory.Settings) { set(s, in.value()) }, nil
	})
}

// trimmed returns a list without white space, empty entries and repeats; never nil.
func trimmed(list []string) []string {
	out := []string{}
	for _, s := range list {
		if s = strings.TrimSpace(s); s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

type privateCIDRsRequest struct {
	PrivateCIDRList Strings `json:"privateCidrList" api:"required"`
}

// updatePrivateCIDRs sets the networks that count as private, by which access types
// are told.
func (a *API) updatePrivateCIDRs(ctx context.Context, c *auth.Caller, in privateCIDRsRequest) ([]string, error) {
	list := trimmed(in.PrivateCIDRList)
	s, err := a.editSettings(ctx, c, func(s *inventory.Settings) { s.PrivateCIDRs = list })
	return orEmpty(s.PrivateCIDRs), err
}

type partnerIPsRequest struct {
	PartnerIPList Strings `json:"partnerIpList" api:"required"`
}

// updatePartnerIPs sets the addresses and networks of partners, by which access
// types are told.
func (a *API) updatePartnerIPs(ctx context.Context, c *auth.Caller, in partnerIPsRequest) ([]string, error) {
	list := trimmed(in.PartnerIPList)
	s, err := a.editSettings(ctx, c, func(s *inventory.Settings) { s.PartnerIPs = list })
	return orEmpty(s.PartnerIPs), err
}

type setupTypeRequest struct {
	SetupType string `json:"setupType" api:"required" enum:"PROD,QA,STAGING,DEV"`
}

// updateSetupType says what the account is for, such as PROD or STAGING.
func updateSetupType(_ *API, _ *auth.Caller, in setupTypeRequest) (edit, error) {
	kind := strings.ToUpper(strings.TrimSpace(in.SetupType))
	if !slices.Contains([]string{"PROD", "QA", "STAGING", "DEV"}, kind) {
		return nil, fault.New(fault.Invalid, "setupType: must be PROD, QA, STAGING or DEV")
	}
	return func(s *inventory.Settings) { s.SetupType = kind }, nil
}

type trafficFiltersRequest struct {
	FilterHeaderValueMap map[string]string `json:"filterHeaderValueMap" api:"required"`
}

// updateTrafficFilters sets headers with their values: unless there are none, only
// records that have one of them, in the request or the response, are learned.
func updateTrafficFilters(_ *API, _ *auth.Caller, in trafficFiltersRequest) (edit, error) {
	m := make(map[string]string, len(in.FilterHeaderValueMap))
	for name, value := range in.FilterHeaderValueMap {
		m[strings.ToLower(strings.TrimSpace(name))] = value
	}
	return func(s *inventory.Settings) { s.FilterHeaderValues = m }, nil
}

type nameMapperRequest struct {
	APICollectionNameMapper map[string]inventory.NameMapping `json:"apiCollectionNameMapper" api:"required"`
}

// updateNameMapper sets by which other name hosts are known, told by an expression
// for a request header.
func updateNameMapper(_ *API, _ *auth.Caller, in nameMapperRequest) (edit, error) {
	return func(s *inventory.Settings) { s.NameMapper = in.APICollectionNameMapper }, nil
}

type defaultPayloadsRequest struct {
	DefaultPayloads map[string]inventory.DefaultPayload `json:"defaultPayloads" api:"required"`
}

// updateDefaultPayloads sets the response bodies by which hosts answer for what they
// do not have, and which are not learned.
func updateDefaultPayloads(a *API, c *auth.Caller, in defaultPayloadsRequest) (edit, error) {
	now := a.cfg.Now().Unix()
	return func(s *inventory.Settings) {
		m := make(map[string]inventory.DefaultPayload, len(in.DefaultPayloads))
		for host, p := range in.DefaultPayloads {
			old, known := s.DefaultPayloads[host]
			switch {
			case !known:
				p.Author, p.Created, p.Updated, p.Scanned = c.User.Email, now, now, false
			case old.Pattern != p.Pattern:
				p.Author, p.Created, p.Updated, p.Scanned = c.User.Email, old.Created, now, false
			default:
				p = old
			}
			m[host] = p
		}
		s.DefaultPayloads = m
	}, nil
}

type redundantRequest struct {
	AllowRedundantEndpointsList Strings `json:"allowRedundantEndpointsList"`
	UseDefault                  Bool    `json:"useDefault"` // the default list, in place of one
}

// updateRedundant sets the extensions and content types of static files, which are
// not learned.
func updateRedundant(_ *API, _ *auth.Caller, in redundantRequest) (edit, error) {
	if in.AllowRedundantEndpointsList == nil && !in.UseDefault.B {
		return nil, fault.New(fault.Invalid, "allowRedundantEndpointsList: is required")
	}
	if in.AllowRedundantEndpointsList != nil && in.UseDefault.B {
		return nil, fault.New(fault.Invalid, "useDefault: is not for a call that has a list")
	}
	var list []string
	if !in.UseDefault.B {
		list = trimmed(in.AllowRedundantEndpointsList)
	}
	return func(s *inventory.Settings) { s.RedundantEndpoints = list }, nil
}
