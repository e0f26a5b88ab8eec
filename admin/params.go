package admin

import (
	"context"
	"math"
	"strconv"
	"strings"

	"harken/admin/auth"
	"harken/inventory"
	"harken/inventory/datatype"
)

// endpointRequest names an endpoint.
type endpointRequest struct {
	APICollectionID Int    `json:"apiCollectionId" api:"required"`
	URL             string `json:"url" api:"required"`
	Method          string `json:"method" api:"required"`
}

// find returns the endpoints that a request names: one, unless a group has several
// of the same URL. collection is findCollection, or activeCollection for what is
// closed to deactivated ones. An endpoint that is visible for being in a group is
// found by its own collection too, which may be hidden: it is active then.
func (in *endpointRequest) find(ctx context.Context, f *finder, collection findCollectionFunc) ([]inventory.Endpoint, error) {
	col, err := collection(ctx, f.c, "apiCollectionId", in.APICollectionID.N)
	if id := in.APICollectionID.N; isNotFound(err) && math.MinInt32 <= id && id <= math.MaxInt32 {
		if found, ferr := f.find(ctx, int32(id), in.URL, in.Method); !isNotFound(ferr) {
			return found, ferr
		}
	}
	if err != nil {
		return nil, err
	}
	return f.find(ctx, col.ID, in.URL, in.Method)
}

// active returns the endpoints that a request names, in an active collection.
func (in *endpointRequest) active(ctx context.Context, c *auth.Caller) ([]inventory.Endpoint, error) {
	return in.find(ctx, newFinder(c), activeCollection)
}

type findCollectionFunc func(ctx context.Context, c *auth.Caller, field string, id int64) (inventory.Collection, error)

func keysOf(es []inventory.Endpoint) []inventory.EndpointKey {
	keys := make([]inventory.EndpointKey, len(es))
	for i := range es {
		keys[i] = es[i].EndpointKey
	}
	return keys
}

// collectionIDs are those of a row: its own collection and the groups that it is in.
func collectionIDs(own int32, groups []int32) []int32 {
	return append([]int32{own}, groups...)
}

type loadParamsResponse struct {
	Data struct {
		Params []param `json:"params"`
	} `json:"data"`
}

// param is the Param object of the published API.
type param struct {
	URL             string         `json:"url"`
	Method          string         `json:"method"`
	APICollectionID int32          `json:"apiCollectionId"`
	CollectionIDs   []int32        `json:"collectionIds"`
	ResponseCode    int            `json:"responseCode"`
	IsHeader        bool           `json:"isHeader"`
	IsURLParam      bool           `json:"isUrlParam"`
	IsQueryParam    bool           `json:"isQueryParam"`
	Param           string         `json:"param"`
	SubType         subType        `json:"subType"`
	SubTypeString   string         `json:"subTypeString"`
	Count           int64          `json:"count"`
	UniqueCount     int64          `json:"uniqueCount"`
	PublicCount     int64          `json:"publicCount"`
	Timestamp       int64          `json:"timestamp"`
	LastSeen        int64          `json:"lastSeen"`
	Values          *elements      `json:"values,omitempty"`
	Domain          string         `json:"domain"`
	MinValue        int64          `json:"minValue"`
	MaxValue        int64          `json:"maxValue"`
	Sensitive       bool           `json:"sensitive"`
	IsPrivate       bool           `json:"isPrivate"`
	Duration        int64          `json:"duration"`
	Examples        []any          `json:"examples"`
	UserIDs         []any          `json:"userIds"`
	Sources         map[string]any `json:"sources" api:"nullable"`
}

type subType struct {
	Name              string   `json:"name"`
	SuperType         string   `json:"superType"`
	SensitiveAlways   bool     `json:"sensitiveAlways"`
	SensitivePosition []string `json:"sensitivePosition"`
}

type elements struct {
	Elements []string `json:"elements"`
}

// loadParams lists the parameters of an endpoint: names, places, types, values seen.
func (a *API) loadParams(ctx context.Context, c *auth.Caller, in endpointRequest) (loadParamsResponse, error) {
	var out loadParamsResponse
	found, err := in.active(ctx, c)
	if err != nil {
		return out, err
	}
	s, err := a.sensitivityOf(ctx, c, found)
	if err != nil {
		return out, err
	}
	n := 0
	for i := range found {
		n += len(found[i].Params)
	}
	out.Data.Params = make([]param, 0, n)
	for i := range found {
		ids := collectionIDs(found[i].Collection, found[i].Groups)
		for j := range found[i].Params {
			out.Data.Params = append(out.Data.Params, toParam(s, &found[i], ids, &found[i].Params[j]))
		}
	}
	return out, nil
}

func toParam(s *sensitivity, e *inventory.Endpoint, collections []int32, p *inventory.Param) param {
	out := param{
		URL: e.URL, Method: e.Method, APICollectionID: e.Collection, CollectionIDs: collections,
		ResponseCode: p.ResponseCode, IsHeader: p.Header, IsURLParam: p.URLParam, IsQueryParam: p.Query, Param: p.Name,
		SubType: toSubType(s.types, p.Type), SubTypeString: p.Type, Count: p.Count, UniqueCount: p.Unique, PublicCount: p.Public,
		Timestamp: p.FirstSeen, LastSeen: p.LastSeen, Values: &elements{orEmpty(p.Values)}, Domain: p.Domain(),
		// What the published API has for parameters without numbers.
		MinValue: math.MaxInt64 - 100_000, MaxValue: math.MinInt64 + 100_000,
		Sensitive: s.of(e.EndpointKey, p), Examples: []any{}, UserIDs: []any{},
	}
	if p.URLParam && p.Type == datatype.Generic {
		out.SubType.SuperType = placeholderType(e.URL, p.Name)
	}
	if p.HasRange {
		out.MinValue, out.MaxValue = p.Min, p.Max
	}
	// Private is what few values of many callers share.
	out.IsPrivate = p.Unique == 0 || p.Public*10 <= p.Unique
	return out
}

// placeholderType is the super type of a text in a segment of a template, whose index is
// the name of its parameter.
func placeholderType(template, index string) string {
	segments := strings.Split(strings.TrimPrefix(template, "/"), "/")
	if i, err := strconv.Atoi(index); err == nil && 0 <= i && i < len(segments) {
		switch segments[i] {
		case datatype.SuperObjectID, datatype.SuperVersioned:
			return segments[i]
		}
	}
	return datatype.SuperString
}

func toSubType(types *datatype.Detector, name string) subType {
	t, ok := types.ByName(name)
	if !ok {
		return subType{Name: name, SuperType: datatype.SuperCustom, SensitivePosition: []string{}}
	}
	out := subType{Name: t.Name, SuperType: t.Super, SensitiveAlways: t.SensitiveAlways, SensitivePosition: []string{}}
	for _, p := range t.SensitivePositions {
		out.SensitivePosition = append(out.SensitivePosition, p.String())
	}
	return out
}
