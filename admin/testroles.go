package admin

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"harken/admin/auth"
	"harken/inventory"
	"harken/inventory/fault"
)

// Bounds of a test role.
const (
	maxRoleName  = 100 // characters
	maxAuthParam = 20
	maxAuthKey   = 256  // bytes
	maxAuthValue = 2048 // bytes
)

// hiddenValue is what is shown of a value.
const hiddenValue = "****"

// The places where a role puts a value in a request.
const (
	inHeader = "HEADER"
	inBody   = "BODY"
)

// An authParam is what a role sets in a request.
type authParam struct {
	Where string `json:"where"` // HEADER or BODY
	Key   string `json:"key"`
	Value string `json:"value"` // in replies hidden
}

// storedRole is the document of a test role; its values are sealed.
type storedRole struct {
	Name   string        `json:"name"`
	Params []sealedParam `json:"authParamData"`
}

type sealedParam struct {
	Where string `json:"where"`
	Key   string `json:"key"`
	Value []byte `json:"value"`
}

type testRole struct {
	ID            string      `json:"id"`
	Name          string      `json:"name"`
	AuthParamData []authParam `json:"authParamData"`
}

// AuthParams is a list of what a role sets.
type AuthParams []authParam

// UnmarshalJSON implements json.Unmarshaler.
func (v *AuthParams) UnmarshalJSON(b []byte) error {
	var list []authParam
	if b[0] != '[' || json.Unmarshal(b, &list) != nil {
		return errors.New("must be a list of objects that have the strings where, key and value")
	}
	for i := range list {
		p := &list[i]
		p.Where, p.Key = enum(p.Where), strings.TrimSpace(p.Key)
		switch {
		case p.Where != inHeader && p.Where != inBody:
			return fmt.Errorf("element %d: where must be HEADER or BODY", i)
		case p.Key == "" || len(p.Key) > maxAuthKey:
			return fmt.Errorf("element %d: key must have from 1 to %d bytes", i, maxAuthKey)
		case len(p.Value) > maxAuthValue:
			return fmt.Errorf("element %d: value has more than %d bytes", i, maxAuthValue)
		case p.Where == inHeader && (strings.ContainsFunc(p.Key, notToken) || strings.ContainsFunc(p.Value, isControl)):
			return fmt.Errorf("element %d: is no header (RFC 9110, section 5)", i)
		}
	}
	*v = list
	return nil
}

func (v *AuthParams) setText(s string) error {
	if strings.TrimSpace(s) == "" {
		return nil
	}
	return v.UnmarshalJSON([]byte(strings.TrimSpace(s)))
}

var _ lenient = (*AuthParams)(nil)

// notToken says whether a rune cannot be in the name of a header.
func notToken(r rune) bool {
	return r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

type addTestRoleRequest struct {
	RoleName      string     `json:"roleName" api:"required"`
	AuthParamData AuthParams `json:"authParamData" api:"required"`
}

type testRoleResponse struct {
	TestRole testRole `json:"testRole"`
}

// addTestRole stores a role whose values nobody sees again.
func (a *API) addTestRole(ctx context.Context, c *auth.Caller, in addTestRoleRequest) (testRoleResponse, error) {
	name := strings.TrimSpace(in.RoleName)
	switch {
	case a.cfg.Sealer == nil:
		return testRoleResponse{}, fault.New(fault.Invalid, "there is no key to encrypt the values with")
	case name == "" || utf8.RuneCountInString(name) > maxRoleName:
		return testRoleResponse{}, fault.New(fault.Invalid, "roleName: must have from 1 to %d characters", maxRoleName)
	case len(in.AuthParamData) == 0 || len(in.AuthParamData) > maxAuthParam:
		return testRoleResponse{}, fault.New(fault.Invalid, "authParamData: must have from 1 to %d elements", maxAuthParam)
	}
	roles, err := a.testRoles(ctx, c)
	if err != nil {
		return testRoleResponse{}, err
	}
	if slices.ContainsFunc(roles, func(r testRole) bool { return strings.EqualFold(r.Name, name) }) {
		return testRoleResponse{}, fault.New(fault.Conflict, "roleName: there is a role %s", clip(name))
	}
	var raw [12]byte
	_, _ = rand.Read(raw[:]) // never fails since Go 1.24
	id := hex.EncodeToString(raw[:])
	doc := storedRole{Name: name}
	for i, p := range in.AuthParamData {
		doc.Params = append(doc.Params, sealedParam{p.Where, p.Key, a.cfg.Sealer.Seal(roleValue(c.Account, id, i), []byte(p.Value))})
	}
	b, err := json.Marshal(doc)
	if err != nil {
		return testRoleResponse{}, err
	}
	if err := c.Store.PutDefinition(ctx, inventory.Definition{Kind: inventory.TestRoles, ID: id, Doc: b, Updated: a.cfg.Now().Unix()}); err != nil {
		return testRoleResponse{}, err
	}
	return testRoleResponse{doc.shown(id)}, nil
}

// roleValue is the name under which a value is sealed: it opens as nothing else.
func roleValue(account int32, id string, index int) string {
	return fmt.Sprintf("test-role/%d/%s/%d", account, id, index)
}

func (r *storedRole) shown(id string) testRole {
	out := testRole{ID: id, Name: r.Name, AuthParamData: []authParam{}}
	for _, p := range r.Params {
		out.AuthParamData = append(out.AuthParamData, authParam{p.Where, p.Key, hiddenValue})
	}
	return out
}

func (a *API) testRoles(ctx context.Context, c *auth.Caller) ([]testRole, error) {
	defs, err := c.Store.Definitions(ctx, inventory.TestRoles)
	roles := []testRole{}
	for i := range defs {
		var doc storedRole
		if err := json.Unmarshal(defs[i].Doc, &doc); err != nil {
			return nil, fmt.Errorf("test role %s: %w", defs[i].ID, err)
		}
		roles = append(roles, doc.shown(defs[i].ID))
	}
	return roles, err
}

type fetchTestRolesResponse struct {
	TestRoles []testRole `json:"testRoles"`
}

// fetchTestRoles lists the test roles, with their values hidden.
func (a *API) fetchTestRoles(ctx context.Context, c *auth.Caller, _ none) (fetchTestRolesResponse, error) {
	roles, err := a.testRoles(ctx, c)
	return fetchTestRolesResponse{roles}, err
}

// deleteTestRoleRequest names a role by either.
type deleteTestRoleRequest struct {
	ID       string `json:"id"`
	RoleName string `json:"roleName"`
}

// deleteTestRole removes a test role.
func (a *API) deleteTestRole(ctx context.Context, c *auth.Caller, in deleteTestRoleRequest) (none, error) {
	named := strings.TrimSpace(cmp.Or(in.ID, in.RoleName))
	if named == "" {
		return none{}, fault.New(fault.Invalid, "id: is required, or roleName")
	}
	roles, err := a.testRoles(ctx, c)
	if err != nil {
		return none{}, err
	}
	at := slices.IndexFunc(roles, func(r testRole) bool { return r.ID == named || in.ID == "" && strings.EqualFold(r.Name, named) })
	if at < 0 {
		return none{}, fault.New(fault.NotFound, "id: there is no role %s", clip(named))
	}
	return none{}, c.Store.DeleteDefinition(ctx, inventory.TestRoles, roles[at].ID)
}

// roleParams returns what a role sets, in the clear; nil if there is no such role.
func (a *API) roleParams(ctx context.Context, c *auth.Caller, id string) ([]authParam, error) {
	defs, err := c.Store.Definitions(ctx, inventory.TestRoles)
	at := slices.IndexFunc(defs, func(d inventory.Definition) bool { return d.ID == id })
	if err != nil || at < 0 || a.cfg.Sealer == nil {
		return nil, err
	}
	var doc storedRole
	if err := json.Unmarshal(defs[at].Doc, &doc); err != nil {
		return nil, fmt.Errorf("test role %s: %w", id, err)
	}
	var out []authParam
	for i, p := range doc.Params {
		value, err := a.cfg.Sealer.Open(roleValue(c.Account, id, i), p.Value)
		if err != nil {
			return nil, fmt.Errorf("test role %s: %w", id, err)
		}
		out = append(out, authParam{p.Where, p.Key, string(value)})
	}
	return out, nil
}
