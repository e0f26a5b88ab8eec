package admin

import (
	"cmp"
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

// eachVisible yields every endpoint that the caller sees once, without params, with
// its collection; of one that is hidden only the id is told.
func eachVisible(ctx context.Context, c *auth.Caller, yield func(*inventory.Endpoint, *inventory.Collection) error) error {
	cols, err := c.Store.Collections(ctx)
	if err != nil {
		return err
	}
	known := make(map[int32]*inventory.Collection, len(cols))
	for i := range cols {
		known[cols[i].ID] = &cols[i]
	}
	grouped := map[inventory.EndpointKey]bool{} // of hidden collections
	for i := range cols {
		group := cols[i].Type == inventory.TypeGroup
		if group && !c.Restricted() {
			continue // all that is in it is elsewhere
		}
		err := eachEndpoint(ctx, c, cols[i].ID, 0, func(e *inventory.Endpoint) error {
			col := known[e.Collection]
			if group {
				if col != nil || grouped[e.EndpointKey] {
					return nil
				}
				grouped[e.EndpointKey] = true
				col = &inventory.Collection{ID: e.Collection}
			}
			return yield(e, col)
		})
		if err != nil {
			return err
		}
	}
	return nil
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
	Description         string                `json:"description"`
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
	if len(in.APICollectionIDs) == 0 {
		if !in.APICollectionID.Set {
			return apiInfosResponse{}, fault.New(fault.Invalid, "apiCollectionId: is required, or apiCollectionIds")
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
	// A group has its endpoints in another order than a collection.
	slices.SortFunc(list, func(x, y apiInfo) int {
		return cmp.Or(strings.Compare(x.ID.URL, y.ID.URL), strings.Compare(x.ID.Method, y.ID.Method), cmp.Compare(x.ID.Collection, y.ID.Collection))
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
		ID: e.EndpointKey, Count: e.Count, Origins: orEmpty(e.Origins), CollectionIDs: collectionIDs(e.Collection, e.Groups),
		AllAuthTypesFound: orEmpty(e.AuthTypes), ActualAuthType: actualAuth(e.AuthTypes), APIAccessTypes: orEmpty(e.AccessTypes),
		LastSeen: e.LastSeen, DiscoveredTimestamp: e.Discovered, ResponseCodes: orEmpty(e.ResponseCodes), APIType: e.APIType,
		Description: e.Description, TagsList: []inventory.Tag{}, Sources: map[string]sourceSeen{}, Violations: map[string]int{},
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
	c     *auth.Caller
	paths map[int32]*paths
	load  func(context.Context, inventory.EndpointKey) (inventory.Endpoint, error) // reads one of the store
}

// paths are the templates of a collection, and of a group all endpoints too.
type paths struct {
	set     *pathtmpl.Set
	members map[string][]inventory.EndpointKey // by method and URL; of a group
}

func newFinder(c *auth.Caller) *finder {
	return &finder{c: c, paths: map[int32]*paths{}, load: c.Store.Endpoint}
}

// one is find for what can be one endpoint only.
func (f *finder) one(ctx context.Context, collection int32, url, method string) (inventory.Endpoint, error) {
	found, err := f.find(ctx, collection, url, method)
	if err != nil {
		return inventory.Endpoint{}, err
	}
	return found[0], nil
}

// find returns the endpoint of a collection that a request names, or those of a
// group: by the stored text, else by the path of a URL, else by the template that
// the path fits. It returns one at least, or an error.
func (f *finder) find(ctx context.Context, collection int32, url, method string) ([]inventory.Endpoint, error) {
	k := inventory.EndpointKey{Collection: collection, URL: url, Method: inventory.Method(method)}
	path := pathtmpl.Normalize(url)
	for _, u := range slices.Compact([]string{url, path}) {
		k.URL = u
		if found, err := f.read(ctx, k); len(found) > 0 || err != nil {
			return found, err
		}
	}
	p, err := f.pathsOf(ctx, collection)
	if err != nil && !isNotFound(err) {
		return nil, err
	}
	match, fits := p.set.Match(k.Method, path)
	for _, u := range slices.Compact([]string{url, path, match}) {
		keys := p.members[k.Method+" "+u]
		if len(p.members) == 0 && fits && u == match {
			k.URL = match
			keys = []inventory.EndpointKey{k}
		}
		if found, err := f.read(ctx, keys...); len(found) > 0 || err != nil {
			return found, err
		}
	}
	return nil, fault.New(fault.NotFound, "url: no endpoint %s %s in the collection %d", clip(k.Method), clip(url), collection)
}

// read reads those of keys that exist.
func (f *finder) read(ctx context.Context, keys ...inventory.EndpointKey) ([]inventory.Endpoint, error) {
	var all []inventory.Endpoint
	for _, k := range keys {
		e, err := f.load(ctx, k)
		if isNotFound(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

func (f *finder) pathsOf(ctx context.Context, collection int32) (*paths, error) {
	if p := f.paths[collection]; p != nil {
		return p, nil
	}
	p := &paths{set: pathtmpl.NewSet(pathtmpl.Options{}), members: map[string][]inventory.EndpointKey{}}
	err := f.c.Store.Keys(ctx, collection, func(o inventory.EndpointKey) error {
		if pathtmpl.IsTemplate(o.URL) {
			p.set.Add(o.Method, o.URL)
		}
		if o.Collection != collection {
			name := o.Method + " " + o.URL
			p.members[name] = append(p.members[name], o)
		}
		return nil
	})
	f.paths[collection] = p
	return p, err
}

// list returns the keys of the endpoints that a list names. Unknown ones are
// skipped; a list that names none is fault.NotFound.
func (f *finder) list(ctx context.Context, field string, names APIs) ([]inventory.EndpointKey, error) {
	var keys []inventory.EndpointKey
	for _, n := range names {
		if n.APICollectionID.N < math.MinInt32 || n.APICollectionID.N > math.MaxInt32 {
			continue
		}
		found, err := f.find(ctx, int32(n.APICollectionID.N), n.URL, n.Method)
		if isNotFound(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		keys = append(keys, keysOf(found)...)
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
