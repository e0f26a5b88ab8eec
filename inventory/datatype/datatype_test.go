package datatype_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"testing"

	"harken/inventory/datatype"
)

func TestOfText(t *testing.T) {
	f := func(in string, want datatype.Name) {
		t.Helper()
		if got := datatype.OfText(in); got != want {
			t.Errorf("OfText(%q) = %s, want %s", in, got, want)
		}
	}
	f("4539 1488 0343 6467", datatype.CreditCard) // D1
	f("4539-1488-0343-6467", datatype.CreditCard)
	f("4539148803436468", datatype.Integer64) // D3
	f("378282246310005", datatype.CreditCard)
	f("6011111111111117", datatype.CreditCard)
	f("2223003122003222", datatype.CreditCard)
	f("4222222222222", datatype.CreditCard)
	f("9111111111111119", datatype.Integer64)
	f("4539 1488 0343 6467 x", datatype.Generic)

	f("0", datatype.Integer32)
	f("-7", datatype.Integer32)
	f("2147483647", datatype.Integer32)
	f("2147483648", datatype.Integer64)
	f("-2147483648", datatype.Integer32)
	f("1234567890123456789", datatype.Integer64) // D13
	f("9223372036854775807", datatype.Integer64)
	f("9223372036854775808", datatype.Float)
	f("00000000000000000000000000007", datatype.Integer32)
	f(strings.Repeat("0", 30), datatype.Integer32)
	f(strings.Repeat("7", 9000), datatype.Float)
	f("3.9", datatype.Float)
	f("-3.9", datatype.Float)
	f("3.", datatype.Generic)
	f(".5", datatype.Generic)
	f("-", datatype.Generic)
	f("1.2.3", datatype.Generic)
	f("+5", datatype.Generic)
	f("1e5", datatype.Generic)

	f("123-45-6789", datatype.SSN)          // D4
	f("jo.lee@example.com", datatype.Email) // D5
	f("jo@shop.technology", datatype.Email)
	f("JO+x@Shop.Example", datatype.Email)
	f("jo@shop", datatype.Generic)
	f("jo@shop.c", datatype.Generic)
	f("jo@shop.c0m", datatype.Generic)
	f("jo@shop."+strings.Repeat("a", 25), datatype.Generic)
	f("jo..lee@shop.com", datatype.Generic)
	f(".jo@shop.com", datatype.Generic)
	f("jo.@shop.com", datatype.Generic)
	f("jo@.shop.com", datatype.Generic)
	f("jo@shop..com", datatype.Generic)
	f("jo@a@shop.com", datatype.Generic)
	f("@shop.com", datatype.Generic)

	f("https://h.example/a?b=c,d", datatype.URL)
	f("HTTP://h.example", datatype.URL)
	f("ftps://h", datatype.URL)
	f("mailto:jo", datatype.URL)
	f("news:comp.lang", datatype.URL)
	f("https://", datatype.Generic)
	f("https://h/<a>", datatype.Generic)
	f("https://h/a#b", datatype.Generic)
	f("gopher://h", datatype.URL)
	f("file:///etc", datatype.Generic)

	f("+16502530000", datatype.PhoneNumber) // D6
	f("+1 650-253-0000", datatype.PhoneNumber)
	f("6502530000", datatype.Integer64)
	f("+1650253000a", datatype.Generic)
	f("+99999999999", datatype.Generic)

	f("10.20.30.40", datatype.IPAddress) // D7
	f("999.20.30.40", datatype.Generic)
	f("::1", datatype.IPAddress)
	f("2001:db8::ff00:42:8329", datatype.IPAddress)
	f("fe80::1%eth0", datatype.IPAddress)
	f("::", datatype.IPAddress)
	f("12:30:45", datatype.Generic)
	f("10.20.30.40:80", datatype.Generic)

	f("1M8GDM9AXKP042788", datatype.VIN) // D10
	f("1m8gdm9axkp042788", datatype.VIN)
	f("5YJSA1E26HF000337", datatype.Generic)
	f("IM8GDM9AXKP042788", datatype.Generic)
	f("3f2b8c1e-9a4d-4e6f-8b7a-2c1d0e9f8a7b", datatype.UUID) // D11
	f("", datatype.Generic)                                  // D12
	f("application/json", datatype.Generic)
	f("Grüße", datatype.Generic)
}

func TestJWT(t *testing.T) {
	f := func(in string, want datatype.Name) {
		t.Helper()
		if got := datatype.OfText(in); got != want {
			t.Errorf("OfText(%.80q) = %s, want %s", in, got, want)
		}
	}
	enc := base64.RawURLEncoding.EncodeToString
	header := enc([]byte(`{"alg":"HS256"}`))
	f("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2ln", datatype.JWT)         // D8
	f("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhPz5-In0.c2ln", datatype.JWT)      // D9
	f("eyJhbGciOiJub25lIn0.eyJzdWIiOiI0MiJ9.", datatype.JWT)              // alg none
	f(enc([]byte("{\n \"alg\":\"x\"}"))+"."+header+".c2ln", datatype.JWT) // white space
	f("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9", datatype.Generic)
	f("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2ln.x", datatype.Generic)
	f(enc([]byte(`{"typ":"JWT"}`))+"."+header+".c2ln", datatype.Generic)
	f(header+"."+enc([]byte(`[1]`))+".c2ln", datatype.Generic)
	f(header+"."+enc([]byte(`{"a":`))+".c2ln", datatype.Generic)
	f(header+"."+header+".c2 ln", datatype.Generic)
	// Longer than what is looked at.
	f(header+"."+enc([]byte(`{"a":"`+strings.Repeat("x", 9000)+`"}`))+".c2ln", datatype.JWT)
	f(header+" "+strings.Repeat("x", 9000), datatype.Generic)
}

func TestOfNumber(t *testing.T) {
	for in, want := range map[string]datatype.Name{
		"4539148803436467": datatype.CreditCard, // D2
		"3.9":              datatype.Float,
		"5":                datatype.Integer32,
		"-5":               datatype.Integer32,
		"1e5":              datatype.Float,
		"-0.0":             datatype.Float,
		"9999999999":       datatype.Integer64,
		"1e999":            datatype.Float,
	} {
		if got := datatype.OfNumber(in); got != want {
			t.Errorf("OfNumber(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestSensitive(t *testing.T) {
	f := func(name datatype.Name, p datatype.Position, want bool) {
		t.Helper()
		if got := datatype.Sensitive(name, p); got != want {
			t.Errorf("Sensitive(%s, %s) = %v, want %v", name, p, got, want)
		}
	}
	f(datatype.Email, datatype.RequestHeader, true)
	f(datatype.IPAddress, datatype.ResponsePayload, true)
	f(datatype.IPAddress, datatype.ResponseHeader, true)
	f(datatype.IPAddress, datatype.RequestHeader, false)
	f(datatype.JWT, datatype.RequestPayload, false)
	f(datatype.Generic, datatype.ResponsePayload, false)
	f("NO SUCH TYPE", datatype.ResponsePayload, false)
}

func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, typ := range datatype.All() {
		if seen[typ.Name] {
			t.Errorf("%s is there twice", typ.Name)
		}
		seen[typ.Name] = true
		got, ok := datatype.ByName(typ.Name)
		if !ok || got.Super != typ.Super || typ.Super == "" {
			t.Errorf("ByName(%s) = %v, %v", typ.Name, got, ok)
		}
	}
	if _, ok := datatype.ByName("email"); ok {
		t.Error("ByName does not tell cases apart")
	}
	all := datatype.All()
	all[11].SensitivePositions[0] = datatype.RequestHeader
	if again := datatype.All(); again[11].SensitivePositions[0] == datatype.RequestHeader {
		t.Error("a caller can change the table")
	}
	var d datatype.Detector
	if d.Text("k", "7") != datatype.Integer32 || d.Number("k", "7") != datatype.Integer32 {
		t.Error("the zero Detector does not know the built-in types")
	}
	if got := datatype.ResponsePayload.String(); got != "RESPONSE_PAYLOAD" {
		t.Errorf("String() = %s", got)
	}
}

// Any value has a type of the table, and of text without digits, "@" and ":" none
// but GENERIC is possible.
func FuzzOfText(f *testing.F) {
	for _, s := range []string{
		"4539 1488 0343 6467", "jo@a.example", "https://h/a", "+16502530000", "::1", "1M8GDM9AXKP042788",
		"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2ln", "123-45-6789", "-9223372036854775808", "ew.ew.ew",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, name := range []string{datatype.OfText(s), datatype.OfNumber(s)} {
			if _, ok := datatype.ByName(name); !ok {
				t.Fatalf("%q: no such type %q", s, name)
			}
		}
		if !strings.ContainsAny(s, "0123456789@:.-") && datatype.OfText(s) != datatype.Generic {
			t.Fatalf("OfText(%q) = %s", s, datatype.OfText(s))
		}
	})
}

// What a Detector remembers of phone numbers does not change its answers, also
// from several goroutines.
func TestDetectorPhones(t *testing.T) {
	var d datatype.Detector
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 3000 {
				s := fmt.Sprintf("+1650253%04d", i%1500)
				if got := d.Text("k", s); got != datatype.PhoneNumber {
					t.Errorf("Text(%q) = %s", s, got)
					return
				}
				if got := d.Text("k", "+99999999999"); got != datatype.Generic {
					t.Errorf("Text = %s, want GENERIC", got)
					return
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkDetectorPhone(b *testing.B) {
	var d datatype.Detector
	b.ReportAllocs()
	for b.Loop() {
		d.Text("k", "+16502530000")
	}
}

func BenchmarkOfText(b *testing.B) {
	for name, s := range map[string]string{
		"generic": "application/json; charset=utf-8",
		"integer": "48213",
		"card":    "4539148803436467",
		"email":   "jo.lee@example.com",
		"uuid":    "3f2b8c1e-9a4d-4e6f-8b7a-2c1d0e9f8a7b",
		"jwt":     "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2ln",
		"phone":   "+16502530000",
		"ip":      "10.20.30.40",
		"long":    strings.Repeat("lorem ipsum ", 400),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(s)))
			for b.Loop() {
				datatype.OfText(s)
			}
		})
	}
}
