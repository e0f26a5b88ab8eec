package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"golang.org/x/crypto/argon2"

	"harken/inventory/fault"
)

const passwordMarks = "+@*#$%&/()=?^![]{}-_:;><|,." //nolint:gosec // the characters that the rule allows, no credential

// CheckPassword tells whether a password obeys the published rule: 8 to 39
// characters, a letter and a digit among them, and besides letters and digits
// only the marks that the rule names.
func CheckPassword(s string) error {
	if len(s) < 8 || len(s) > 39 {
		return fault.New(fault.Invalid, "password: must have 8 to 39 characters")
	}
	var letter, digit bool
	for _, r := range s {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z':
			letter = true
		case '0' <= r && r <= '9':
			digit = true
		case !strings.ContainsRune(passwordMarks, r):
			return fault.New(fault.Invalid, "password: only letters, digits and %s are allowed", passwordMarks)
		}
	}
	if !letter || !digit {
		return fault.New(fault.Invalid, "password: needs at least one letter and one digit")
	}
	return nil
}

// The cost of one hash: OWASP's second choice for argon2id, 19 MiB and two
// passes, as strong as 46 MiB and one but kinder to a process that is to stay
// small. It is written into each hash, so that raising it does not lock anybody out.
const (
	argonTime    = 2
	argonMemory  = 19 * 1024 // KiB
	argonThreads = 1
	argonKey     = 32
	argonSalt    = 16
)

// A Hasher hashes and checks passwords with argon2id. It bounds how many run at
// once: each takes 46 MiB, and sign-in is open to strangers. It is safe for
// concurrent use.
type Hasher struct {
	slots chan struct{}
	decoy string
	runs  atomic.Int64
}

// Runs returns how many hashes were computed so far, to make and to check them.
func (h *Hasher) Runs() int64 { return h.runs.Load() }

// NewHasher returns a hasher that runs at most n hashes at once; zero is 2.
func NewHasher(n int) *Hasher {
	if n <= 0 {
		n = 2
	}
	salt, sum := make([]byte, argonSalt), make([]byte, argonKey)
	_, _ = rand.Read(salt) // never fails since Go 1.24
	_, _ = rand.Read(sum)
	return &Hasher{slots: make(chan struct{}, n), decoy: phc(salt, sum)}
}

// Hash returns the PHC text of a password. Its only error is that of ctx, while
// waiting for a turn.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, argonSalt)
	_, _ = rand.Read(salt) // never fails since Go 1.24
	sum, err := h.sum(ctx, password, salt, argonTime, argonMemory, argonThreads, argonKey)
	if err != nil {
		return "", err
	}
	return phc(salt, sum), nil
}

// Verify says whether a password belongs to a hash. With an empty hash, that of
// a user who does not exist, it does the same work and says no.
func (h *Hasher) Verify(ctx context.Context, password, hash string) (bool, error) {
	known := hash != ""
	if !known {
		hash = h.decoy
	}
	p, err := parsePHC(hash)
	if err != nil {
		return false, err
	}
	sum, err := h.sum(ctx, password, p.salt, p.time, p.memory, p.threads, uint32(len(p.sum))) //nolint:gosec // parsePHC bounds it
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(sum, p.sum) == 1 && known, nil
}

func (h *Hasher) sum(ctx context.Context, password string, salt []byte, t, m uint32, p uint8, n uint32) ([]byte, error) {
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-h.slots }()
	h.runs.Add(1)
	return argon2.IDKey([]byte(password), salt, t, m, p, n), nil
}

func phc(salt, sum []byte) string {
	enc := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonThreads,
		enc.EncodeToString(salt), enc.EncodeToString(sum))
}

type phcParts struct {
	memory, time uint32
	threads      uint8
	salt, sum    []byte
}

func parsePHC(s string) (phcParts, error) {
	var p phcParts
	bad := errors.New("stored password hash is not argon2id")
	f := strings.Split(s, "$")
	if len(f) != 6 || f[1] != "argon2id" || f[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, bad
	}
	if n, err := fmt.Sscanf(f[3], "m=%d,t=%d,p=%d", &p.memory, &p.time, &p.threads); n != 3 || err != nil {
		return p, bad
	}
	var err, serr error
	p.salt, err = base64.RawStdEncoding.DecodeString(f[4])
	p.sum, serr = base64.RawStdEncoding.DecodeString(f[5])
	if err != nil || serr != nil || len(p.sum) < 16 || len(p.sum) > 64 || p.time == 0 || p.threads == 0 || p.memory > 1<<20 {
		return p, bad
	}
	return p, nil
}
