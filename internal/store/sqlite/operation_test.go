package sqlite_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"harken/admin/auth"
	"harken/inventory"
)

func TestAudit(t *testing.T) {
	db, ctx := openAuth(t), t.Context()
	if _, err := db.Account(inventory.DefaultAccount).Collections(ctx); err != nil { // makes the account known to Compact
		t.Fatal(err)
	}
	const day = 86400
	row := func(at int64, what string) auth.AuditRow {
		return auth.AuditRow{
			Account: inventory.DefaultAccount, Time: at, Endpoint: what, UserEmail: "a@b.co", ProxyIPs: []string{"::1"}, Metadata: map[string]any{"name": "x"},
		}
	}
	for i, at := range []int64{1, 100 * day, 100*day + 1} {
		if err := db.AddAudit(ctx, row(at, string(rune('a'+i)))); err != nil {
			t.Fatal(err)
		}
	}
	f := func(from, to int64, skip, limit, wantTotal int, want ...string) {
		t.Helper()
		page, total, err := db.AuditRows(ctx, inventory.DefaultAccount, from, to, skip, limit)
		var got []string
		for i := range page {
			got = append(got, page[i].Endpoint)
		}
		if err != nil || total != wantTotal || !slices.Equal(got, want) {
			t.Errorf("AuditRows(%d, %d) = %v of %d, %v, want %v of %d", from, to, got, total, err, want, wantTotal)
		}
	}
	f(0, 200*day, 0, 10, 3, "c", "b", "a")
	f(0, 200*day, 1, 1, 3, "b")
	f(2, 100*day, 0, 10, 1, "b")
	if _, total, err := db.AuditRows(ctx, 2000000, 0, 200*day, 0, 10); total != 0 || err != nil {
		t.Errorf("another account has %d rows, %v", total, err)
	}
	page, _, err := db.AuditRows(ctx, inventory.DefaultAccount, 0, 1, 0, 1)
	if d := cmp.Diff([]auth.AuditRow{row(1, "a")}, page); err != nil || d != "" {
		t.Errorf("row (-want +got): %s%v", d, err)
	}
	if err := db.Compact(ctx, 100*day+2); err != nil {
		t.Fatal(err)
	}
	f(0, 200*day, 0, 10, 2, "c", "b")
}

func TestPlans(t *testing.T) {
	db, ctx := openAuth(t), t.Context()
	if _, _, err := auth.Bootstrap(ctx, db, auth.BootstrapConfig{Now: 1}); err != nil {
		t.Fatal(err)
	}
	org, err := db.Organization(ctx, inventory.DefaultAccount)
	if err != nil {
		t.Fatal(err)
	}
	accounts, err := db.OrganizationAccounts(ctx, org.ID)
	want := []auth.Account{{ID: inventory.DefaultAccount, Name: auth.DefaultAccountName, Organization: org.ID, Created: 1}}
	if d := cmp.Diff(want, accounts); err != nil || d != "" {
		t.Errorf("accounts (-want +got): %s%v", d, err)
	}
	for _, plan := range []string{"", "a", "b"} {
		if plan != "" {
			if err := db.PutPlan(ctx, org.ID, plan, 5); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := db.Plan(ctx, org.ID); err != nil || got != plan {
			t.Errorf("plan %q, %v, want %q", got, err, plan)
		}
	}
	rows := []auth.Usage{{Account: inventory.DefaultAccount, Metric: "A", Value: 1, Updated: 2}, {Account: inventory.DefaultAccount, Metric: "B", Value: 3, Updated: 2}}
	for range 2 {
		if err := db.PutUsage(ctx, rows); err != nil {
			t.Fatal(err)
		}
		got, err := db.UsageOf(ctx, org.ID)
		if d := cmp.Diff(rows, got); err != nil || d != "" {
			t.Errorf("usage (-want +got): %s%v", d, err)
		}
		rows[0].Value, rows[0].Updated = 7, 8
	}
	f := func(over bool, at, want int64) {
		t.Helper()
		if got, err := db.Overage(ctx, org.ID, "A", over, at); err != nil || got != want {
			t.Errorf("Overage(%v, %d) = %d, %v, want %d", over, at, got, err, want)
		}
	}
	f(false, 1, 0)
	f(true, 10, 10)
	f(true, 20, 10)
	f(false, 30, 0)
	f(true, 40, 40)
}

func TestSubscriptions(t *testing.T) {
	db, ctx := openAuth(t), t.Context()
	if _, _, err := auth.Bootstrap(ctx, db, auth.BootstrapConfig{Now: 1}); err != nil {
		t.Fatal(err)
	}
	s := auth.Subscription{User: 1, Endpoint: "https://push.example/1", Auth: []byte("auth"), P256DH: []byte("key"), Created: 2}
	f := func(want ...auth.Subscription) {
		t.Helper()
		got, err := db.Subscriptions(ctx, inventory.DefaultAccount)
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Errorf("subscriptions (-want +got): %s%v", d, err)
		}
	}
	put := func() {
		t.Helper()
		if err := db.PutSubscription(ctx, s); err != nil {
			t.Fatal(err)
		}
	}
	f()
	put()
	f(s)
	old := s.Endpoint
	s.Endpoint = "https://push.example/2"
	put()
	f(s) // one for each user
	if other, err := db.Subscriptions(ctx, 2000000); err != nil || len(other) != 0 {
		t.Errorf("another account has %v, %v", other, err)
	}
	if err := db.DeleteSubscription(ctx, 1, old); err != nil {
		t.Fatal(err)
	}
	f(s) // replaced meanwhile
	if err := db.DeleteSubscription(ctx, 1, s.Endpoint); err != nil {
		t.Fatal(err)
	}
	f()
}
