package admin

import (
	"context"
	"strings"

	"harken/admin/auth"
	"harken/inventory"
	"harken/inventory/datatype"
	"harken/inventory/extract"
)

// testDataTypeRequest is the definition of a type, and where to try it.
type testDataTypeRequest struct {
	APICollectionID Int                  `json:"apiCollectionId"` // absent or -1 is all
	Name            string               `json:"name" api:"required"`
	KeyConditions   *datatype.Conditions `json:"keyConditions"`
	ValueConditions *datatype.Conditions `json:"valueConditions"`
	Operator        string               `json:"operator" enum:"AND,OR"`
	IgnoreData      *datatype.IgnoreData `json:"ignoreData"`
}

type testDataTypeResponse struct {
	scanned
	Matches []typeMatch `json:"matches"`
	Total   int         `json:"total"` // of the values that match; Matches has the first 200
}

// typeMatch is a value of a stored sample that has the type.
type typeMatch struct {
	inventory.EndpointKey
	ResponseCode int    `json:"responseCode"`
	IsHeader     bool   `json:"isHeader"`
	IsURLParam   bool   `json:"isUrlParam"`
	IsQueryParam bool   `json:"isQueryParam"`
	Param        string `json:"param"`
	Value        string `json:"value"`
	Timestamp    int64  `json:"timestamp"` // of the sample
}

// detector compiles the definition, as the only one. A name without conditions is
// tried as it is stored, or packaged.
func (in *testDataTypeRequest) detector(ctx context.Context, c *auth.Caller) (d *datatype.Detector, name string, err error) {
	k, err := readTypes(ctx, c)
	if err != nil {
		return nil, "", err
	}
	def := dataTypeRequest{
		Name: in.Name, Active: Bool{true, true}, KeyConditions: in.KeyConditions, ValueConditions: in.ValueConditions,
		Operator: in.Operator, IgnoreData: in.IgnoreData,
	}
	name = upperName(in.Name)
	if builtin, ok := datatype.ByName(name); ok {
		o := def.overBuiltin(k.builtin(&builtin).Override)
		if err := datatype.ValidateOverride(o); err != nil {
			return nil, "", definitionFault(err)
		}
		d, err = datatype.Compile(datatype.Definitions{Builtins: []datatype.Override{o}})
		return d, name, err
	}
	var base datatype.CustomType
	if in.KeyConditions == nil && in.ValueConditions == nil {
		base, _ = cataloged(name)
		if i := k.custom(name); i >= 0 {
			base = k.Custom[i]
		}
	}
	t := def.over(base)
	if err := datatype.Validate(t); err != nil {
		return nil, "", definitionFault(err)
	}
	d, err = datatype.Compile(datatype.Definitions{Custom: []datatype.CustomType{t}})
	return d, name, err
}

// testDataType tries the conditions of a type on stored samples and changes nothing.
func (a *API) testDataType(ctx context.Context, c *auth.Caller, in testDataTypeRequest) (testDataTypeResponse, error) {
	out := testDataTypeResponse{Matches: []typeMatch{}}
	d, name, err := in.detector(ctx, c)
	if err != nil {
		return out, err
	}
	if !in.APICollectionID.Set {
		in.APICollectionID.N = -1
	}
	ids, err := activeCollections(ctx, c, "apiCollectionId", in.APICollectionID.N)
	if err != nil {
		return out, err
	}
	var x extract.Extractor
	out.scanned, err = eachTried(ctx, c, ids, func(t *tried) {
		t.params(&x, func(p extract.Param) {
			if p.Type(d) != name {
				return
			}
			if out.Total++; len(out.Matches) < maxMatches {
				out.Matches = append(out.Matches, t.match(&p))
			}
		})
	})
	return out, err
}

// maxShown bounds a value in a reply.
const maxShown = 200

func (t *tried) match(p *extract.Param) typeMatch {
	value := p.Value
	if len(value) > maxShown {
		value = strings.ToValidUTF8(value[:maxShown], "") + "..."
	}
	return typeMatch{
		EndpointKey: t.key, ResponseCode: p.Status, IsHeader: p.Place == extract.RequestHeader || p.Place == extract.ResponseHeader,
		IsURLParam: p.Place == extract.URLParam, IsQueryParam: p.Place == extract.Query, Param: p.Name,
		Value: strings.Clone(value), Timestamp: t.sample.Time,
	}
}
