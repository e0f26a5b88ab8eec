package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"log/slog"
	"strings"
)

// A Hash is the SHA-256 of a random secret. Tokens carry 200 bits and more, so
// a plain hash is enough: there is nothing to guess.
type Hash [sha256.Size]byte

// HashToken returns the hash under which a token is stored.
func HashToken(token string) Hash { return sha256.Sum256([]byte(token)) }

// Equal compares in constant time.
func (h Hash) Equal(o Hash) bool { return subtle.ConstantTimeCompare(h[:], o[:]) == 1 }

// TokenLen is the length of the text of an API key.
const TokenLen = 40

// PrefixLen is how many characters of a key people see again.
const PrefixLen = 6

// NewToken returns the random text of an API key: TokenLen letters and digits.
func NewToken() string {
	return random(TokenLen, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
}

// NewSessionID returns a random session id of 256 bits and more.
func NewSessionID() string {
	return random(48, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
}

// NewInvitationID returns a random id in the published form: 24 hexadecimal digits.
func NewInvitationID() string { return random(24, "0123456789abcdef") }

// NewPassword returns a random password of 20 characters that CheckPassword
// accepts and that is easy to read out: no characters that look alike.
func NewPassword() string {
	for {
		s := random(20, "abcdefghjkmnpqrstuvwxyzABCDEFGHJKMNPQRSTUVWXYZ23456789")
		if CheckPassword(s) == nil {
			return s
		}
	}
}

// NewResetToken returns the random text of a link that resets a password: 256
// bits, in base64 for URLs without padding.
func NewResetToken() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// random draws without bias: bytes beyond the last whole multiple of the
// alphabet are thrown away.
func random(n int, alphabet string) string {
	limit := 256 - 256%len(alphabet)
	var b strings.Builder
	var buf [64]byte
	for b.Len() < n {
		_, _ = rand.Read(buf[:]) // never fails since Go 1.24
		for _, c := range buf {
			if int(c) < limit && b.Len() < n {
				b.WriteByte(alphabet[int(c)%len(alphabet)])
			}
		}
	}
	return b.String()
}

// A Utility says what an API key is for, and so which paths it reaches.
type Utility string

// The utilities.
const (
	ExternalAPI Utility = "EXTERNAL_API"
	Burp        Utility = "BURP"
	CICD        Utility = "CICD"
	Slack       Utility = "SLACK"
)

// Reaches says whether a key of this utility may call the endpoint name, the
// part of the path after /api/.
func (u Utility) Reaches(name string) bool {
	switch u {
	case ExternalAPI:
		return true
	case Burp:
		return name == "uploadHar" || name == "ingestData" || name == "importInBurp" || name == "sendHealthCheck"
	case CICD:
		return name == "getAllCollections" || name == "fetchAllTestSuites"
	default:
		return false
	}
}

// Plan is the label that a plan must grant for keys of a utility; empty is none.
func (u Utility) Plan() string {
	switch u {
	case ExternalAPI:
		return PlanExternalAPI
	case CICD:
		return PlanCICD
	default:
		return ""
	}
}

// An APIKey lets a program act as its owner in one account. The token itself is
// shown once and never stored.
type APIKey struct {
	ID      int32
	Hash    Hash
	Prefix  string // first PrefixLen characters of the token
	Name    string
	Account int32
	Owner   int32 // user
	Utility Utility
	Created int64 // Unix seconds
	// Sealed is the token for its owner to see again, where that is wanted.
	Sealed string
}

// Seal keeps the token of the key so that Reveal shows it.
func (k *APIKey) Seal(s *Sealer, token string) {
	k.Sealed = string(s.Seal(k.sealName(), []byte(token)))
}

// Reveal returns the token of the key, if it was sealed and s opens it.
func (k *APIKey) Reveal(s *Sealer) (string, bool) {
	if s == nil || k.Sealed == "" {
		return "", false
	}
	token, err := s.Open(k.sealName(), []byte(k.Sealed))
	return string(token), err == nil && HashToken(string(token)).Equal(k.Hash)
}

// sealName ties what is sealed to its key.
func (k *APIKey) sealName() string { return "api-key-" + hex.EncodeToString(k.Hash[:]) }

// NewAPIKey returns a key for a token, made at a time (Unix seconds).
func NewAPIKey(token string, owner, account int32, u Utility, now int64) APIKey {
	return APIKey{
		ID: int32(now), Hash: HashToken(token), Prefix: token[:min(PrefixLen, len(token))], //nolint:gosec // ids are seconds until 2038, as published
		Name: strings.ToLower(string(u)), Account: account, Owner: owner, Utility: u, Created: now,
	}
}

// LogValue keeps hashes out of logs.
func (k APIKey) LogValue() slog.Value {
	return slog.GroupValue(slog.Int("id", int(k.ID)), slog.String("prefix", k.Prefix))
}
