package inventory_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"harken/inventory"
)

func TestMergeTrafficForgets(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	var all []inventory.TrafficCount
	for h := range int64(365 * 24) {
		all = inventory.MergeTraffic(all, []inventory.TrafficCount{{Start: start + h*3600, Status: 200, Count: 2}, {Start: start + h*3600, Status: 302, Count: 1}})
	}
	hours, days, sum := 0, 0, int64(0)
	for _, c := range all {
		if c.Day {
			days++
		} else {
			hours++
		}
		sum += c.Count
	}
	if hours != 2*inventory.TrafficHours || days != 2*(inventory.TrafficDays-2) {
		t.Errorf("a year leaves %d hours and %d days", hours, days)
	}
	if want := int64(3 * 24 * inventory.TrafficDays); sum != want {
		t.Errorf("the sum is %d, want all of the last %d days: %d", sum, inventory.TrafficDays, want)
	}
	if n := len(inventory.AppendTraffic(nil, all)); n > 1500 {
		t.Errorf("a year of traffic takes %d bytes", n)
	}
}

func TestTrafficRoundTrip(t *testing.T) {
	all := []inventory.TrafficCount{{Start: -3600, Status: 200, Count: 1}, {Start: 86400, Day: true, Count: 5}, {Start: 86400, Status: 302, Count: 1 << 40}}
	data := inventory.AppendTraffic(nil, all)
	got, err := inventory.ParseTraffic(data)
	if err != nil || cmp.Diff(all, got) != "" {
		t.Errorf("ParseTraffic = %v, %v; want %v", got, err, all)
	}
	for n := range data[1:] {
		if _, err := inventory.ParseTraffic(data[:n+1]); !errors.Is(err, inventory.ErrPacked) {
			t.Errorf("the first %d bytes: %v, want ErrPacked", n+1, err)
		}
	}
}

func FuzzParseTraffic(f *testing.F) {
	f.Add(inventory.AppendTraffic(nil, []inventory.TrafficCount{{Start: 86400, Day: true, Count: 5}, {Start: 90000, Status: 302, Count: 7}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		one, err := inventory.ParseTraffic(data)
		if err != nil {
			return
		}
		again, err := inventory.ParseTraffic(inventory.AppendTraffic(nil, one))
		if err != nil {
			t.Fatalf("what was parsed cannot be packed and parsed: %v", err)
		}
		if d := cmp.Diff(one, again); len(one) > 0 && d != "" {
			t.Fatalf("packed and parsed again it differs:\n%s", d)
		}
	})
}

func TestChanges(t *testing.T) {
	param := func(code int, name, typ string, at int64) inventory.Param {
		return inventory.Param{ParamKey: inventory.ParamKey{ResponseCode: code, Name: name, Type: typ}, FirstSeen: at, Count: 1}
	}
	e := inventory.Endpoint{
		EndpointKey: inventory.EndpointKey{URL: "/a", Method: "GET"}, Discovered: 10,
		AuthTypes: [][]string{{"API_KEY", "BASIC"}, {"BEARER"}}, AuthSeen: []int64{30, 10},
		ResponseCodes: []int{200, 302}, CodeSeen: []int64{10, 40},
		Params: []inventory.Param{
			param(-1, "a", "GENERIC", 10), param(-1, "b", "GENERIC", 20), param(-1, "b", "UUID", 25), param(200, "id", "INTEGER_32", 10),
		},
	}
	var got []string
	for _, c := range e.Changes() {
		got = append(got, time.Unix(c.Time, 0).UTC().Format("05")+" "+c.Kind+" "+c.Detail)
	}
	want := []string{"40 new-status 302", "30 new-auth API_KEY+BASIC", "25 new-type request body b UUID", "20 new-param request body b", "10 new-endpoint "}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("changes (-want +got):\n%s", d)
	}
}
