package auth

import "context"

// The labels of what a plan grants.
const (
	ActiveEndpoints = "ACTIVE_ENDPOINTS"
	PlanCollections = "API_COLLECTIONS"
	ActiveAccounts  = "ACTIVE_ACCOUNTS"
	RBACFeature     = "RBAC_FEATURE"
	AIAssetCount    = "AI_ASSET_COUNT"
	PlanExternalAPI = "AKTO_EXTERNAL_API" // keys of utility EXTERNAL_API
	PlanCICD        = "CI_CD_INTEGRATION" // keys of utility CICD
	MCPAssetCount   = "MCP_ASSET_COUNT"   //nolint:gosec // no credential; counted, gates nothing
	CustomTests     = "CUSTOM_TESTS"      // counted, gates nothing
	TestRuns        = "TEST_RUNS"         // counted, gates nothing
)

// Usage is how much of something an account uses.
type Usage struct {
	Account int32
	Metric  string // a label of plans
	Value   int64
	Updated int64 // Unix seconds
}

// A PlanStore keeps what is known of plans and their use. It is safe for
// concurrent use.
type PlanStore interface {
	// OrganizationAccounts returns the accounts of an organization, by id.
	OrganizationAccounts(ctx context.Context, organization string) ([]Account, error)
	// Plan returns the name of the plan that an organization chose; empty if none.
	Plan(ctx context.Context, organization string) (string, error)
	// PutPlan stores that name, at a time (Unix seconds).
	PutPlan(ctx context.Context, organization, plan string, at int64) error
	// PutUsage stores rows in place of those of the same account and metric.
	PutUsage(ctx context.Context, rows []Usage) error
	// UsageOf returns the rows of the accounts of an organization.
	UsageOf(ctx context.Context, organization string) ([]Usage, error)
	// Overage returns since when (Unix seconds) a limit is exceeded: since at, when
	// that was not known before. With over false it forgets it, and returns 0.
	Overage(ctx context.Context, organization, label string, over bool, at int64) (since int64, err error)
}
