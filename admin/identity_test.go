package admin_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"harken/admin"
	"harken/admin/auth"
	"harken/inventory"
)

// signer is that of all worlds: making a key takes a while.
var signer = sync.OnceValue(newSigner)

func newSigner() *auth.Signer {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	s, err := auth.NewSigner(key)
	if err != nil {
		panic(err)
	}
	return s
}

// keepCredentials writes what an answer gives to files: the session cookie to
// cookie, the refresh cookie to refresh, the access token to token.
func keepCredentials(ts *testscript.TestScript, res *http.Response) {
	for _, c := range res.Cookies() {
		file := map[string]string{"harken_session": "cookie", "refreshToken": "refresh"}[c.Name]
		ts.Check(os.WriteFile(ts.MkAbs(file), []byte(c.Name+"="+c.Value), 0o600))
	}
	if token := res.Header.Get("access-token"); token != "" {
		ts.Check(os.WriteFile(ts.MkAbs("token"), []byte(token), 0o600))
	}
}

// pass DURATION lets time pass for the server.
func cmdPass(ts *testscript.TestScript, _ bool, args []string) {
	d, err := time.ParseDuration(args[0])
	ts.Check(err)
	ts.Value("world").(*world).late.Add(int64(d))
}

// mail prints the messages that were sent so far, in no order.
func cmdMail(ts *testscript.TestScript, neg bool, _ []string) {
	names, err := filepath.Glob(filepath.Join(ts.Value("world").(*world).mail.Dir, "*"))
	ts.Check(err)
	if (len(names) == 0) != neg {
		ts.Fatalf("there are %d messages", len(names))
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		ts.Check(err)
		_, err = ts.Stdout().Write(b)
		ts.Check(err)
	}
}

// invite EMAIL CODE ROLE [ACCOUNT] stores an invitation, to the first account if
// none is named, for an hour.
func cmdInvite(ts *testscript.TestScript, _ bool, args []string) {
	w := ts.Value("world").(*world)
	account := int64(inventory.DefaultAccount)
	if len(args) > 3 {
		var err error
		account, err = strconv.ParseInt(args[3], 10, 32)
		ts.Check(err)
	}
	ts.Check(w.db.PutInvitation(context.Background(), auth.Invitation{
		ID: "id of " + args[1], Account: int32(account), Email: args[0], Name: "Guest", Hash: auth.HashToken(args[1]), Issuer: now,
		Expiry: (now + 3600) * 1000, Role: args[2],
	}))
}

// take REGEXP keeps its first group in the last output for ${TAKEN} in bodies.
func cmdTake(ts *testscript.TestScript, _ bool, args []string) {
	m := regexp.MustCompile(args[0]).FindStringSubmatch(ts.ReadFile("stdout"))
	if m == nil {
		ts.Fatalf("no %s", args[0])
	}
	ts.Setenv("TAKEN", m[1])
}

// claims FILE prints the header and the claims of the token in a file, without
// what is random in them.
func cmdClaims(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile(args[0])
	text = strings.TrimPrefix(text, "refreshToken=")
	for _, part := range strings.Split(text, ".")[:2] {
		b, err := base64.RawURLEncoding.DecodeString(part)
		ts.Check(err)
		b = regexp.MustCompile(`"(kid|jti|sid)":"[^"]+"`).ReplaceAll(b, []byte(`"$1":"-"`))
		_, _ = ts.Stdout().Write(append(b, '\n'))
	}
}

// plan [LIMIT...] sets what the organization's plan grants, as -plan-limits does.
func cmdPlan(ts *testscript.TestScript, _ bool, args []string) {
	p, err := admin.ParsePlans(args, 0)
	ts.Check(err)
	w := ts.Value("world").(*world)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.plans = p
}
