package main

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// A kind is a way in which services write ids.
type kind uint8

const (
	kInt kind = iota
	kSnowflake
	kUUID
	kObjectID
	kULID
	kPrefixed // cus_9sKdP2mQx81LtZ
	kCode     // ORD-2024-00173
	kNano
	kHash
	kShortHash
	kDate
	kTimestamp
	kEmail
	kBase64
	kSlugNumber // red-lamp-48213
	kHandleNumber
	kHandle // as people call themselves
	kSlug   // as they call their projects
	kLocale
	kSemver
	kinds
)

var kindNames = [kinds]string{
	"int", "snowflake", "uuid", "objectId", "ulid", "prefixed", "code", "nanoid", "hash", "short hash", "date", "timestamp",
	"e-mail", "base64url", "slug with number", "name with number", "name", "slug", "locale", "version",
}

// opaque kinds have nothing about a single value that says that it is an id; only
// eleven look-alikes tell, and none if the values are English words.
func (k kind) opaque() bool { return k == kHandle || k == kSlug || k == kLocale || k == kSemver }

// A share is a weight of a kind.
type share struct {
	kind   kind
	weight int
}

// The shares, of a thousand. Nobody publishes a census; these are estimates from
// public APIs: what they call an id is mostly a number or a UUID, then the ids of
// databases (MongoDB's ObjectId, ULID, snowflakes) and ids with a prefix, as
// payment services have them; hashes in registries and storage; dates in reports.
// Of the names that people chose one in twenty is opaque: it has fewer than three
// digits, and mostly is in no dictionary. Slugs of nothing but English words are
// left out, because they stay static by the rules for learning.
var (
	idShares = []share{
		{kInt, 370},
		{kUUID, 280},
		{kObjectID, 80},
		{kSnowflake, 50},
		{kULID, 40},
		{kPrefixed, 50},
		{kCode, 40},
		{kNano, 15},
		{kHash, 25},
		{kShortHash, 5},
		{kDate, 15},
		{kTimestamp, 3},
		{kEmail, 6},
		{kBase64, 5},
		{kSlugNumber, 5},
		{kHandleNumber, 5},
		{kHandle, 2},
		{kLocale, 2},
		{kSemver, 2},
	}
	nameShares = []share{
		{kHandleNumber, 420}, {kEmail, 220}, {kUUID, 160}, {kInt, 120}, {kObjectID, 30}, {kHandle, 50},
	}
	slugShares = []share{{kSlugNumber, 650}, {kUUID, 150}, {kNano, 50}, {kInt, 100}, {kSlug, 50}}
	intShares  = []share{{kInt, 850}, {kSnowflake, 150}}
)

func pick(r *rand.Rand, shares []share) kind {
	sum := 0
	for _, s := range shares {
		sum += s.weight
	}
	n := r.IntN(sum)
	for _, s := range shares {
		if n -= s.weight; n < 0 {
			return s.kind
		}
	}
	return kInt
}

// kindFor chooses how a service writes a parameter: what the document says, where
// it says anything, else by what such a name mostly holds. renamed says that the
// service only has the shape of the document's, and ids of its own.
func kindFor(r *rand.Rand, name, typ string, renamed bool) kind {
	low := strings.ToLower(name)
	switch {
	case strings.Contains(typ, "uuid"):
		return kUUID
	case strings.Contains(typ, "date-time"):
		return kTimestamp
	case strings.Contains(typ, "date"):
		return kDate
	case strings.Contains(typ, "email"):
		return kEmail
	case strings.Contains(low, "slug"):
		return pick(r, slugShares)
	case strings.Contains(low, "name"), strings.Contains(low, "user") && !strings.Contains(low, "id"):
		return pick(r, nameShares)
	case !renamed && (strings.Contains(typ, "integer") || strings.Contains(typ, "number")):
		return pick(r, intShares)
	}
	return pick(r, idShares)
}

const (
	lower  = "abcdefghijklmnopqrstuvwxyz"
	digits = "0123456789"
	base62 = digits + lower + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	hex    = "0123456789abcdef"
)

func from(dst []byte, r *rand.Rand, alphabet string, n int) []byte {
	for range n {
		dst = append(dst, alphabet[r.IntN(len(alphabet))])
	}
	return dst
}

// appendID appends the value of a kind that r gives.
func appendID(dst []byte, k kind, r *rand.Rand) []byte {
	switch k {
	case kInt:
		return strconv.AppendInt(dst, 1+r.Int64N(1<<(6+r.Uint64N(20))), 10)
	case kSnowflake:
		return strconv.AppendInt(dst, 1e17+r.Int64N(9e17), 10)
	case kUUID:
		return appendUUID(dst, r)
	case kObjectID:
		return from(append(dst, "6"...), r, hex, 23)
	case kULID:
		return from(append(dst, "01H"...), r, "0123456789ABCDEFGHJKMNPQRSTVWXYZ", 23)
	case kPrefixed:
		return from(append(dst, strings.Fields("cus_ pi_ sub_ in_ acct_ evt_ req_ org-")[r.IntN(8)]...), r, base62, 14+r.IntN(10))
	case kCode:
		return fmt.Appendf(dst, "%s-%d-%05d", strings.Fields("ORD INV RMA PO TCK")[r.IntN(5)], 2019+r.IntN(8), r.IntN(1e5))
	case kNano:
		return from(dst, r, base62+"_-", 21)
	case kHash:
		return from(dst, r, hex, []int{32, 40, 64}[r.IntN(3)])
	case kShortHash:
		return from(dst, r, hex, 7)
	case kDate:
		return fmt.Appendf(dst, "20%02d-%02d-%02d", 19+r.IntN(8), 1+r.IntN(12), 1+r.IntN(28))
	case kTimestamp:
		return fmt.Appendf(dst, "20%02d-%02d-%02dT%02d:%02d:%02dZ", 19+r.IntN(8), 1+r.IntN(12), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60))
	case kBase64:
		var raw [16]byte
		for i := range raw {
			raw[i] = byte(r.Uint32())
		}
		return base64.RawURLEncoding.AppendEncode(dst, raw[:])
	}
	return appendName(dst, k, r)
}

func appendName(dst []byte, k kind, r *rand.Rand) []byte {
	switch k {
	case kEmail:
		dst = appendName(dst, kHandle, r)
		return fmt.Appendf(dst, "%d@%s", r.IntN(100), strings.Fields("example.com example.org mail.example.net")[r.IntN(3)])
	case kSlugNumber:
		return fmt.Appendf(dst, "%s-%s-%d", oneOf(r, adjectives), oneOf(r, nouns), 1000+r.IntN(90000))
	case kHandleNumber:
		return fmt.Appendf(append(dst, oneOf(r, firstNames)...), "%d", 1950+r.IntN(8000))
	case kSlug: // as people name projects
		return fmt.Appendf(from(append(dst, lower[r.IntN(26)]), r, "bcdfghjklmnpqrstvwxz", 3), "%s", oneOf(r, projectTails))
	case kLocale:
		return append(dst, oneOf(r, locales)...)
	case kSemver:
		return fmt.Appendf(dst, "%d.%d.%d", r.IntN(9), r.IntN(30), r.IntN(40))
	}
	switch r.IntN(5) {
	case 0:
		return append(append(append(dst, oneOf(r, firstNames)...), '.'), oneOf(r, surnames)...)
	case 1:
		return append(append(dst, oneOf(r, surnames)...), lower[r.IntN(26)])
	case 2:
		return strconv.AppendInt(append(dst, oneOf(r, surnames)...), r.Int64N(100), 10)
	}
	return append(append(append(dst, oneOf(r, firstNames)[0]), lower[r.IntN(26)]), oneOf(r, surnames)...)
}

func appendUUID(dst []byte, r *rand.Rand) []byte {
	hi, lo := r.Uint64(), r.Uint64()
	return fmt.Appendf(dst, "%08x-%04x-4%03x-%04x-%012x", hi>>32, hi>>16&0xffff, hi&0xfff, lo>>48&0x3fff|0x8000, lo&(1<<48-1))
}

func oneOf(r *rand.Rand, list []string) string { return list[r.IntN(len(list))] }

var (
	firstNames = strings.Fields(`alice omar jo priya chen maria ivan fatima lukas noor yuki pedro anna kwame li sofia jan amir eva tom ines raj mina olga
		paul zara ken lena hugo aisha`)
	surnames = strings.Fields(`kowalski nguyen mueller garcia okafor ivanov tanaka haddad rossi svensson dubois novak papadopoulos kim andersen yilmaz
		fernandez horvath oconnor schmidt patel silva nakamura kovacs larsen mbeki petrov lindqvist zhang eriksen vandermeer costa hernandez abdi
		bianchi wojcik keller moreau jansen ozturk`)
	adjectives   = strings.Fields("red small warm light blue late quiet heavy round early")
	nouns        = strings.Fields("shirt table lamp garden river stone chair bottle jacket window")
	projectTails = strings.Fields("-web -cli lib .js -api -tools db x io")
	locales      = strings.Fields("en-US de-DE fr-FR pt-BR ja-JP es-MX en-GB it-IT nl-NL ko-KR zh-CN pl-PL sv-SE tr-TR")
)
