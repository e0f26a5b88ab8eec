package datatype

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/nyaruka/phonenumbers"
)

// A numbering says what the library says, of the calling codes that there are and
// of those that there are not.
func TestNumbering(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var n numbering
	known, valid, all := 0, 0, 0
	f := func(s string) {
		t.Helper()
		if plain, ok := mayBePhone(s); !plain || !ok {
			return
		}
		all++
		got, sure := n.valid(s)
		if !sure {
			return
		}
		known++
		want := isPhone(s)
		if want {
			valid++
		}
		if got != want {
			t.Errorf("%s: valid %v, want %v", s, got, want)
		}
	}
	coll, err := phonenumbers.MetadataCollection()
	if err != nil {
		t.Fatal(err)
	}
	rounds := 25
	if testing.Short() {
		rounds = 3
	}
	for _, m := range coll.GetMetadata() {
		for _, d := range []*phonenumbers.PhoneNumberDesc{
			m.GetGeneralDesc(), m.GetFixedLine(), m.GetMobile(), m.GetTollFree(), m.GetPremiumRate(), m.GetSharedCost(), m.GetVoip(),
			m.GetPersonalNumber(), m.GetPager(), m.GetUan(), m.GetVoicemail(),
		} {
			example := d.GetExampleNumber()
			if example == "" {
				continue
			}
			f(fmt.Sprint("+", m.GetCountryCode(), example))
			for range rounds {
				b := []byte(example)
				for range 1 + r.IntN(3) {
					b[r.IntN(len(b))] = byte('0' + r.IntN(10))
				}
				b = b[:len(b)-r.IntN(2)]
				if r.IntN(4) == 0 {
					b = append(b, byte('0'+r.IntN(10)))
				}
				f(fmt.Sprintf("+%d%s", m.GetCountryCode(), b))
			}
		}
	}
	for range 1000 * rounds {
		f(fmt.Sprint("+", r.Uint64N(1e15)))
	}
	for code := range 1000 {
		f(fmt.Sprintf("+%d%08d", code, r.IntN(1e8)))
		f(fmt.Sprintf("+%03d%09d", code, r.IntN(1e9)))
	}
	t.Logf("%d numbers, %d decided, %d of them valid", all, known, valid)
	if known < all*3/4 || valid < all/10 {
		t.Errorf("%d of %d numbers decided, %d of them valid: too few to mean anything", known, all, valid)
	}
}

// Many use it at once.
func TestNumberingTogether(t *testing.T) {
	var n numbering
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 2))
			for range 200 {
				s := fmt.Sprintf("+1650%07d", r.IntN(1e7))
				if got, known := n.valid(s); known && got != isPhone(s) {
					t.Errorf("%s: valid %v, want %v", s, got, !got)
				}
			}
		})
	}
	wg.Wait()
}
