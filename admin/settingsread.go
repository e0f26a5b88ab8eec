package admin

import (
	"context"

	"harken/admin/auth"
	"harken/inventory"
)

type adminSettingsResponse struct {
	AccountSettings accountSettings      `json:"accountSettings"`
	Organization    organizationSettings `json:"organization"`
	CurrentAccount  currentAccount       `json:"currentAccount"`
}

// accountSettings are all settings, with the defaults of those that are not set.
type accountSettings struct {
	PrivateCIDRList             []string                            `json:"privateCidrList"`
	PartnerIPList               []string                            `json:"partnerIpList"`
	RedactPayload               bool                                `json:"redactPayload"`
	SetupType                   string                              `json:"setupType"`
	FilterHeaderValueMap        map[string]string                   `json:"filterHeaderValueMap"`
	APICollectionNameMapper     map[string]inventory.NameMapping    `json:"apiCollectionNameMapper"`
	DefaultPayloads             map[string]inventory.DefaultPayload `json:"defaultPayloads"`
	AllowRedundantEndpointsList []string                            `json:"allowRedundantEndpointsList" api:"nullable"` // null is the default list
	AllowOptionsAPIs            bool                                `json:"allowOptionsAPIs"`
	AllowFilterLogs             bool                                `json:"allowFilterLogs"`
	AllowDeletionOfURLs         bool                                `json:"allowDeletionOfUrls"`
	HandleAPIsCaseInsensitive   bool                                `json:"handleApisCaseInsensitive"`
	AllowMergingOnVersions      bool                                `json:"allowMergingOnVersions"`
	URLRegexMatchingEnabled     bool                                `json:"urlRegexMatchingEnabled"`
	BodyMatchEnabled            bool                                `json:"bodyMatchEnabled"`
	SplitIPHosts                bool                                `json:"splitIpHosts"`
	AllowHosts                  []string                            `json:"allowHosts"`
	DenyHosts                   []string                            `json:"denyHosts"`
	DenyPathPrefixes            []string                            `json:"denyPathPrefixes"`
	DenyContentTypes            []string                            `json:"denyContentTypes"`
	EndpointRateLimit           *inventory.Rate                     `json:"endpointRateLimit"` // null is none
	SampleCount                 int                                 `json:"sampleCount"`
	SampleDays                  int                                 `json:"sampleDays"`
	ChangeDays                  int                                 `json:"changeDays"`
}

func toAccountSettings(s *inventory.Settings) accountSettings {
	out := accountSettings{
		PrivateCIDRList: s.PrivateCIDRs, PartnerIPList: orEmpty(s.PartnerIPs), RedactPayload: s.RedactPayload, SetupType: s.SetupType,
		FilterHeaderValueMap: s.FilterHeaderValues, APICollectionNameMapper: s.NameMapper, DefaultPayloads: s.DefaultPayloads,
		AllowRedundantEndpointsList: s.RedundantEndpoints, AllowOptionsAPIs: s.AllowOptions, AllowFilterLogs: s.AllowFilterLogs,
		AllowDeletionOfURLs: s.AllowDeletion, HandleAPIsCaseInsensitive: s.IgnoreCase, AllowMergingOnVersions: s.MergeVersions,
		URLRegexMatchingEnabled: s.RegexMatching, BodyMatchEnabled: s.BodyMatching(), SplitIPHosts: s.SplitIPHosts,
		AllowHosts: orEmpty(s.AllowHosts), DenyHosts: orEmpty(s.DenyHosts), DenyPathPrefixes: orEmpty(s.DenyPaths),
		DenyContentTypes: orEmpty(s.DenyContentTypes), EndpointRateLimit: s.EndpointRate,
		SampleCount: s.KeptSamples(), SampleDays: s.SampleDays, ChangeDays: s.ChangeDays,
	}
	if len(out.PrivateCIDRList) == 0 {
		out.PrivateCIDRList = inventory.DefaultPrivateCIDRs()
	}
	if out.SetupType == "" {
		out.SetupType = "PROD"
	}
	if out.ChangeDays == 0 {
		out.ChangeDays = inventory.DefaultChangeDays
	}
	if out.FilterHeaderValueMap == nil {
		out.FilterHeaderValueMap = map[string]string{}
	}
	if out.APICollectionNameMapper == nil {
		out.APICollectionNameMapper = map[string]inventory.NameMapping{}
	}
	if out.DefaultPayloads == nil {
		out.DefaultPayloads = map[string]inventory.DefaultPayload{}
	}
	return out
}

type organizationSettings struct {
	ID                 string                     `json:"id"`
	Name               string                     `json:"name"`
	AdminEmail         string                     `json:"adminEmail"`
	Plan               string                     `json:"plan"`
	Usage              map[string]int64           `json:"usage"`          // of all its accounts, now
	UsageUpdatedAt     int64                      `json:"usageUpdatedAt"` // of the last refresh; 0 before it
	FeatureWiseAllowed map[string]featureSettings `json:"featureWiseAllowed"`
}

type currentAccount struct {
	ID   int32  `json:"id"`
	Name string `json:"name"`
}

// fetchAdminSettings gives the settings of the account and its organization.
func (a *API) fetchAdminSettings(ctx context.Context, c *auth.Caller, _ none) (adminSettingsResponse, error) {
	s, err := c.Store.Settings(ctx)
	if err != nil {
		return adminSettingsResponse{}, err
	}
	org, err := a.cfg.Users.Organization(ctx, c.Account)
	if err != nil {
		return adminSettingsResponse{}, err
	}
	out := adminSettingsResponse{
		AccountSettings: toAccountSettings(&s),
		Organization:    organizationSettings{ID: org.ID, Name: org.Name, AdminEmail: org.AdminEmail},
		CurrentAccount:  currentAccount{ID: c.Account},
	}
	if err := a.fillPlan(ctx, &org, &out.Organization); err != nil {
		return adminSettingsResponse{}, err
	}
	for _, m := range c.User.Accounts {
		if m.Account == c.Account {
			out.CurrentAccount.Name = m.Name
		}
	}
	return out, nil
}
