package admin

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"harken/admin/auth"
	"harken/inventory"
	"harken/inventory/datatype"
	"harken/inventory/fault"
	"harken/inventory/pathtmpl"
)

// pageSize is how many endpoints are read from the store at once.
const pageSize = 1000

// maxCollectionIDs bounds fetchApiInfosForCollection for many collections.
const maxCollectionIDs = 300

type collectionRequest struct {
	APICollectionID Int `json:"apiCollectionId" api:"required"`
	Skip            Int `json:"skip"`
}

type collectionEndpointsResponse struct {
	Endpoints []inventory.EndpointKey `json:"listOfEndpointsInCollection"`
}

func (a *API) fetchCollectionEndpoints(ctx context.Context, c *auth.Caller, in collectionRequest) (collectionEndpointsResponse, error) {
	out := collectionEndpointsResponse{Endpoints: []inventory.EndpointKey{}}
	col, err := activeCollection(ctx, c, "apiCollectionId", in.APICollectionID.N)
	if err != nil {
		return out, err
	}
	err = eachEndpoint(ctx, c, col.ID, in.Skip.N, func(e *inventory.Endpoint) error {
		out.Endpoints = append(out.Endpoints, e.EndpointKey)
		return nil
	})
	return out, err
}

// eachEndpoint yields the endpoints of a collection, without params, behind the
// first skip.
func eachEndpoint(ctx context.Context, c *auth.Caller, collection int32, skip int64, yield func(*inventory.Endpoint) error) error {
	if skip < 0 || skip > 1<<31-1 {
		return fault.New(fault.Invalid, "skip: must not be negative, nor beyond 2147483647")
	}
	for at := int(skip); ; at += pageSize {
		page, err := c.Store.Endpoints(ctx, collection, at, pageSize)
		if err != nil {
			return err
		}
		for i := range page {
			if err := yield(&page[i]); err != nil {
				return err
			}
		}
		if len(page) < pageSize {
			return nil
		}
	}
}

type apiInfosRequest struct {
	APICollectionID  Int  `json:"apiCollectionId"`
	APICollectionIDs Ints `json:"apiCollectionIds"`
}

// apiInfosResponse has the first two for one collection and the last for several.
type apiInfosResponse struct {
	APIInfoList             *[]apiInfo           `json:"apiInfoList,omitempty"`
	Redacted                *bool                `json:"redacted,omitempty"`
	APIInfoListByCollection map[string][]apiInfo `json:"apiInfoListByCollection,omitempty"`
}

// apiInfo is the ApiInfo object of the published API.
type apiInfo struct {
	ID                  inventory.EndpointKey `json:"id"`
	Count               int64                 `json:"count"`
	Origins             []string              `json:"origins"`
	CollectionIDs       []int32               `json:"collectionIds"`
	AllAuthTypesFound   [][]string            `json:"allAuthTypesFound"`
	ActualAuthType      []string              `json:"actualAuthType"`
	APIAccessTypes      []string              `json:"apiAccessTypes"`
	LastSeen            int64                 `json:"lastSeen"`
	DiscoveredTimestamp int64                 `json:"discoveredTimestamp"`
	IsSensitive         bool                  `json:"isSensitive"`
	RiskScore           int                   `json:"riskScore"`
	ResponseCodes       []int                 `json:"responseCodes"`
	APIType             string                `json:"apiType"`
	Description         *string               `json:"description"`
	TagsList            []inventory.Tag       `json:"tagsList"`
	Sources             map[string]sourceSeen `json:"sources"`
	LastTested          int64                 `json:"lastTested"`
	Violations          map[string]int        `json:"violations"`
}

type sourceSeen struct {
	Timestamp int64 `json:"timestamp"`
}

func (a *API) fetchAPIInfos(ctx context.Context, c *auth.Caller, in apiInfosRequest) (apiInfosResponse, error) {
	if in.APICollectionIDs == nil {
		if !in.APICollectionID.Set {
			return apiInfosResponse{}, fault.New(fault.Invalid, "apiCollectionId: is required")
		}
		col, err := activeCollection(ctx, c, "apiCollectionId", in.APICollectionID.N)
		if err != nil {
			return apiInfosResponse{}, err
		}
		list, err := a.apiInfos(ctx, c, col.ID)
		return apiInfosResponse{APIInfoList: &list, Redacted: &col.Redact}, err
	}
	if len(in.APICollectionIDs) > maxCollectionIDs {
		return apiInfosResponse{}, fault.New(fault.Invalid, "apiCollectionIds: at most %d", maxCollectionIDs)
	}
	out := apiInfosResponse{APIInfoListByCollection: map[string][]apiInfo{}}
	for _, id := range in.APICollectionIDs {
		col, err := activeCollection(ctx, c, "apiCollectionIds", id)
		if kind, _ := fault.Of(err); err != nil && kind == fault.NotFound {
			continue
		}
		if err != nil {
			return out, err
		}
		list, err := a.apiInfos(ctx, c, col.ID)
		if err != nil {
			return out, err
		}
		out.APIInfoListByCollection[strconv.Itoa(int(col.ID))] = list
	}
	if len(out.APIInfoListByCollection) == 0 {
		return out, fault.New(fault.NotFound, "apiCollectionIds: none of the %d ids names a collection", len(in.APICollectionIDs))
	}
	return out, nil
}

func (a *API) apiInfos(ctx context.Context, c *auth.Caller, collection int32) ([]apiInfo, error) {
	list := []apiInfo{}
	err := eachEndpoint(ctx, c, collection, 0, func(e *inventory.Endpoint) error {
		whole, err := c.Store.Endpoint(ctx, e.EndpointKey)
		if kind, _ := fault.Of(err); err != nil && kind == fault.NotFound {
			return nil // a template took it over since the page was read
		}
		if err != nil {
			return err
		}
		list = append(list, a.toAPIInfo(&whole))
		return nil
	})
	return list, err
}

func (a *API) toAPIInfo(e *inventory.Endpoint) apiInfo {
	info := apiInfo{
		ID: e.EndpointKey, Count: e.Count, Origins: orEmpty(e.Origins), CollectionIDs: []int32{e.Collection},
		AllAuthTypesFound: orEmpty(e.AuthTypes), ActualAuthType: actualAuth(e.AuthTypes), APIAccessTypes: orEmpty(e.AccessTypes),
		LastSeen: e.LastSeen, DiscoveredTimestamp: e.Discovered, ResponseCodes: orEmpty(e.ResponseCodes), APIType: e.APIType,
		Description: orNull(e.Description), TagsList: []inventory.Tag{}, Sources: map[string]sourceSeen{}, Violations: map[string]int{},
		IsSensitive: slices.ContainsFunc(e.Params, func(p inventory.Param) bool { return sensitive(&p) }),
	}
	for name, at := range e.Sources {
		info.Sources[name] = sourceSeen{at}
	}
	// One point each for what is new, open to the world, and sensitive.
	if a.cfg.Now().Unix()-e.Discovered < 30*24*3600 {
		info.RiskScore++
	}
	if slices.Contains(e.AccessTypes, "PUBLIC") {
		info.RiskScore++
	}
	if info.IsSensitive {
		info.RiskScore++
	}
	return info
}

// actualAuth is UNAUTHENTICATED as soon as one call came without credentials, else
// every way that was seen.
func actualAuth(sets [][]string) []string {
	const unauthenticated = "UNAUTHENTICATED"
	union := []string{}
	for _, set := range sets {
		if slices.Contains(set, unauthenticated) {
			return []string{unauthenticated}
		}
		union = append(union, set...)
	}
	slices.Sort(union)
	return slices.Compact(union)
}

func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func sensitive(p *inventory.Param) bool {
	return datatype.Sensitive(p.Type, position(p))
}

func position(p *inventory.Param) datatype.Position {
	switch {
	case p.ResponseCode == -1 && p.Header:
		return datatype.RequestHeader
	case p.ResponseCode == -1:
		return datatype.RequestPayload
	case p.Header:
		return datatype.ResponseHeader
	default:
		return datatype.ResponsePayload
	}
}

// findEndpoint returns the endpoint of a collection that a request names: by its
// stored text, else by the path of a URL, else by the template that the path fits.
func findEndpoint(ctx context.Context, c *auth.Caller, collection int32, url, method string) (inventory.Endpoint, error) {
	k := inventory.EndpointKey{Collection: collection, URL: url, Method: strings.ToUpper(strings.TrimSpace(method))}
	e, err := c.Store.Endpoint(ctx, k)
	if !isNotFound(err) {
		return e, err
	}
	path := pathtmpl.Normalize(url)
	if path != url {
		k.URL = path
		if e, err = c.Store.Endpoint(ctx, k); !isNotFound(err) {
			return e, err
		}
	}
	set := pathtmpl.NewSet(pathtmpl.Options{})
	err = c.Store.Keys(ctx, collection, func(o inventory.EndpointKey) error {
		if o.Method == k.Method && pathtmpl.IsTemplate(o.URL) {
			set.Add(o.Method, o.URL)
		}
		return nil
	})
	if err != nil {
		return e, err
	}
	if found, ok := set.Match(k.Method, path); ok {
		k.URL = found
		if e, err = c.Store.Endpoint(ctx, k); !isNotFound(err) {
			return e, err
		}
	}
	return e, fault.New(fault.NotFound, "url: no endpoint %s %s in the collection %d", clip(k.Method), clip(url), collection)
}

func isNotFound(err error) bool {
	f, ok := errors.AsType[*fault.Error](err)
	return ok && f.Kind == fault.NotFound
}
