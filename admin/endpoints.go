package admin

import (
	"context"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"

	"harken/admin/auth"
	"harken/inventory"
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

// fetchCollectionEndpoints lists the methods and URLs of a collection.
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

// fetchAPIInfos lists the endpoints of one collection or of several with
// authentication, access, traffic and status codes.
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
	sensitive, err := a.sensitiveEndpoints(ctx, c, collection)
	if err != nil {
		return list, err
	}
	err = eachEndpoint(ctx, c, collection, 0, func(e *inventory.Endpoint) error {
		list = append(list, a.toAPIInfo(e, sensitive[e.EndpointKey]))
		return nil
	})
	return list, err
}

// sensitiveEndpoints are the endpoints of a collection that have a sensitive
// parameter. Of the others nothing is read.
func (a *API) sensitiveEndpoints(ctx context.Context, c *auth.Caller, collection int32) (map[inventory.EndpointKey]bool, error) {
	s, err := a.sensitivity(ctx, c, []int32{collection})
	if err != nil {
		return nil, err
	}
	found := map[inventory.EndpointKey]bool{}
	for m, sensitive := range s.marks {
		if sensitive {
			found[m.EndpointKey] = true
		}
	}
	err = c.Store.WithTypes(ctx, []int32{collection}, s.names(), func(e *inventory.Endpoint) error {
		if slices.ContainsFunc(e.Params, func(p inventory.Param) bool { return s.of(e.EndpointKey, &p) }) {
			found[e.EndpointKey] = true
		}
		return nil
	})
	return found, err
}

func (a *API) toAPIInfo(e *inventory.Endpoint, sensitive bool) apiInfo {
	info := apiInfo{
		ID: e.EndpointKey, Count: e.Count, Origins: orEmpty(e.Origins), CollectionIDs: []int32{e.Collection},
		AllAuthTypesFound: orEmpty(e.AuthTypes), ActualAuthType: actualAuth(e.AuthTypes), APIAccessTypes: orEmpty(e.AccessTypes),
		LastSeen: e.LastSeen, DiscoveredTimestamp: e.Discovered, ResponseCodes: orEmpty(e.ResponseCodes), APIType: e.APIType,
		Description: orNull(e.Description), TagsList: []inventory.Tag{}, Sources: map[string]sourceSeen{}, Violations: map[string]int{},
		IsSensitive: sensitive,
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

// A finder looks up endpoints as requests name them. It remembers the templates of
// a collection, so that a list of many names reads them once.
type finder struct {
	c    *auth.Caller
	sets map[int32]*pathtmpl.Set
}

func newFinder(c *auth.Caller) *finder { return &finder{c: c, sets: map[int32]*pathtmpl.Set{}} }

// find returns the endpoint of a collection that a request names: by its stored
// text, else by the path of a URL, else by the template that the path fits.
func (f *finder) find(ctx context.Context, collection int32, url, method string) (inventory.Endpoint, error) {
	k := inventory.EndpointKey{Collection: collection, URL: url, Method: strings.ToUpper(strings.TrimSpace(method))}
	e, err := f.c.Store.Endpoint(ctx, k)
	if !isNotFound(err) {
		return e, err
	}
	path := pathtmpl.Normalize(url)
	if path != url {
		k.URL = path
		if e, err = f.c.Store.Endpoint(ctx, k); !isNotFound(err) {
			return e, err
		}
	}
	set, err := f.templates(ctx, collection)
	if err != nil {
		return e, err
	}
	if found, ok := set.Match(k.Method, path); ok {
		k.URL = found
		if e, err = f.c.Store.Endpoint(ctx, k); !isNotFound(err) {
			return e, err
		}
	}
	return e, fault.New(fault.NotFound, "url: no endpoint %s %s in the collection %d", clip(k.Method), clip(url), collection)
}

func (f *finder) templates(ctx context.Context, collection int32) (*pathtmpl.Set, error) {
	if set := f.sets[collection]; set != nil {
		return set, nil
	}
	set := pathtmpl.NewSet(pathtmpl.Options{})
	err := f.c.Store.Keys(ctx, collection, func(o inventory.EndpointKey) error {
		if pathtmpl.IsTemplate(o.URL) {
			set.Add(o.Method, o.URL)
		}
		return nil
	})
	f.sets[collection] = set
	return set, err
}

// list returns the keys of the endpoints that a list names. Unknown ones are
// skipped; a list that names none is fault.NotFound.
func (f *finder) list(ctx context.Context, field string, names APIs) ([]inventory.EndpointKey, error) {
	var keys []inventory.EndpointKey
	for _, n := range names {
		if n.APICollectionID.N < math.MinInt32 || n.APICollectionID.N > math.MaxInt32 {
			continue
		}
		e, err := f.find(ctx, int32(n.APICollectionID.N), n.URL, n.Method)
		if isNotFound(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		keys = append(keys, e.EndpointKey)
	}
	if len(keys) == 0 && len(names) > 0 {
		return nil, fault.New(fault.NotFound, "%s: none of the %d elements names an endpoint", field, len(names))
	}
	return keys, nil
}

func isNotFound(err error) bool {
	f, ok := errors.AsType[*fault.Error](err)
	return ok && f.Kind == fault.NotFound
}
