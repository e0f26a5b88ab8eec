package admin

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"harken/admin/auth"
	"harken/inventory"
	"harken/inventory/fault"
)

// maxSensitive bounds the rows of loadSensitiveParameters.
const maxSensitive = 10_000

type sensitiveRequest struct {
	APICollectionID Int    `json:"apiCollectionId" api:"required"` // -1 is all
	URL             string `json:"url"`
	Method          string `json:"method"`
	SubType         string `json:"subType"`
}

type sensitiveResponse struct {
	Data struct {
		Endpoints []any `json:"endpoints"` // param, then markedParam
	} `json:"data"`
}

// markedParam is a parameter that a person marked.
type markedParam struct {
	URL             string  `json:"url"`
	Method          string  `json:"method"`
	ResponseCode    int     `json:"responseCode"`
	IsHeader        bool    `json:"isHeader"`
	Param           string  `json:"param"`
	APICollectionID int32   `json:"apiCollectionId"`
	CollectionIDs   []int32 `json:"collectionIds"`
	Sensitive       bool    `json:"sensitive"`
	SampleDataSaved bool    `json:"sampleDataSaved"`
}

func toMarked(o *inventory.SensitiveOverride) markedParam {
	return markedParam{
		URL: o.URL, Method: o.Method, ResponseCode: o.ResponseCode, IsHeader: o.Header, Param: o.Param,
		APICollectionID: o.Collection, CollectionIDs: collectionIDs(o.Collection, o.Groups), Sensitive: o.Sensitive, SampleDataSaved: o.SampleSaved,
	}
}

// activeCollections returns the collections that an id names, -1 being all that
// are active.
func activeCollections(ctx context.Context, c *auth.Caller, field string, id int64) ([]int32, error) {
	if id != -1 {
		col, err := activeCollection(ctx, c, field, id)
		return []int32{col.ID}, err
	}
	all, err := c.Store.Collections(ctx)
	return idsOf(slices.DeleteFunc(all, func(col inventory.Collection) bool { return col.Deactivated })), err
}

var errFull = errors.New("enough")

// loadSensitive lists the sensitive parameters of a collection or of all, up to
// 10,000.
func (a *API) loadSensitive(ctx context.Context, c *auth.Caller, in sensitiveRequest) (sensitiveResponse, error) {
	var out sensitiveResponse
	out.Data.Endpoints = []any{}
	ids, err := activeCollections(ctx, c, "apiCollectionId", in.APICollectionID.N)
	if err != nil {
		return out, err
	}
	s, err := a.sensitivity(ctx, c, ids)
	if err != nil {
		return out, err
	}
	types, only := s.names(), strings.ToUpper(strings.TrimSpace(in.SubType))
	if only != "" {
		if _, ok := s.types.ByName(only); !ok {
			return out, fault.New(fault.Invalid, "subType: there is no type %s", clip(in.SubType))
		}
		types = []string{only}
	}
	rows, err := in.rows(ctx, c, s, ids, types, only != "")
	if err != nil {
		return out, err
	}
	for i := range rows {
		out.Data.Endpoints = append(out.Data.Endpoints, &rows[i])
	}
	if only != "" {
		return out, nil
	}
	marks, err := c.Store.SensitiveOverrides(ctx, ids)
	for i := range marks {
		if marks[i].Sensitive && in.chooses(marks[i].EndpointKey) && len(out.Data.Endpoints) < maxSensitive {
			out.Data.Endpoints = append(out.Data.Endpoints, toMarked(&marks[i]))
		}
	}
	return out, err
}

func (in *sensitiveRequest) chooses(k inventory.EndpointKey) bool {
	return (in.URL == "" || in.URL == k.URL) && (in.Method == "" || strings.EqualFold(strings.TrimSpace(in.Method), k.Method))
}

// rows are the parameters of types, sorted: those that are sensitive where they
// stand, or all. What a person marked is not here.
func (in *sensitiveRequest) rows(ctx context.Context, c *auth.Caller, s *sensitivity, ids []int32, types []string, all bool) ([]param, error) {
	var rows []param
	err := c.Store.WithTypes(ctx, ids, types, func(e *inventory.Endpoint) error {
		if !in.chooses(e.EndpointKey) {
			return nil
		}
		for i := range e.Params {
			p := &e.Params[i]
			if !slices.Contains(types, p.Type) {
				continue
			}
			if _, marked := s.mark(e.EndpointKey, p); !all && (marked || !s.types.Sensitive(p.Type, position(p))) {
				continue
			}
			if len(rows) == maxSensitive {
				return errFull
			}
			row := toParam(s, e, collectionIDs(e.Collection, e.Groups), p)
			row.Values = nil
			rows = append(rows, row)
		}
		return nil
	})
	if errors.Is(err, errFull) {
		err = nil
	}
	slices.SortStableFunc(rows, func(x, y param) int {
		return cmp.Or(cmp.Compare(x.APICollectionID, y.APICollectionID), strings.Compare(x.URL, y.URL), strings.Compare(x.Method, y.Method))
	})
	return rows, err
}

// markRequest names one parameter.
type markRequest struct {
	APICollectionID Int    `json:"apiCollectionId" api:"required"`
	URL             string `json:"url" api:"required"`
	Method          string `json:"method" api:"required"`
	ResponseCode    Int    `json:"responseCode" api:"required"` // -1 is the request
	IsHeader        Bool   `json:"isHeader" api:"required"`
	Param           string `json:"param" api:"required"`
	Sensitive       Bool   `json:"sensitive" api:"required"`
}

type unmarkRequest struct {
	APICollectionID Int    `json:"apiCollectionId" api:"required"`
	URL             string `json:"url" api:"required"`
	Method          string `json:"method" api:"required"`
	ResponseCode    Int    `json:"responseCode" api:"required"` // -1 is the request
	IsHeader        Bool   `json:"isHeader" api:"required"`
	Param           string `json:"param" api:"required"`
}

// override returns what the request names, and whether the endpoint has it. Of
// several endpoints that a group has with one URL it is the first that has it.
func (in *unmarkRequest) override(ctx context.Context, c *auth.Caller) (o inventory.SensitiveOverride, known bool, err error) {
	at := endpointRequest{in.APICollectionID, in.URL, in.Method}
	found, err := at.active(ctx, c)
	for i := range found {
		if o, known = in.of(&found[i]); known {
			break
		}
	}
	return o, known, err
}

func (in *unmarkRequest) of(e *inventory.Endpoint) (o inventory.SensitiveOverride, known bool) {
	known = slices.ContainsFunc(e.Params, func(p inventory.Param) bool {
		return p.Name == in.Param && int64(p.ResponseCode) == in.ResponseCode.N && p.Header == in.IsHeader.B
	})
	return inventory.SensitiveOverride{
		EndpointKey: e.EndpointKey, ResponseCode: int(in.ResponseCode.N), Header: in.IsHeader.B, Param: in.Param,
	}, known
}

// addSensitiveField marks one parameter of an endpoint as sensitive, or as not,
// whatever its type says.
func (a *API) addSensitiveField(ctx context.Context, c *auth.Caller, in markRequest) (none, error) {
	at := unmarkRequest{in.APICollectionID, in.URL, in.Method, in.ResponseCode, in.IsHeader, in.Param}
	o, known, err := at.override(ctx, c)
	if err != nil {
		return none{}, err
	}
	if !known {
		return none{}, fault.New(fault.NotFound, "param: the endpoint has no such parameter there")
	}
	o.Sensitive = in.Sensitive.B
	if err := c.Store.PutSensitiveOverride(ctx, o); err != nil {
		return none{}, err
	}
	return none{}, a.reload(ctx, c) // the next record becomes its sample
}

// resetSensitive leaves the parameter to its type again.
func (a *API) resetSensitive(ctx context.Context, c *auth.Caller, in unmarkRequest) (none, error) {
	o, _, err := in.override(ctx, c)
	if err != nil {
		return none{}, err
	}
	if err := c.Store.DeleteSensitiveOverride(ctx, o); isNotFound(err) {
		return none{}, fault.New(fault.NotFound, "param: is not marked")
	} else if err != nil {
		return none{}, err
	}
	return none{}, a.reload(ctx, c)
}

type marksResponse struct {
	Data struct {
		Endpoints []markedParam `json:"endpoints"`
	} `json:"data"`
}

// listSensitiveFields lists what people marked as sensitive or as not.
func (a *API) listSensitiveFields(ctx context.Context, c *auth.Caller, _ none) (marksResponse, error) {
	var out marksResponse
	out.Data.Endpoints = []markedParam{}
	ids, err := activeCollections(ctx, c, "", -1)
	if err != nil {
		return out, err
	}
	marks, err := c.Store.SensitiveOverrides(ctx, ids)
	for i := range marks {
		out.Data.Endpoints = append(out.Data.Endpoints, toMarked(&marks[i]))
	}
	return out, err
}
