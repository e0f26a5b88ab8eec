package datatype_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"harken/inventory/datatype"
)

// families make values that are no personal data, as traffic is full of them,
// with what may be found in how many of 100,000: only what chance gives.
var families = []struct {
	name   string
	make   func(r *rand.Rand) string
	usual  []datatype.Name           // what such values are
	chance map[datatype.Name]float64 // the share of others, by the rules of the type
}{
	{
		name: "small integers", make: func(r *rand.Rand) string { return strconv.Itoa(r.IntN(1_000_000_000)) },
		usual: []datatype.Name{datatype.Integer32},
	},
	{
		name: "64-bit integers", make: func(r *rand.Rand) string { return strconv.FormatInt(r.Int64(), 10) },
		usual: []datatype.Name{datatype.Integer64, datatype.Integer32}, chance: map[datatype.Name]float64{datatype.CreditCard: 0.0001},
	},
	{
		// One in ten passes Luhn's test; of those with 16 digits about a quarter has
		// the prefix of an issuer.
		name: "16 digits", make: func(r *rand.Rand) string { return strconv.FormatInt(1e15+r.Int64N(9e15), 10) },
		usual: []datatype.Name{datatype.Integer64}, chance: map[datatype.Name]float64{datatype.CreditCard: 0.026},
	},
	{
		name: "milliseconds", make: func(r *rand.Rand) string { return strconv.FormatInt(1.6e12+r.Int64N(4e11), 10) },
		usual: []datatype.Name{datatype.Integer64},
	},
	{
		name: "seconds", make: func(r *rand.Rand) string { return strconv.FormatInt(1.6e9+r.Int64N(4e8), 10) },
		usual: []datatype.Name{datatype.Integer32},
	},
	{
		name: "microseconds", make: func(r *rand.Rand) string { return strconv.FormatInt(1.6e15+r.Int64N(4e14), 10) },
		usual: []datatype.Name{datatype.Integer64},
	},
	{
		name: "prices", make: func(r *rand.Rand) string { return strconv.FormatFloat(r.Float64()*1e6, 'f', 2, 64) },
		usual: []datatype.Name{datatype.Float},
	},
	{
		name: "32 hex digits", make: func(r *rand.Rand) string { return hexText(r, 16) },
		usual: []datatype.Name{datatype.Generic},
	},
	{
		// Of 16 hex digits one in 1,800 is all digits, and so a number.
		name: "16 hex digits", make: func(r *rand.Rand) string { return hexText(r, 8) },
		usual:  []datatype.Name{datatype.Generic, datatype.Integer64},
		chance: map[datatype.Name]float64{datatype.CreditCard: 0.0001},
	},
	{
		// Without I, O and Q. The check digit is one of 33 characters.
		name: "17 letters and digits", make: func(r *rand.Rand) string { return from(r, 17, "0123456789ABCDEFGHJKLMNPRSTUVWXYZ") },
		usual: []datatype.Name{datatype.Generic}, chance: map[datatype.Name]float64{datatype.VIN: 0.032},
	},
	{
		name: "tokens", make: func(r *rand.Rand) string {
			return from(r, 20+r.IntN(20), "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-")
		},
		usual: []datatype.Name{datatype.Generic},
	},
	{
		name: "words", make: func(r *rand.Rand) string { return from(r, 1+r.IntN(14), "abcdefghijklmnopqrstuvwxyz") },
		usual: []datatype.Name{datatype.Generic},
	},
	{
		name: "sentences", make: func(r *rand.Rand) string {
			return from(r, 1+r.IntN(9), "abcdefgh") + " " + from(r, 1+r.IntN(9), "stuvw") + ", " + from(r, 3, "0123456789") + "."
		},
		usual: []datatype.Name{datatype.Generic},
	},
	{
		name: "timestamps", make: func(r *rand.Rand) string {
			layouts := []string{time.RFC3339, time.RFC3339Nano, time.RFC1123, time.DateOnly, time.DateTime, time.TimeOnly}
			return time.Unix(r.Int64N(2e9), r.Int64N(1e9)).UTC().Format(layouts[r.IntN(len(layouts))])
		},
		usual: []datatype.Name{datatype.Generic},
	},
	{
		name: "versions", make: func(r *rand.Rand) string {
			v := fmt.Sprintf("%d.%d.%d", r.IntN(30), r.IntN(50), r.IntN(100))
			return []string{v, "v" + v, v + "-rc." + strconv.Itoa(r.IntN(9)), v + "+build"}[r.IntN(4)]
		},
		usual: []datatype.Name{datatype.Generic},
	},
	{
		// Four numbers below 256 are an address: nothing tells a version of Windows
		// from one.
		name: "versions of four numbers", make: func(r *rand.Rand) string {
			return fmt.Sprintf("%d.%d.%d.%d", r.IntN(20), r.IntN(20), 1000+r.IntN(20000), r.IntN(5000))
		},
		usual: []datatype.Name{datatype.Generic},
	},
	{
		name: "UUIDs", make: func(r *rand.Rand) string {
			h := hexText(r, 16)
			return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
		},
		usual: []datatype.Name{datatype.UUID},
	},
	{
		name: "base64", make: func(r *rand.Rand) string { return base64.StdEncoding.EncodeToString(random(r, 10+r.IntN(40))) },
		usual: []datatype.Name{datatype.Generic},
	},
	{
		name: "three parts of base64", make: func(r *rand.Rand) string {
			enc := base64.RawURLEncoding.EncodeToString
			return "ey" + enc(random(r, 30)) + "." + "ey" + enc(random(r, 30)) + "." + enc(random(r, 30))
		},
		usual: []datatype.Name{datatype.Generic},
	},
	{
		name: "paths", make: func(r *rand.Rand) string {
			return "/" + from(r, 1+r.IntN(9), "abcdefgh") + "/" + strconv.Itoa(r.IntN(1e6)) + "/" + from(r, 3, "xyz@.-") + ".png"
		},
		usual: []datatype.Name{datatype.Generic},
	},
	{
		name: "order numbers", make: func(r *rand.Rand) string {
			return []string{"ORD-", "#", "INV/", "+"}[r.IntN(4)] + from(r, 3+r.IntN(4), "0123456789") + "-" + from(r, 3, "0123456789")
		},
		usual: []datatype.Name{datatype.Generic},
		// A "+" and six to nine digits are the numbers of some small countries.
		chance: map[datatype.Name]float64{datatype.PhoneNumber: 0.004},
	},
}

func hexText(r *rand.Rand, n int) string { return hex.EncodeToString(random(r, n)) }

func random(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func from(r *rand.Rand, n int, alphabet string) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(b)
}

// TestFalsePositives names the types of 100,000 clean values of each family. What
// is found beside the usual types must be what chance gives.
func TestFalsePositives(t *testing.T) {
	const n = clean
	total := map[datatype.Name]int{}
	var d datatype.Detector
	for i, f := range families {
		r := rand.New(rand.NewPCG(7, uint64(i)))
		found := map[datatype.Name]int{}
		example := map[datatype.Name]string{}
		for range n {
			s := f.make(r)
			name := d.Text("value", s)
			if !slices.Contains(f.usual, name) {
				found[name]++
				total[name]++
				example[name] = s
			}
		}
		for _, name := range slices.Sorted(maps.Keys(found)) {
			t.Logf("%s: %d of %d are %s, as %q", f.name, found[name], n, name, example[name])
			allowed := 0.0
			if share := f.chance[name]; share > 0 {
				allowed = share*n + 3
			}
			if float64(found[name]) > allowed {
				t.Errorf("%s: %d are %s, want at most %.0f", f.name, found[name], name, allowed)
			}
		}
	}
	t.Logf("false positives of %d values: %v", n*len(families), total)
}

// TestRecall plants values of each type in the spellings that people use.
func TestRecall(t *testing.T) {
	jwt := func(r *rand.Rand, pad bool) string {
		enc := base64.RawURLEncoding.EncodeToString
		if pad {
			enc = base64.URLEncoding.EncodeToString
		}
		return enc([]byte(`{"typ":"JWT","alg":"RS256"}`)) + "." + enc([]byte(`{"sub":"`+strconv.Itoa(r.IntN(1e9))+`?>~"}`)) + "." + enc(random(r, 32))
	}
	card := func(r *rand.Rand) string {
		prefix := []string{"4", "51", "55", "2221", "2720", "6011", "644", "65", "622126"}[r.IntN(9)]
		return withLuhn(prefix + from(r, 15-len(prefix), "0123456789"))
	}
	planted := map[datatype.Name][]func(r *rand.Rand) string{
		datatype.CreditCard: {
			card,
			func(r *rand.Rand) string { c := card(r); return c[:4] + " " + c[4:8] + " " + c[8:12] + " " + c[12:] },
			func(r *rand.Rand) string { c := card(r); return c[:4] + "-" + c[4:8] + "-" + c[8:12] + "-" + c[12:] },
			func(r *rand.Rand) string { return withLuhn("37" + from(r, 12, "0123456789")) },
			func(r *rand.Rand) string { return withLuhn("4" + from(r, 11, "0123456789")) },
		},
		datatype.Email: {
			func(r *rand.Rand) string {
				return from(r, 1+r.IntN(9), "abcxyz019_+-") + "@" + from(r, 5, "shop") + ".com"
			},
			func(r *rand.Rand) string {
				return "Jo." + from(r, 4, "ABCabc") + "@mail." + from(r, 3, "abc") + ".co.uk"
			},
			func(r *rand.Rand) string { return from(r, 5, "abc") + "@Shop.TECHNOLOGY" },
		},
		datatype.SSN: {func(r *rand.Rand) string {
			return from(r, 3, "0123456789") + "-" + from(r, 2, "0123456789") + "-" + from(r, 4, "0123456789")
		}},
		datatype.PhoneNumber: {
			func(r *rand.Rand) string { return "+1650253" + from(r, 4, "0123456789") },
			func(r *rand.Rand) string { return "+1 650-253-" + from(r, 4, "0123456789") },
			func(r *rand.Rand) string { return "+1(650)253" + from(r, 4, "0123456789") },
			func(r *rand.Rand) string { return "+447400" + from(r, 6, "0123456789") },
			func(r *rand.Rand) string { return "+49 1512 " + from(r, 7, "0123456789") },
			func(r *rand.Rand) string { return "+9198765" + from(r, 5, "0123456789") },
		},
		datatype.JWT: {func(r *rand.Rand) string { return jwt(r, false) }, func(r *rand.Rand) string { return jwt(r, true) }},
		datatype.UUID: {
			func(r *rand.Rand) string {
				h := hexText(r, 16)
				return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
			},
			func(r *rand.Rand) string {
				h := strings.ToUpper(hexText(r, 16))
				return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
			},
		},
		datatype.IPAddress: {
			func(r *rand.Rand) string {
				return fmt.Sprintf("%d.%d.%d.%d", r.IntN(256), r.IntN(256), r.IntN(256), r.IntN(256))
			},
			func(r *rand.Rand) string {
				return fmt.Sprintf("2001:db8:%x:%x:%x:%x:%x:%x", r.IntN(65536), r.IntN(65536), r.IntN(65536), r.IntN(65536), r.IntN(65536), r.IntN(65536))
			},
			func(r *rand.Rand) string { return fmt.Sprintf("fe80::%X", 1+r.IntN(65535)) },
			func(r *rand.Rand) string { return fmt.Sprintf("::ffff:10.0.%d.%d", r.IntN(256), r.IntN(256)) },
		},
		datatype.VIN: {
			vin, func(r *rand.Rand) string { return strings.ToLower(vin(r)) },
		},
		datatype.URL: {
			func(r *rand.Rand) string { return "https://" + from(r, 8, "abcz.") + "h/x?y=" + from(r, 3, "019") },
			func(r *rand.Rand) string {
				return "HTTP://shop.example:" + from(r, 4, "12") + "/" + from(r, 5, "ab%;=")
			},
			func(r *rand.Rand) string { return "mailto:" + from(r, 4, "abc") + "@a.example" },
		},
	}
	var d datatype.Detector
	for name, spellings := range planted {
		for i, spelling := range spellings {
			r := rand.New(rand.NewPCG(11, uint64(i)))
			missed, n := 0, plantedEach
			example := ""
			for range n {
				s := spelling(r)
				if got := d.Text("value", s); got != name {
					missed++
					example = s + " as " + got
				}
			}
			if missed > 0 {
				t.Errorf("%s, spelling %d: %d of %d missed, %s", name, i, missed, n, example)
			}
		}
	}
}

// withLuhn adds the check digit.
func withLuhn(s string) string {
	sum := 0
	for i := range len(s) {
		v := int(s[len(s)-1-i] - '0')
		if i%2 == 0 {
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
	}
	return s + strconv.Itoa((10-sum%10)%10)
}

// vin makes a vehicle identification number.
func vin(r *rand.Rand) string {
	const alphabet = "0123456789ABCDEFGHJKLMNPRSTUVWXYZ"
	const values = "012345678912345678123457923456789"
	weights := [...]int{8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2}
	b := []byte(from(r, 17, alphabet))
	sum := 0
	for i := range b {
		sum += int(values[strings.IndexByte(alphabet, b[i])]-'0') * weights[i]
	}
	b[8] = "0123456789X"[sum%11]
	return string(b)
}
