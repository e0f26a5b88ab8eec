package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"harken/admin/auth"
	"harken/inventory"
	"harken/inventory/datatype"
	"harken/inventory/fault"
)

// authTypeRequest is the definition of a way to authenticate. Members that are
// absent stay as they are, or have their defaults.
type authTypeRequest struct {
	Name             string  `json:"name" api:"required"`
	HeaderKeys       Strings `json:"headerKeys"`  // names of headers and cookies, all of which a request must have
	PayloadKeys      Strings `json:"payloadKeys"` // or places in its JSON body: a.b, a[0].b
	Active           Bool    `json:"active"`
	APICollectionIDs Ints    `json:"apiCollectionIds"` // where it is looked for; empty is everywhere
	TypeOfTokens     Strings `json:"typeOfTokens"`
}

// over returns the type t with what the request says of it.
func (in *authTypeRequest) over(t datatype.AuthType) datatype.AuthType {
	t.Name = strings.TrimSpace(in.Name)
	for _, l := range []struct {
		in  Strings
		out *[]string
	}{{in.HeaderKeys, &t.HeaderKeys}, {in.PayloadKeys, &t.PayloadKeys}, {in.TypeOfTokens, &t.TypeOfTokens}} {
		if l.in != nil {
			*l.out = trimmed(l.in)
		}
		*l.out = orEmpty(*l.out)
	}
	if in.Active.Set {
		t.Active = in.Active.B
	}
	if in.APICollectionIDs != nil {
		t.APICollectionIDs = []int32{}
		for _, id := range in.APICollectionIDs {
			t.APICollectionIDs = append(t.APICollectionIDs, int32(id)) //nolint:gosec // known checks it
		}
	}
	return t
}

// known checks that the collections exist.
func (in *authTypeRequest) known(ctx context.Context, c *auth.Caller) error {
	for i, id := range in.APICollectionIDs {
		if _, err := findCollection(ctx, c, fmt.Sprintf("apiCollectionIds[%d]", i), id); err != nil {
			return err
		}
	}
	return nil
}

type authTypesResponse struct {
	CustomAuthTypes []datatype.AuthType `json:"customAuthTypes"`
}

// authTypes reads the ways to authenticate that people of the account defined, in
// the order in which they are looked for. Documents that cannot be read are left
// out, as the learner does.
func authTypes(ctx context.Context, c *auth.Caller) ([]datatype.AuthType, error) {
	defs, err := c.Store.Definitions(ctx, inventory.CustomAuthTypes)
	types := []datatype.AuthType{}
	for _, d := range defs {
		var t datatype.AuthType
		if json.Unmarshal(d.Doc, &t) == nil {
			t.HeaderKeys, t.PayloadKeys = orEmpty(t.HeaderKeys), orEmpty(t.PayloadKeys)
			types = append(types, t)
		}
	}
	return types, err
}

func authTypeNamed(types []datatype.AuthType, name string) int {
	return slices.IndexFunc(types, func(t datatype.AuthType) bool { return strings.EqualFold(t.Name, strings.TrimSpace(name)) })
}

// fetchAuthTypes lists the ways to authenticate that people defined.
func (a *API) fetchAuthTypes(ctx context.Context, c *auth.Caller, _ none) (authTypesResponse, error) {
	types, err := authTypes(ctx, c)
	return authTypesResponse{types}, err
}

// addAuthType defines a way to authenticate by header, cookie or body keys.
func (a *API) addAuthType(ctx context.Context, c *auth.Caller, in authTypeRequest) (authTypesResponse, error) {
	types, err := authTypes(ctx, c)
	if err != nil {
		return authTypesResponse{}, err
	}
	if authTypeNamed(types, in.Name) >= 0 {
		return authTypesResponse{}, fault.New(fault.Conflict, "name: there is a type %s", clip(in.Name))
	}
	return a.putAuthType(ctx, c, &in, datatype.AuthType{Active: true, ID: newObjectID(), CreatorID: c.User.ID}, types)
}

// updateAuthType changes a way to authenticate; what is absent stays.
func (a *API) updateAuthType(ctx context.Context, c *auth.Caller, in authTypeRequest) (authTypesResponse, error) {
	types, err := authTypes(ctx, c)
	if err != nil {
		return authTypesResponse{}, err
	}
	i := authTypeNamed(types, in.Name)
	if i < 0 {
		return authTypesResponse{}, fault.New(fault.NotFound, "name: there is no type %s", clip(in.Name))
	}
	t := types[i]
	in.Name = t.Name // what was learned has this spelling
	return a.putAuthType(ctx, c, &in, t, slices.Delete(types, i, i+1))
}

// putAuthType stores t with what the request says of it, beside others.
func (a *API) putAuthType(ctx context.Context, c *auth.Caller, in *authTypeRequest, t datatype.AuthType, others []datatype.AuthType) (authTypesResponse, error) {
	if err := in.known(ctx, c); err != nil {
		return authTypesResponse{}, err
	}
	t = in.over(t)
	if err := datatype.ValidateAuth(t); err != nil {
		return authTypesResponse{}, definitionFault(err)
	}
	active := 0
	for i := range others {
		if others[i].Active {
			active++
		}
	}
	if t.Active && active >= datatype.MaxAuthTypes {
		return authTypesResponse{}, fault.New(fault.Invalid, "active: there are %d active types, which is the most", active)
	}
	t.Timestamp = int32(a.cfg.Now().Unix()) //nolint:gosec // seconds until 2038, as published
	doc, err := json.Marshal(t)
	if err != nil {
		return authTypesResponse{}, err
	}
	if err := a.putDefinition(ctx, c, inventory.CustomAuthTypes, t.Name, doc); err != nil {
		return authTypesResponse{}, err
	}
	return authTypesResponse{[]datatype.AuthType{t}}, nil
}

type deleteAuthTypeRequest struct {
	Name string `json:"name" api:"required"`
}

// deleteAuthType removes a type. What was learned keeps the name.
func (a *API) deleteAuthType(ctx context.Context, c *auth.Caller, in deleteAuthTypeRequest) (none, error) {
	types, err := authTypes(ctx, c)
	if err != nil {
		return none{}, err
	}
	name := strings.TrimSpace(in.Name)
	if i := authTypeNamed(types, name); i >= 0 {
		name = types[i].Name
	}
	return none{}, a.deleteDefinition(ctx, c, inventory.CustomAuthTypes, name, "name: there is no type")
}
