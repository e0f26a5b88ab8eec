package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"harken/admin/auth"
	"harken/internal/outbound"
	"harken/inventory/fault"
)

// localPlan is the plan of an organization that never chose one.
const localPlan = "LOCAL"

// maxPlanID bounds the id of a plan, in bytes.
const maxPlanID = 256

// An Order asks for a plan.
type Order struct {
	OrgID         string `json:"orgId"`
	PlanID        string `json:"planId"`
	BillingPeriod string `json:"billingPeriod"` // MONTHLY or ANNUAL
	SuccessURL    string `json:"successUrl"`
	CancelURL     string `json:"cancelUrl"`
}

// Billing is a service that sells plans. It is safe for concurrent use.
type Billing interface {
	// Provision orders a plan and returns the service's answer, a JSON object.
	Provision(ctx context.Context, o Order) (json.RawMessage, error)
	// Report tells what the accounts of an organization use.
	Report(ctx context.Context, organization string, usage []auth.Usage) error
}

// HTTPBilling is Billing at a URL: POST /api/provisionSubscription with an Order,
// and POST /api/ingestUsage with what is used.
type HTTPBilling struct {
	URL    *url.URL
	Token  string // sent as a bearer token (RFC 6750) unless empty
	Client *outbound.Client
}

var _ Billing = (*HTTPBilling)(nil)

// NewHTTPBilling checks rawURL, an absolute http or https URL.
func NewHTTPBilling(rawURL, token string, client *outbound.Client) (*HTTPBilling, error) {
	u, err := url.Parse(strings.TrimRight(rawURL, "/"))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" {
		return nil, errors.New("want an absolute http or https URL without a query")
	}
	return &HTTPBilling{u, token, client}, nil
}

// Provision forwards an order.
func (b *HTTPBilling) Provision(ctx context.Context, o Order) (json.RawMessage, error) {
	body, err := b.post(ctx, "provisionSubscription", o)
	if err != nil {
		return nil, err
	}
	if body = bytes.TrimSpace(body); len(body) == 0 || body[0] != '{' || !json.Valid(body) {
		return nil, errors.New("the billing service's answer is no JSON object")
	}
	return body, nil
}

type usageReport struct {
	OrgID string       `json:"orgId"`
	Usage []usageValue `json:"usage"`
}

type usageValue struct {
	AccountID    int32  `json:"accountId"`
	MetricType   string `json:"metricType"`
	Usage        int64  `json:"usage"`
	MeasureEpoch int64  `json:"measureEpoch"` // Unix seconds
}

// Report sends the rows of an organization in one request.
func (b *HTTPBilling) Report(ctx context.Context, organization string, usage []auth.Usage) error {
	report := usageReport{OrgID: organization, Usage: []usageValue{}}
	for i := range usage {
		u := &usage[i]
		report.Usage = append(report.Usage, usageValue{u.Account, u.Metric, u.Value, u.Updated})
	}
	_, err := b.post(ctx, "ingestUsage", report)
	return err
}

func (b *HTTPBilling) post(ctx context.Context, name string, body any) ([]byte, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.URL.JoinPath("api", name).String(), bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if b.Token != "" {
		req.Header.Set("Authorization", "Bearer "+b.Token)
	}
	res, err := b.Client.Do(req)
	if err != nil {
		return nil, err
	}
	if res.Status/100 != 2 || res.Truncated {
		return nil, fmt.Errorf("the billing service answered %d to %s", res.Status, name)
	}
	return res.Body, nil
}

type provisionRequest struct {
	CustomerID    string `json:"customerId" api:"required"`
	PlanID        string `json:"planId" api:"required"`
	BillingPeriod string `json:"billingPeriod" api:"required"`
	SuccessURL    string `json:"successUrl" api:"required"`
	CancelURL     string `json:"cancelUrl" api:"required"`
}

// provisionResponse is ours, or that of a billing service as it came.
type provisionResponse struct {
	Data provisionData `json:"data"`
	raw  json.RawMessage
}

// MarshalJSON implements json.Marshaler.
func (r provisionResponse) MarshalJSON() ([]byte, error) {
	if r.raw != nil {
		return r.raw, nil
	}
	type plain provisionResponse
	return json.Marshal(plain(r))
}

type provisionData struct {
	ProvisionSubscription provisioned `json:"provisionSubscription"`
}

type provisioned struct {
	Status       string           `json:"status"`
	CheckoutURL  string           `json:"checkoutUrl"`
	Subscription subscriptionPlan `json:"subscription"`
}

type subscriptionPlan struct {
	Plan planID `json:"plan"`
}

type planID struct {
	ID string `json:"id"`
}

// provisionSubscription sets the plan of the organization.
func (a *API) provisionSubscription(ctx context.Context, c *auth.Caller, in provisionRequest) (provisionResponse, error) {
	var out provisionResponse
	period := strings.ToUpper(strings.TrimSpace(in.BillingPeriod))
	if period != "MONTHLY" && period != "ANNUAL" {
		return out, fault.New(fault.Invalid, "billingPeriod: must be monthly or annual")
	}
	if strings.TrimSpace(in.CustomerID) == "" || strings.TrimSpace(in.PlanID) == "" || len(in.PlanID) > maxPlanID {
		return out, fault.New(fault.Invalid, "customerId, planId: must not be empty, nor planId longer than %d bytes", maxPlanID)
	}
	for _, u := range []struct{ name, text string }{{"successUrl", in.SuccessURL}, {"cancelUrl", in.CancelURL}} {
		if p, err := url.Parse(u.text); err != nil || p.Scheme != "http" && p.Scheme != "https" || p.Host == "" {
			return out, fault.New(fault.Invalid, "%s: must be an absolute http or https URL", u.name)
		}
	}
	org, err := a.organization(ctx, c.Account)
	if err != nil {
		return out, err
	}
	if a.cfg.BillingStrictCustomer && in.CustomerID != org.ID {
		return out, fault.New(fault.Invalid, "customerId: is not the organization of this account")
	}
	c.Note("planId", in.PlanID)
	if a.cfg.Billing != nil {
		// The order is for the caller's own organization, whatever customerId says.
		out.raw, err = a.cfg.Billing.Provision(ctx, Order{org.ID, in.PlanID, period, in.SuccessURL, in.CancelURL})
		if err != nil {
			a.log.WarnContext(ctx, "billing service failed", "err", err)
			return out, fault.New(fault.Invalid, "the billing service cannot take the order now")
		}
		return out, nil
	}
	if err := a.cfg.Users.PutPlan(ctx, org.ID, in.PlanID, a.cfg.Now().Unix()); err != nil {
		return out, err
	}
	out.Data.ProvisionSubscription = provisioned{"SUCCESS", in.SuccessURL, subscriptionPlan{planID{in.PlanID}}}
	return out, nil
}

// organization is that of an account; there being none is the caller's news.
func (a *API) organization(ctx context.Context, account int32) (auth.Organization, error) {
	org, err := a.cfg.Users.Organization(ctx, account)
	if kind, _ := fault.Of(err); err != nil && kind == fault.NotFound {
		return org, fault.New(fault.NotFound, "the account %d belongs to no organization", account)
	}
	return org, err
}

// jobUsage is the kind of the job that counts what is used.
const jobUsage = "refreshUsage"

// refreshUsage counts anew what the organization uses, in the background.
func (a *API) refreshUsage(ctx context.Context, c *auth.Caller, _ none) (none, error) {
	if _, err := a.organization(ctx, c.Account); err != nil {
		return none{}, err
	}
	_, err := a.jobs.Start(ctx, c.Account, jobUsage, nil)
	return none{}, err
}

// runUsage counts what all accounts of an organization use, stores it, and tells
// the billing service.
func (a *API) runUsage(ctx context.Context, account int32, _ json.RawMessage) error {
	org, err := a.cfg.Users.Organization(ctx, account)
	if err != nil {
		return err
	}
	accounts, err := a.cfg.Users.OrganizationAccounts(ctx, org.ID)
	if err != nil {
		return err
	}
	now := a.cfg.Now().Unix()
	var rows []auth.Usage
	for i := range accounts {
		m, err := a.countUsage(ctx, accounts[i].ID)
		if err != nil {
			return err
		}
		for metric, n := range m {
			rows = append(rows, auth.Usage{Account: accounts[i].ID, Metric: metric, Value: n, Updated: now})
		}
	}
	if err := a.cfg.Users.PutUsage(ctx, rows); err != nil {
		return err
	}
	if a.cfg.Billing == nil {
		return nil
	}
	if err := a.cfg.Billing.Report(ctx, org.ID, rows); err != nil {
		return fmt.Errorf("counted and stored, but not reported: %w", err)
	}
	return nil
}
