package admin

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"harken/admin/auth"
	"harken/inventory"
	"harken/inventory/datatype"
	"harken/inventory/fault"
)

// dataTypeRequest is the definition of a type. Members that are absent stay as
// they are, or have their defaults.
type dataTypeRequest struct {
	Name              string               `json:"name" api:"required"`
	SensitiveAlways   Bool                 `json:"sensitiveAlways"`
	SensitivePosition Strings              `json:"sensitivePosition"`
	Active            Bool                 `json:"active"`
	KeyConditions     *datatype.Conditions `json:"keyConditions"`
	ValueConditions   *datatype.Conditions `json:"valueConditions"`
	Operator          string               `json:"operator" enum:"AND,OR"`
	IgnoreData        *datatype.IgnoreData `json:"ignoreData"`
	Redacted          Bool                 `json:"redacted"`
	SampleDataFixed   Bool                 `json:"sampleDataFixed"`
	DataTypePriority  Text                 `json:"dataTypePriority" enum:"CRITICAL,HIGH,MEDIUM,LOW"`
	CategoriesList    Strings              `json:"categoriesList"`
	IconString        Text                 `json:"iconString"`
}

// over returns the type t with what the request says of it.
func (in *dataTypeRequest) over(t datatype.CustomType) datatype.CustomType {
	t.Name = in.Name
	for _, b := range []struct {
		in  Bool
		out *bool
	}{
		{in.SensitiveAlways, &t.SensitiveAlways}, {in.Active, &t.Active}, {in.Redacted, &t.Redacted}, {in.SampleDataFixed, &t.SampleDataFixed},
	} {
		if b.in.Set {
			*b.out = b.in.B
		}
	}
	if in.SensitivePosition != nil {
		t.SensitivePosition = []string{}
		for _, p := range in.SensitivePosition {
			t.SensitivePosition = append(t.SensitivePosition, strings.ToUpper(strings.TrimSpace(p)))
		}
	}
	if in.KeyConditions != nil {
		t.KeyConditions = in.KeyConditions
	}
	if in.ValueConditions != nil {
		t.ValueConditions = in.ValueConditions
	}
	if in.Operator != "" {
		t.Operator = in.Operator
	}
	if in.IgnoreData != nil {
		t.IgnoreData = withoutNull(in.IgnoreData)
	}
	if in.DataTypePriority.Set {
		t.DataTypePriority = in.DataTypePriority.S
	}
	if in.CategoriesList != nil {
		t.CategoriesList = in.CategoriesList
	}
	if in.IconString.Set {
		t.IconString = in.IconString.S
	}
	t = t.Normalized()
	t.SensitivePosition, t.CategoriesList = orEmpty(t.SensitivePosition), orEmpty(t.CategoriesList)
	return t
}

// withoutNull is what a request says to ignore with empty lists where it has none:
// readers of the type are promised lists.
func withoutNull(d *datatype.IgnoreData) *datatype.IgnoreData {
	out := datatype.IgnoreData{KeysInAllAPIs: orEmpty(d.KeysInAllAPIs), KeysInSelectedAPIs: map[string][]datatype.ParamID{}}
	for key, ids := range d.KeysInSelectedAPIs {
		out.KeysInSelectedAPIs[key] = orEmpty(ids)
	}
	return &out
}

// definitionFault says what is wrong with a definition as the request names it.
func definitionFault(err error) error {
	if d, ok := errors.AsType[*datatype.DefinitionError](err); ok {
		return fault.New(fault.Invalid, "%s: %s", d.Field, d.Reason)
	}
	return err
}

type dataTypesResponse struct {
	CustomDataTypes []datatype.CustomType `json:"customDataTypes"`
}

// knownTypes are the types of an account, and where one of a name is.
type knownTypes struct{ datatype.Definitions }

func (k *knownTypes) custom(name string) int {
	return slices.IndexFunc(k.Custom, func(t datatype.CustomType) bool { return t.Name == name })
}

func (k *knownTypes) override(name string) int {
	return slices.IndexFunc(k.Builtins, func(o datatype.Override) bool { return o.Name == name })
}

func readTypes(ctx context.Context, c *auth.Caller) (*knownTypes, error) {
	defs, err := definitions(ctx, c)
	return &knownTypes{defs}, err
}

func upperName(s string) string { return strings.ToUpper(strings.TrimSpace(s)) }

// cataloged returns the packaged type of a name, or an empty active one.
func cataloged(name string) (t datatype.CustomType, known bool) {
	for _, t := range datatype.Catalog() {
		if t.Name == name {
			t.Active = true
			return t, true
		}
	}
	return datatype.CustomType{Active: true}, false
}

// addDataType adds a type of values, such as an own customer number, and looks for
// it in what is stored.
func (a *API) addDataType(ctx context.Context, c *auth.Caller, in dataTypeRequest) (dataTypesResponse, error) {
	k, err := readTypes(ctx, c)
	if err != nil {
		return dataTypesResponse{}, err
	}
	name := upperName(in.Name)
	if k.custom(name) >= 0 {
		return dataTypesResponse{}, fault.New(fault.Conflict, "name: there is a type %s", clip(name))
	}
	base, _ := cataloged(name)
	return a.putType(ctx, c, in.over(base))
}

func (a *API) putType(ctx context.Context, c *auth.Caller, t datatype.CustomType) (dataTypesResponse, error) {
	if err := datatype.Validate(t); err != nil {
		return dataTypesResponse{}, definitionFault(err)
	}
	now := a.cfg.Now().Unix()
	if t.ID == "" {
		t.ID, t.CreatorID, t.Timestamp = newObjectID(), c.User.ID, int32(now) //nolint:gosec // seconds until 2038, as published
	} else {
		t.UserModifiedTimestamp = int32(now) //nolint:gosec // as above
	}
	doc, err := json.Marshal(t)
	if err != nil {
		return dataTypesResponse{}, err
	}
	if err := a.putDefinition(ctx, c, inventory.CustomDataTypes, t.Name, doc); err != nil {
		return dataTypesResponse{}, err
	}
	return dataTypesResponse{CustomDataTypes: []datatype.CustomType{t}}, a.redactType(ctx, c, t.Redacted)
}

// newObjectID returns an id of 24 hex digits.
func newObjectID() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// builtinType is a built-in type as people changed it.
type builtinType struct {
	datatype.Override
	SuperType  string `json:"superType"`
	Overridden bool   `json:"overridden"`
}

type updateDataTypeResponse struct {
	CustomDataTypes []datatype.CustomType `json:"customDataTypes"`
	AktoDataTypes   []builtinType         `json:"aktoDataTypes"`
}

// updateDataType changes a type that people made, a packaged one, or, by its name,
// a built-in one.
func (a *API) updateDataType(ctx context.Context, c *auth.Caller, in dataTypeRequest) (updateDataTypeResponse, error) {
	out := updateDataTypeResponse{CustomDataTypes: []datatype.CustomType{}, AktoDataTypes: []builtinType{}}
	k, err := readTypes(ctx, c)
	if err != nil {
		return out, err
	}
	name := upperName(in.Name)
	if builtin, ok := datatype.ByName(name); ok {
		b, err := a.putOverride(ctx, c, k, &builtin, &in)
		if err == nil {
			out.AktoDataTypes = append(out.AktoDataTypes, b)
		}
		return out, err
	}
	var base datatype.CustomType
	if i := k.custom(name); i >= 0 {
		base = k.Custom[i]
	} else if packaged, ok := cataloged(name); ok {
		base = packaged
	} else {
		return out, fault.New(fault.NotFound, "name: there is no type %s", clip(name))
	}
	put, err := a.putType(ctx, c, in.over(base))
	if err == nil {
		out.CustomDataTypes = put.CustomDataTypes
	}
	return out, err
}

// putOverride stores what the request says of a built-in type.
func (a *API) putOverride(ctx context.Context, c *auth.Caller, k *knownTypes, t *datatype.Type, in *dataTypeRequest) (builtinType, error) {
	o := in.overBuiltin(k.builtin(t).Override)
	if err := datatype.ValidateOverride(o); err != nil {
		return builtinType{}, definitionFault(err)
	}
	now := a.cfg.Now().Unix()
	o.Timestamp = int32(now) //nolint:gosec // seconds until 2038, as published
	doc, err := json.Marshal(o)
	if err != nil {
		return builtinType{}, err
	}
	if err := a.putDefinition(ctx, c, inventory.DataTypeOverrides, o.Name, doc); err != nil {
		return builtinType{}, err
	}
	return builtinType{o, t.Super, true}, a.redactType(ctx, c, o.Redacted)
}

func (a *API) putDefinition(ctx context.Context, c *auth.Caller, kind, id string, doc []byte) error {
	d := inventory.Definition{Kind: kind, ID: id, Doc: doc, Updated: a.cfg.Now().Unix()}
	if err := c.Store.PutDefinition(ctx, d); err != nil {
		return err
	}
	return a.reload(ctx, c)
}

// deleteDefinition removes one; what says how it is called if there is none.
func (a *API) deleteDefinition(ctx context.Context, c *auth.Caller, kind, id, what string) error {
	err := c.Store.DeleteDefinition(ctx, kind, id)
	if isNotFound(err) {
		return fault.New(fault.NotFound, "%s %s", what, clip(id))
	}
	if err != nil {
		return err
	}
	return a.reload(ctx, c)
}

// overBuiltin is over for a built-in type.
func (in *dataTypeRequest) overBuiltin(o datatype.Override) datatype.Override {
	t := in.over(datatype.CustomType{
		SensitiveAlways: o.SensitiveAlways, SensitivePosition: o.SensitivePosition, Active: !o.Inactive,
		KeyConditions: o.KeyConditions, ValueConditions: o.ValueConditions, Operator: o.Operator, IgnoreData: o.IgnoreData,
		Redacted: o.Redacted, SampleDataFixed: o.SampleDataFixed, DataTypePriority: o.DataTypePriority, CategoriesList: o.CategoriesList,
	})
	return datatype.Override{
		Name: t.Name, SensitiveAlways: t.SensitiveAlways, SensitivePosition: t.SensitivePosition, Inactive: !t.Active,
		KeyConditions: t.KeyConditions, ValueConditions: t.ValueConditions, Operator: t.Operator, IgnoreData: t.IgnoreData,
		Redacted: t.Redacted, SampleDataFixed: t.SampleDataFixed, DataTypePriority: t.DataTypePriority, CategoriesList: t.CategoriesList,
	}
}

// builtin returns a built-in type as people changed it.
func (k *knownTypes) builtin(t *datatype.Type) builtinType {
	if i := k.override(t.Name); i >= 0 {
		return builtinType{k.Builtins[i], t.Super, true}
	}
	o := datatype.Override{
		Name: t.Name, SensitiveAlways: t.SensitiveAlways, SensitivePosition: []string{},
		CategoriesList: orEmpty(t.Categories), DataTypePriority: t.Priority,
	}
	for _, p := range t.SensitivePositions {
		o.SensitivePosition = append(o.SensitivePosition, p.String())
	}
	return builtinType{o, t.Super, false}
}

type deleteDataTypeRequest struct {
	Name string `json:"name" api:"required"`
}

// deleteDataType removes a type that people made, or what they changed of a
// built-in one. What was learned keeps the name.
func (a *API) deleteDataType(ctx context.Context, c *auth.Caller, in deleteDataTypeRequest) (none, error) {
	name, kind := upperName(in.Name), inventory.CustomDataTypes
	if _, ok := datatype.ByName(name); ok {
		kind = inventory.DataTypeOverrides
	}
	return none{}, a.deleteDefinition(ctx, c, kind, name, "name: nothing is stored of a type")
}

type fetchDataTypesResponse struct {
	CustomDataTypes []datatype.CustomType `json:"customDataTypes"`
	AktoDataTypes   []builtinType         `json:"aktoDataTypes"`
	PIICatalog      []datatype.CustomType `json:"piiCatalog"` // packaged types that are not in use
}

// fetchDataTypes lists the types of values: those that people made, the built-in
// ones, and packaged ones that may be added.
func (a *API) fetchDataTypes(ctx context.Context, c *auth.Caller, _ none) (fetchDataTypesResponse, error) {
	k, err := readTypes(ctx, c)
	if err != nil {
		return fetchDataTypesResponse{}, err
	}
	out := fetchDataTypesResponse{CustomDataTypes: orEmpty(k.Custom), PIICatalog: []datatype.CustomType{}}
	for _, t := range datatype.All() {
		out.AktoDataTypes = append(out.AktoDataTypes, k.builtin(&t))
	}
	for _, t := range datatype.Catalog() {
		if k.custom(t.Name) < 0 {
			t.SensitivePosition, t.CategoriesList = orEmpty(t.SensitivePosition), orEmpty(t.CategoriesList)
			out.PIICatalog = append(out.PIICatalog, t)
		}
	}
	return out, nil
}
