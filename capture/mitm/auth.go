package mitm

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"strings"
)

// An authenticator checks Proxy-Authorization. It keeps only a digest, which
// makes the comparison independent of the lengths too.
type authenticator struct {
	required bool
	digest   [sha256.Size]byte
}

func newAuthenticator(user, password string) *authenticator {
	return &authenticator{
		required: user != "" || password != "",
		digest:   sha256.Sum256([]byte(user + ":" + password)),
	}
}

// allows reports whether h carries the right credentials, or none are needed.
func (a *authenticator) allows(h http.Header) bool {
	if !a.required {
		return true
	}
	scheme, value, ok := strings.Cut(h.Get("Proxy-Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Basic") {
		return false
	}
	plain, err := base64.StdEncoding.DecodeString(strings.TrimSpace(value))
	if err != nil {
		return false
	}
	got := sha256.Sum256(plain)
	return subtle.ConstantTimeCompare(got[:], a.digest[:]) == 1
}

// challenge answers 407 (RFC 9110, section 15.5.8).
func (a *authenticator) challenge(w http.ResponseWriter) {
	w.Header().Set("Proxy-Authenticate", `Basic realm="harken", charset="UTF-8"`)
	http.Error(w, "This proxy requires a user name and a password.", http.StatusProxyAuthRequired)
}
