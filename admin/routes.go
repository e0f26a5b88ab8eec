package admin

import "harken/admin/auth"

// A route is an endpoint: its path, below /api/ unless it starts with a slash,
// what its caller needs, and what it does.
type route struct {
	path  string
	needs auth.Permission
	endpoint
}

// routes is the whole API.
var routes = []route{
	// Collections.
	{"createCollection", needs(auth.APICollections, auth.ReadWrite), planned(auth.PlanCollections, post((*API).createCollection))},
	{"getAllCollections", needs(auth.APICollections, auth.Read), post((*API).getAllCollections)},
	{"getAllCollectionsBasic", needs(auth.APICollections, auth.Read), post((*API).getAllCollectionsBasic)},
	{"getCollection", needs(auth.APICollections, auth.Read), post((*API).getCollection)},
	{"saveCollectionDescription", needs(auth.UserActions, auth.ReadWrite), post((*API).saveCollectionDescription)},
	{"editCollectionName", needs(auth.APICollections, auth.ReadWrite), planned(auth.PlanCollections, post((*API).editCollectionName))},
	{"updateEnvType", needs(auth.APICollections, auth.ReadWrite), post((*API).updateEnvType)},
	{"toggleCollectionsOutOfTestScope", needs(auth.APICollections, auth.ReadWrite), post((*API).toggleTestScope)},
	{"deactivateCollections", needs(auth.APICollections, auth.ReadWrite), post((*API).deactivateCollections)},
	{"activateCollections", needs(auth.APICollections, auth.ReadWrite), post((*API).activateCollections)},
	{"deleteMultipleCollections", needs(auth.APICollections, auth.ReadWrite), post((*API).deleteCollections)},
	{"deleteCollection", needs(auth.APICollections, auth.ReadWrite), post((*API).deleteCollection)},
	{"fetchAPICollection", needs(auth.APICollections, auth.Read), post((*API).fetchAPICollection)},
	{"redactCollection", needs(auth.APICollections, auth.ReadWrite), post((*API).redactCollection)},

	// API groups.
	{"createCustomCollection", needs(auth.APICollections, auth.ReadWrite), post((*API).createCustomCollection)},
	{"addApisToCustomCollection", needs(auth.APICollections, auth.ReadWrite), post((*API).addAPIsToGroup)},
	{"removeApisFromCustomCollection", needs(auth.APICollections, auth.ReadWrite), post((*API).removeAPIsFromGroup)},
	{"updateCustomCollection", needs(auth.APICollections, auth.ReadWrite), post((*API).updateCustomCollection)},
	{"computeCustomCollections", needs(auth.APICollections, auth.ReadWrite), post((*API).computeCustomCollections)},
	{"getEndpointsFromConditions", needs(auth.APICollections, auth.Read), post((*API).countByConditions)},
	{"getEndpointsListFromConditions", needs(auth.APICollections, auth.Read), post((*API).listByConditions)},

	// Test roles.
	{"addTestRoles", needs(auth.APICollections, auth.ReadWrite), post((*API).addTestRole)},
	{"fetchTestRoles", needs(auth.APICollections, auth.Read), post((*API).fetchTestRoles)},
	{"deleteTestRole", needs(auth.APICollections, auth.ReadWrite), post((*API).deleteTestRole)},

	// Endpoints.
	{"fetchCollectionWiseApiEndpoints", needs(auth.APICollections, auth.Read), post((*API).fetchCollectionEndpoints)},
	{"fetchApiInfosForCollection", needs(auth.APICollections, auth.Read), post((*API).fetchAPIInfos)},
	{"loadParamsOfEndpoint", needs(auth.APICollections, auth.Read), post((*API).loadParams)},
	{"fetchSampleData", needs(auth.SampleData, auth.Read), post((*API).fetchSamples)},
	{"fetchSensitiveSampleData", needs(auth.SampleData, auth.Read), post((*API).fetchSensitiveSamples)},
	{"fetchApiInfosFromSTIs", needs(auth.APICollections, auth.Read), post((*API).fetchFromParams)},
	{"fetchEndpointsCount", needs(auth.APICollections, auth.Read), post((*API).fetchEndpointsCount)},
	{"fetchChanges", needs(auth.APICollections, auth.Read), post((*API).fetchChanges)},
	{"saveEndpointDescription", needs(auth.UserActions, auth.ReadWrite), post((*API).saveEndpointDescription)},
	{"deleteApis", needs(auth.APICollections, auth.ReadWrite), post((*API).deleteAPIs)},
	{"records.har", needs(auth.SampleData, auth.Read), download((*API).recordsHAR)},

	// Path templates.
	{"explainTemplate", needs(auth.APICollections, auth.Read), post((*API).explainTemplate)},
	{"pinTemplate", needs(auth.APICollections, auth.ReadWrite), post((*API).pinTemplate)},
	{"mergeTemplates", needs(auth.APICollections, auth.ReadWrite), post((*API).mergeTemplates)},
	{"splitTemplate", needs(auth.APICollections, auth.ReadWrite), post((*API).splitTemplate)},
	{"fetchBlockedTemplates", needs(auth.APICollections, auth.Read), post((*API).fetchBlockedTemplates)},
	{"unblockTemplate", needs(auth.APICollections, auth.ReadWrite), post((*API).unblockTemplate)},

	// Sensitive data.
	{"loadSensitiveParameters", needs(auth.SensitiveData, auth.Read), post((*API).loadSensitive)},
	{"addSensitiveField", needs(auth.SensitiveData, auth.ReadWrite), post((*API).addSensitiveField)},
	{"resetSensitive", needs(auth.SensitiveData, auth.ReadWrite), post((*API).resetSensitive)},
	{"listAllSensitiveFields", needs(auth.SensitiveData, auth.Read), post((*API).listSensitiveFields)},
	{"fetchCustomDataTypes", needs(auth.SensitiveData, auth.Read), post((*API).fetchDataTypes)},
	{"testCustomDataType", needs(auth.SensitiveData, auth.Read), post((*API).testDataType)},
	{"addCustomDataType", needs(auth.SensitiveData, auth.ReadWrite), post((*API).addDataType)},
	{"updateCustomDataType", needs(auth.SensitiveData, auth.ReadWrite), post((*API).updateDataType)},
	{"deleteCustomDataType", needs(auth.SensitiveData, auth.ReadWrite), post((*API).deleteDataType)},

	// Ways to authenticate.
	{"fetchCustomAuthTypes", needs(auth.APICollections, auth.Read), post((*API).fetchAuthTypes)},
	{"addCustomAuthType", needs(auth.APICollections, auth.ReadWrite), post((*API).addAuthType)},
	{"updateCustomAuthType", needs(auth.APICollections, auth.ReadWrite), post((*API).updateAuthType)},
	{"deleteCustomAuthType", needs(auth.APICollections, auth.ReadWrite), post((*API).deleteAuthType)},

	// Traffic filters.
	{"fetchAdvancedFilters", needs(auth.TrafficFilters, auth.Read), post((*API).fetchAdvancedFilters)},
	{"testAdvancedFilter", needs(auth.SampleData, auth.Read), post((*API).testAdvancedFilter)},
	{"saveAdvancedFilter", needs(auth.TrafficFilters, auth.ReadWrite), post((*API).saveAdvancedFilter)},
	{"deleteAdvancedFilter", needs(auth.TrafficFilters, auth.ReadWrite), post((*API).deleteAdvancedFilter)},
	{"fetchDroppedTraffic", needs(auth.TrafficFilters, auth.Read), post((*API).fetchDropped)},

	// Account settings.
	{"fetchAdminSettings", needs(auth.AdminActions, auth.Read), post((*API).fetchAdminSettings)},
	{"updatePrivateCidrIps", needs(auth.AdminActions, auth.ReadWrite), post((*API).updatePrivateCIDRs)},
	{"updatePartnerIps", needs(auth.AdminActions, auth.ReadWrite), post((*API).updatePartnerIPs)},
	{"updateSetupType", needs(auth.AdminActions, auth.ReadWrite), setting(updateSetupType)},
	{"updateTrafficFilters", needs(auth.AdminActions, auth.ReadWrite), setting(updateTrafficFilters)},
	{"updateCollectionNameMapper", needs(auth.AdminActions, auth.ReadWrite), setting(updateNameMapper)},
	{"updateDefaultPayloads", needs(auth.AdminActions, auth.ReadWrite), setting(updateDefaultPayloads)},
	{"updateRedundantEndpointsList", needs(auth.AdminActions, auth.ReadWrite), setting(updateRedundant)},
	{"updateCaptureScope", needs(auth.AdminActions, auth.ReadWrite), setting(updateCaptureScope)},
	{"updateEndpointRateLimit", needs(auth.AdminActions, auth.ReadWrite), setting(updateRateLimit)},
	{"updateRetention", needs(auth.AdminActions, auth.ReadWrite), setting(updateRetention)},
	{"toggleRedactFeature", needs(auth.AdminActions, auth.ReadWrite), post((*API).toggleRedact)},
	{"toggleOptionsAPIs", needs(auth.AdminActions, auth.ReadWrite), toggle[allowOptions](setOptions)},
	{"toggleFilterLogs", needs(auth.AdminActions, auth.ReadWrite), toggle[allowFilterLogs](setFilterLogs)},
	{"toggleDeletionOfUrls", needs(auth.AdminActions, auth.ReadWrite), toggle[allowDeletion](setDeletion)},
	{"toggleApisCaseInsensitive", needs(auth.AdminActions, auth.ReadWrite), toggle[ignoreCase](setIgnoreCase)},
	{"toggleMergingOnVersions", needs(auth.AdminActions, auth.ReadWrite), toggle[mergeVersions](setMergeVersions)},
	{"toggleUrlRegexMatching", needs(auth.AdminActions, auth.ReadWrite), toggle[regexMatching](setRegexMatching)},
	{"toggleBodyMatch", needs(auth.AdminActions, auth.ReadWrite), toggle[bodyMatch](setBodyMatch)},
	{"toggleSplitIpHosts", needs(auth.AdminActions, auth.ReadWrite), toggle[splitIPHosts](setSplitIPHosts)},

	// Imports.
	{"uploadHar", needs(auth.APICollections, auth.ReadWrite), planned(auth.ActiveEndpoints, upload(post((*API).uploadHAR)))},
	{"ingestData", needs(auth.APICollections, auth.ReadWrite), sparsely(upload(post((*API).ingestData)))},

	// Accounts, users.
	{"/auth/login", needs(auth.Open, auth.None), limited(byLogins, withCall((*API).login))},
	{"/dashboard/accessToken", needs(auth.Open, auth.None), withCall((*API).refreshAccess)},
	{"/signup-email", needs(auth.Open, auth.None), withCall((*API).signup)},
	{"/auth/sendPasswordResetLink", needs(auth.Open, auth.None), limited(byResets, withCall((*API).sendPasswordResetLink))},
	{"/auth/resetPassword", needs(auth.Open, auth.None), limited(byResets, post((*API).resetPassword))},
	{"resetUserPassword", needs(auth.AdminActions, auth.ReadWrite), withCall((*API).resetUserPassword)},
	{"logout", needs(auth.SignedIn, auth.None), withCall((*API).logout)},
	{"createNewAccount", needs(auth.AdminActions, auth.ReadWrite), planned(auth.ActiveAccounts, withCall((*API).createNewAccount))},
	{"goToAccount", needs(auth.UserActions, auth.ReadWrite), withCall((*API).goToAccount)},
	{"updateUsernameAndOrganization", needs(auth.UserActions, auth.ReadWrite), post((*API).rename)},
	{"me", needs(auth.UserActions, auth.Read), post((*API).me)},

	// Jobs, organization.
	{"applyAccessType", needs(auth.AdminActions, auth.ReadWrite), post((*API).applyAccessType)},
	{"resetCollectionAccessTypes", needs(auth.AdminActions, auth.ReadWrite), planned(auth.PlanCollections, post((*API).resetAccessTypes))},
	{"saveSubscription", needs(auth.UserActions, auth.Read), post((*API).saveSubscription)},
	{"provisionSubscription", needs(auth.Billing, auth.ReadWrite), post((*API).provisionSubscription)},
	{"refreshUsageDataForOrg", needs(auth.Billing, auth.ReadWrite), post((*API).refreshUsage)},
	{"fetchApiAuditLogsFromDb", needs(auth.AdminActions, auth.Read), post((*API).fetchAuditLogs)},
	{"fetchJobs", needs(auth.AdminActions, auth.Read), post((*API).fetchJobs)},
	{"fetchJob", needs(auth.AdminActions, auth.Read), post((*API).fetchJob)},
	// Team.
	{"inviteUsers", needs(auth.InviteMembers, auth.ReadWrite), limited(byInvites, withCall((*API).inviteUsers))},
	{"removeInvitation", needs(auth.InviteMembers, auth.ReadWrite), post((*API).removeInvitation)},
	{"getTeamData", needs(auth.InviteMembers, auth.Read), post((*API).getTeamData)},
	{"removeUser", needs(auth.AdminActions, auth.ReadWrite), post((*API).removeUser)},
	{"makeAdmin", needs(auth.AdminActions, auth.ReadWrite), post((*API).makeAdmin)},
	{"updateUserScopeRoleMapping", needs(auth.AdminActions, auth.ReadWrite), post((*API).updateScopes)},
	{"getAllUsersCollections", needs(auth.AdminActions, auth.Read), post((*API).getUsersCollections)},
	{"updateUserCollections", needs(auth.AdminActions, auth.ReadWrite), planned(auth.RBACFeature, post((*API).updateUserCollections))},

	// Roles.
	{"getRoleHierarchy", needs(auth.UserActions, auth.Read), post((*API).getRoleHierarchy)},
	{"getCustomRoles", needs(auth.UserActions, auth.Read), post((*API).getCustomRoles)},
	{"createCustomRole", needs(auth.AdminActions, auth.ReadWrite), planned(auth.RBACFeature, post((*API).createCustomRole))},
	{"updateCustomRole", needs(auth.AdminActions, auth.ReadWrite), planned(auth.RBACFeature, post((*API).updateCustomRole))},
	{"deleteCustomRole", needs(auth.AdminActions, auth.ReadWrite), planned(auth.RBACFeature, post((*API).deleteCustomRole))},

	// API tokens.
	{"addApiToken", needs(auth.APITokens, auth.ReadWrite), post((*API).addAPIToken)},
	{"deleteApiToken", needs(auth.APITokens, auth.ReadWrite), post((*API).deleteAPIToken)},
	{"fetchApiTokens", needs(auth.APITokens, auth.Read), post((*API).fetchAPITokens)},

	// Operation.
	{"health", needs(auth.Open, auth.None), get((*API).health)},
	{"openapi.json", needs(auth.UserActions, auth.Read), cached((*API).openAPI)},
}

func needs(f auth.Feature, a auth.Access) auth.Permission {
	return auth.Permission{Feature: f, Access: a}
}

// url is the path on the listener.
func (r *route) url() string {
	if r.path[0] == '/' {
		return r.path
	}
	return "/api/" + r.path
}
