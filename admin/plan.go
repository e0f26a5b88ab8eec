package admin

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"harken/admin/auth"
	"harken/inventory"
	"harken/inventory/fault"
)

// Unlimited is the limit of a PlanFeature that has none.
const Unlimited = -1

// A PlanFeature is what a plan grants of one thing.
type PlanFeature struct {
	Granted bool
	Limit   int64         // Unlimited, or how many there may be
	Grace   time.Duration // for which the limit may be exceeded
}

// Plans are what organizations bought.
type Plans interface {
	// Features returns what an organization is granted, by label (auth.ActiveEndpoints
	// and the others). A label that is left out is granted without limit. It is safe
	// for concurrent use, and called for each gated request.
	Features(ctx context.Context, org *auth.Organization) (map[string]PlanFeature, error)
}

// LocalPlans are the same for every organization; nil grants everything.
type LocalPlans map[string]PlanFeature

var _ Plans = LocalPlans(nil)

// Features returns p.
func (p LocalPlans) Features(context.Context, *auth.Organization) (map[string]PlanFeature, error) {
	return p, nil
}

// planLabels are the labels of gates.
func planLabels() []string {
	return []string{
		auth.ActiveAccounts, auth.ActiveEndpoints, auth.AIAssetCount, auth.PlanCollections, auth.PlanCICD, auth.PlanExternalAPI, auth.RBACFeature,
	}
}

// ParsePlans reads limits such as ACTIVE_ENDPOINTS=1000 and RBAC_FEATURE=off. grace
// is for how long each may be exceeded.
func ParsePlans(limits []string, grace time.Duration) (LocalPlans, error) {
	p := LocalPlans{}
	for _, text := range limits {
		label, value, ok := strings.Cut(text, "=")
		label, value = strings.ToUpper(strings.TrimSpace(label)), strings.TrimSpace(value)
		if !ok || !slices.Contains(planLabels(), label) {
			return nil, fmt.Errorf("%q: want LABEL=N or LABEL=off, where the label is one of %s", text, strings.Join(planLabels(), ", "))
		}
		if strings.EqualFold(value, "off") {
			p[label] = PlanFeature{Limit: Unlimited}
			continue
		}
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("%q: the limit is no whole number from 0, nor off", text)
		}
		p[label] = PlanFeature{Granted: true, Limit: n, Grace: grace}
	}
	return p, nil
}

// planned lets only those call an endpoint whose plan grants a label.
func planned(label string, e endpoint) endpoint {
	e.plan = label
	return e
}

// checkPlan returns fault.Denied unless the plan of an account's organization
// grants a label and the limit is not reached, or not for longer than the grace
// period. What cannot be found out denies too.
func (a *API) checkPlan(ctx context.Context, account int32, label string) error {
	org, f, err := a.planFeature(ctx, account, label)
	if err != nil {
		return err
	}
	if !f.Granted {
		return fault.New(fault.Denied, "the plan does not include %s", label)
	}
	if f.Limit < 0 {
		return nil
	}
	used, err := a.used(ctx, org, label)
	if err != nil {
		return err
	}
	now := a.cfg.Now()
	since, err := a.cfg.Users.Overage(ctx, org.ID, label, used >= f.Limit, now.Unix())
	if err != nil || used < f.Limit || now.Sub(time.Unix(since, 0)) < f.Grace {
		return err
	}
	return fault.New(fault.Denied, "the plan's limit of %s is reached: %d of %d", label, used, f.Limit)
}

func (a *API) planFeature(ctx context.Context, account int32, label string) (*auth.Organization, PlanFeature, error) {
	org, err := a.cfg.Users.Organization(ctx, account)
	if err != nil {
		return nil, PlanFeature{}, fmt.Errorf("plan of account %d: %w", account, err)
	}
	all, err := a.cfg.Plans.Features(ctx, &org)
	if err != nil {
		return nil, PlanFeature{}, fmt.Errorf("plan of account %d: %w", account, err)
	}
	f, ok := all[label]
	if !ok {
		f = PlanFeature{Granted: true, Limit: Unlimited}
	}
	return &org, f, nil
}

// roomFor returns fault.Invalid when more of a label would exceed the limit of the
// plan.
func (a *API) roomFor(ctx context.Context, account int32, label string, more int64) error {
	org, f, err := a.planFeature(ctx, account, label)
	if err != nil || more <= 0 || f.Granted && f.Limit < 0 {
		return err
	}
	if !f.Granted {
		return fault.New(fault.Denied, "the plan does not include %s", label)
	}
	used, err := a.used(ctx, org, label)
	if err != nil {
		return err
	}
	if used+more > f.Limit {
		return fault.New(fault.Invalid, "the plan's limit of %s would be exceeded: %d are used and %d would come, of %d", label, used, more, f.Limit)
	}
	return nil
}

// used is how much of a label an organization uses at this moment.
func (a *API) used(ctx context.Context, org *auth.Organization, label string) (int64, error) {
	accounts, err := a.cfg.Users.OrganizationAccounts(ctx, org.ID)
	if err != nil {
		return 0, err
	}
	if label == auth.ActiveAccounts {
		return int64(len(accounts)), nil
	}
	var sum int64
	for i := range accounts {
		m, err := a.countUsage(ctx, accounts[i].ID)
		if err != nil {
			return 0, err
		}
		sum += m[label]
	}
	return sum, nil
}

// countUsage counts what one account uses; accounts themselves are one.
func (a *API) countUsage(ctx context.Context, account int32) (map[string]int64, error) {
	cols, err := a.cfg.Stores.Full(account).Collections(ctx)
	if err != nil {
		return nil, err
	}
	m := map[string]int64{
		auth.ActiveEndpoints: 0, auth.PlanCollections: int64(len(cols)), auth.ActiveAccounts: 1, auth.AIAssetCount: 0,
		auth.CustomTests: 0, auth.TestRuns: 0, auth.MCPAssetCount: 0,
	}
	for i := range cols {
		if !cols[i].Deactivated {
			m[auth.ActiveEndpoints] += endpointsIn(&cols[i])
		}
		if slices.ContainsFunc(cols[i].Tags, func(t inventory.Tag) bool { return t.KeyName == tagGenAI }) {
			m[auth.AIAssetCount]++
		}
	}
	return m, nil
}

// endpointsIn counts the endpoints that are a collection's own.
func endpointsIn(c *inventory.Collection) int64 {
	if c.Type == inventory.TypeGroup {
		return 0
	}
	return int64(c.URLsCount)
}

// featureSettings is a plan feature as the published API shows it.
type featureSettings struct {
	IsGranted            bool  `json:"isGranted"`
	UsageLimit           int64 `json:"usageLimit"` // -1 is unlimited
	Usage                int64 `json:"usage"`      // as of the last refresh
	OverageFirstDetected int64 `json:"overageFirstDetected"`
	GracePeriod          int64 `json:"gracePeriod"` // seconds
}

// fillPlan tells the plan of an organization, what it grants, and what is used.
func (a *API) fillPlan(ctx context.Context, org *auth.Organization, out *organizationSettings) error {
	plan, err := a.cfg.Users.Plan(ctx, org.ID)
	if err != nil {
		return err
	}
	if out.Plan = plan; plan == "" {
		out.Plan = localPlan
	}
	features, err := a.cfg.Plans.Features(ctx, org)
	if err != nil {
		return err
	}
	stored, err := a.cfg.Users.UsageOf(ctx, org.ID)
	if err != nil {
		return err
	}
	sums := map[string]int64{}
	for i := range stored {
		sums[stored[i].Metric] += stored[i].Value
		out.UsageUpdatedAt = max(out.UsageUpdatedAt, stored[i].Updated)
	}
	out.FeatureWiseAllowed = map[string]featureSettings{}
	for _, label := range planLabels() {
		f, ok := features[label]
		if !ok {
			f = PlanFeature{Granted: true, Limit: Unlimited}
		}
		s := featureSettings{IsGranted: f.Granted, UsageLimit: f.Limit, Usage: sums[label], GracePeriod: int64(f.Grace.Seconds())}
		if f.Granted && f.Limit >= 0 {
			// Only a gate finds out that a limit is exceeded; here it is told.
			used, err := a.used(ctx, org, label)
			if err != nil {
				return err
			}
			if used >= f.Limit {
				if s.OverageFirstDetected, err = a.cfg.Users.Overage(ctx, org.ID, label, true, a.cfg.Now().Unix()); err != nil {
					return err
				}
			}
		}
		out.FeatureWiseAllowed[label] = s
	}
	accounts, err := a.cfg.Users.OrganizationAccounts(ctx, org.ID)
	if err != nil {
		return err
	}
	out.Usage = map[string]int64{}
	for i := range accounts {
		m, err := a.countUsage(ctx, accounts[i].ID)
		if err != nil {
			return err
		}
		for _, label := range slices.Sorted(maps.Keys(m)) {
			out.Usage[label] += m[label]
		}
	}
	return nil
}
