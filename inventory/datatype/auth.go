package datatype

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// An AuthType is a way to authenticate that a user defined: a document of
// custom_auth_type. Times are seconds since 1970.
type AuthType struct {
	ID   string `json:"_id,omitempty"`
	Name string `json:"name"`
	// HeaderKeys are names of request headers or cookies, in any case. If all are
	// there, a request has the type.
	HeaderKeys []string `json:"headerKeys"`
	// PayloadKeys are places in a JSON body ("a.b", "a[0].b"), which count if the
	// headers did not.
	PayloadKeys []string `json:"payloadKeys"`
	Active      bool     `json:"active"`
	CreatorID   int32    `json:"creatorId"`
	Timestamp   int32    `json:"timestamp"`
	// APICollectionIDs are the collections in which the type is looked for; all if
	// there are none.
	APICollectionIDs []int32  `json:"apiCollectionIds,omitempty"`
	TypeOfTokens     []string `json:"typeOfTokens,omitempty"` // kept for other readers
}

// The limits of ways to authenticate.
const (
	MaxAuthTypes = 200
	// MaxAuthKeys is how many keys each of the two lists may have.
	MaxAuthKeys = 50
	// maxAuthLeaves is how many scalars of a body are looked at.
	maxAuthLeaves = 10_000
	maxAuthPath   = 1024 // bytes
)

// builtinAuth are the names that the product gives itself.
var builtinAuth = []string{
	"UNAUTHENTICATED", "BASIC", "AUTHORIZATION_HEADER", "JWT", "API_TOKEN", "BEARER", "CUSTOM", "API_KEY", "MTLS", "SESSION_TOKEN",
}

// ValidateAuth checks a way to authenticate that is about to be stored. Errors are
// of type *DefinitionError.
func ValidateAuth(t AuthType) error {
	_, err := compileAuth(&t)
	return err
}

// AuthTypes finds the ways to authenticate that users defined. It does not change,
// and is safe for concurrent use; nil finds nothing.
type AuthTypes struct {
	list []authRule
}

type authRule struct {
	name        string
	headers     []string // in lower case
	payload     []string
	collections []int32
}

// CompileAuth prepares definitions; those that are not active are left out, and so
// is one that is refused, which the error (of *DefinitionErrors, joined) names. The
// result is never nil.
func CompileAuth(types []AuthType) (*AuthTypes, error) {
	a := &AuthTypes{}
	var errs []error
	seen := map[string]bool{}
	for i := range types {
		t := &types[i]
		if !t.Active {
			continue
		}
		r, err := compileAuth(t)
		switch {
		case err != nil:
		case seen[t.Name]:
			err = &DefinitionError{Type: t.Name, Field: "name", Reason: "is there twice"}
		case len(a.list) == MaxAuthTypes:
			err = &DefinitionError{Type: t.Name, Field: "active", Reason: fmt.Sprintf("one of more than %d types", MaxAuthTypes)}
		default:
			seen[t.Name] = true
			a.list = append(a.list, r)
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	return a, errors.Join(errs...)
}

func compileAuth(t *AuthType) (authRule, error) {
	fail := func(field, format string, args ...any) (authRule, error) {
		return authRule{}, &DefinitionError{Type: t.Name, Field: field, Reason: fmt.Sprintf(format, args...)}
	}
	switch {
	case t.Name == "" || len(t.Name) > MaxName || strings.TrimSpace(t.Name) != t.Name:
		return fail("name", "want 1 to %d bytes without white space around", MaxName)
	case slices.Contains(builtinAuth, strings.ToUpper(t.Name)):
		return fail("name", "is the name of a built-in type")
	case len(t.HeaderKeys)+len(t.PayloadKeys) == 0:
		return fail("headerKeys", "neither these nor payloadKeys are given, so that no request has the type")
	}
	r := authRule{name: t.Name, collections: slices.Clone(t.APICollectionIDs)}
	for _, list := range []struct {
		field string
		keys  []string
	}{{"headerKeys", t.HeaderKeys}, {"payloadKeys", t.PayloadKeys}} {
		if len(list.keys) > MaxAuthKeys {
			return fail(list.field, "%d keys, want at most %d", len(list.keys), MaxAuthKeys)
		}
		for i, key := range list.keys {
			key = strings.TrimSpace(key)
			if key == "" || len(key) > 256 {
				return fail(fmt.Sprintf("%s[%d]", list.field, i), "want 1 to 256 bytes")
			}
			if list.field == "headerKeys" {
				r.headers = append(r.headers, strings.ToLower(key))
			} else if !slices.Contains(r.payload, key) {
				r.payload = append(r.payload, key)
			}
		}
	}
	return r, nil
}

// Match gives the name of the first type that a request in the collection has;
// empty if it has none. has reports whether there is a header or cookie with a
// name, which is in lower case; body is that of the request.
func (a *AuthTypes) Match(collection int32, has func(name string) bool, body []byte) string {
	if a == nil {
		return ""
	}
	for i := range a.list {
		r := &a.list[i]
		if len(r.collections) > 0 && !slices.Contains(r.collections, collection) {
			continue
		}
		if len(r.headers) > 0 && !slices.ContainsFunc(r.headers, func(name string) bool { return !has(name) }) || r.inBody(body) {
			return r.name
		}
	}
	return ""
}

func (r *authRule) inBody(body []byte) bool {
	if len(r.payload) == 0 {
		return false
	}
	for _, key := range r.payload {
		// A body without the innermost name needs no closer look. Names that JSON may
		// write with escapes are not searched for.
		name := key[strings.LastIndexByte(key, '.')+1:]
		name, _, _ = strings.Cut(name, "[")
		if plainName(name) && !bytes.Contains(body, []byte(name)) && !bytes.Contains(body, []byte(`\u`)) {
			return false
		}
	}
	// The lists are short, so that a bit for each key does.
	var found, all uint64
	all = 1<<len(r.payload) - 1
	leaves(body, func(path []byte) bool {
		for i, key := range r.payload {
			if string(path) == key {
				found |= 1 << i
			}
		}
		return found != all
	})
	return found == all
}

func plainName(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isLetter(c) && !isDigit(c) && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// leaves gives the places of the scalars and empty containers of a JSON body, until
// yield returns false. The bytes are reused.
func leaves(body []byte, yield func(path []byte) bool) {
	body = bytes.TrimSpace(body)
	if len(body) == 0 || body[0] != '{' && body[0] != '[' {
		return
	}
	type level struct {
		object bool
		named  bool // a name was read and its value was not
		start  int  // length of the path of the container
		n      int  // members or elements so far
	}
	var stack []level
	var path []byte
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	for n := 0; n < maxAuthLeaves && len(path) < maxAuthPath; {
		tok, err := dec.Token()
		if err != nil {
			return
		}
		delim, isDelim := tok.(json.Delim)
		if isDelim && (delim == '}' || delim == ']') {
			top := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			path = path[:top.start]
			if n++; top.n == 0 && len(path) > 0 && !yield(path) {
				return
			}
			continue
		}
		if len(stack) > 0 {
			top := &stack[len(stack)-1]
			name, isName := tok.(string)
			switch {
			case top.object && !top.named && isName:
				path = path[:top.start]
				if len(path) > 0 {
					path = append(path, '.')
				}
				path = append(path, name...)
				top.named = true
				top.n++
				continue
			case !top.object:
				path = append(path[:top.start], '[')
				path = append(strconv.AppendInt(path, int64(top.n), 10), ']')
				top.n++
			}
			top.named = false
		}
		if isDelim {
			stack = append(stack, level{object: delim == '{', start: len(path)})
			continue
		}
		if n++; !yield(path) {
			return
		}
	}
}
