package main

import (
	"time"

	"harken/admin"
	"harken/internal/flagenv"
	"harken/internal/outbound"
	"harken/internal/wire"
)

// organizationFlags say what the control plane may reach, what a plan grants, who
// sells plans, and how browsers are notified.
type organizationFlags struct {
	allow        []string
	limits       []string
	grace        time.Duration
	billing      string
	billingToken string
	strict       bool

	vapidPublic, vapidPrivate, vapidSubject string

	guard *outbound.Guard
	plans admin.LocalPlans
	bill  admin.Billing
	push  admin.Pusher
}

func (o *organizationFlags) define(s *flagenv.Set) {
	s.Group("Targets, plans and notifications")
	s.List(&o.allow, "allow-targets", nil,
		"globs of hosts, addresses and networks that imports, replays, billing and web push may reach although private", flagenv.Opt{Value: "LIST"})
	s.List(&o.limits, "plan-limits", nil, "what organizations may use, such as ACTIVE_ENDPOINTS=1000 or RBAC_FEATURE=off; all else is unlimited", flagenv.Opt{Rare: true})
	s.Duration(&o.grace, "plan-grace", 0, "for how long a limit of -plan-limits may be exceeded", flagenv.Opt{Rare: true})
	s.String(&o.billing, "billing-url", "", "billing service that takes orders and usage; without it every order succeeds", flagenv.Opt{Value: "URL", Rare: true})
	s.Secret(&o.billingToken, "billing-token", "bearer token for -billing-url", flagenv.Opt{Rare: true})
	s.Bool(&o.strict, "billing-strict-customer", false, "refuse orders whose customer is not the caller's organization", flagenv.Opt{Rare: true})
	s.String(&o.vapidPublic, "vapid-public-key", "", "key that browsers subscribe to web push with, in base64url", flagenv.Opt{Value: "KEY", Rare: true})
	s.Secret(&o.vapidPrivate, "vapid-private-key", "its private key, in base64url or PEM", flagenv.Opt{Rare: true})
	s.String(&o.vapidSubject, "vapid-subject", "", "mailto: or https: URL by which push services reach the operator", flagenv.Opt{Value: "URL", Rare: true})
}

// check checks the flags and makes what they name.
func (o *organizationFlags) check() (err error) {
	const targets = "host names, addresses and networks such as localhost, *.staging.example.com, 10.0.0.1 and 10.0.0.0/8"
	for _, t := range o.allow {
		if _, err := outbound.NewGuard([]string{t}); err != nil {
			return wire.Bad("allow-targets", t, targets, nil)
		}
	}
	if o.guard, err = outbound.NewGuard(o.allow); err != nil {
		return err
	}
	for _, l := range o.limits {
		if _, err := admin.ParsePlans([]string{l}, o.grace); err != nil {
			return wire.Bad("plan-limits", l, "limits such as ACTIVE_ENDPOINTS=1000 and RBAC_FEATURE=off", err)
		}
	}
	if o.plans, err = admin.ParsePlans(o.limits, o.grace); err != nil {
		return err
	}
	client, err := outbound.New(outbound.Config{Guard: o.guard, UserAgent: "harken/" + version})
	if err != nil {
		return err
	}
	if o.billing != "" {
		b, err := admin.NewHTTPBilling(o.billing, o.billingToken, client)
		if err != nil {
			return wire.Bad("billing-url", o.billing, "an absolute http or https URL", err)
		}
		o.bill = b
	}
	return o.checkPush(client)
}

func (o *organizationFlags) checkPush(client *outbound.Client) error {
	switch {
	case o.vapidPublic == "" && o.vapidPrivate == "":
		return nil
	case o.vapidPublic == "":
		return wire.Bad("vapid-public-key", "", "the key that belongs to -vapid-private-key", nil)
	case o.vapidPrivate == "":
		return wire.Bad("vapid-private-key", "", "the key that belongs to -vapid-public-key", nil)
	}
	p, err := admin.NewWebPush(o.vapidPublic, o.vapidPrivate, o.vapidSubject, client, time.Now)
	if err != nil {
		return wire.Bad("vapid-public-key", o.vapidPublic, "it with -vapid-private-key and -vapid-subject", err)
	}
	o.push = p
	return nil
}

// fill hands over what check made.
func (o *organizationFlags) fill(cfg *admin.Config) {
	cfg.Plans, cfg.Billing, cfg.BillingStrictCustomer, cfg.Push = o.plans, o.bill, o.strict, o.push
}
