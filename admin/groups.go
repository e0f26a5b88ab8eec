package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"harken/admin/auth"
	"harken/inventory"
	"harken/inventory/fault"
	"harken/inventory/pathtmpl"
)

// regroupWait is how long a caller waits for the members of a group: those of most
// groups are found at once. What takes longer goes on without them.
const regroupWait = time.Second

// jobRegroup is the kind of job that finds the members of a group.
const jobRegroup = "regroup"

type regroupArgs struct {
	ID int32 `json:"apiCollectionId"`
}

func (a *API) runRegroup(ctx context.Context, account int32, args json.RawMessage) error {
	var in regroupArgs
	if err := json.Unmarshal(args, &in); err != nil {
		return fmt.Errorf("arguments: %w", err)
	}
	return a.cfg.Stores.Full(account).Regroup(ctx, []int32{in.ID})
}

// regroup starts the job that finds the members of a group, and waits for it for a
// moment.
func (a *API) regroup(ctx context.Context, c *auth.Caller, id int32) error {
	j, err := a.jobs.Start(ctx, c.Account, jobRegroup, regroupArgs{id})
	if err != nil {
		return err
	}
	wait, cancel := context.WithTimeout(ctx, regroupWait)
	defer cancel()
	if _, err := a.jobs.Wait(wait, c.Account, j.ID); err != nil && wait.Err() == nil {
		return err
	}
	return ctx.Err()
}

// settleTags settles in which groups the endpoints of edited collections are, for a
// moment. What takes longer is done by the upkeep of the store.
func settleTags(ctx context.Context, c *auth.Caller) error {
	wait, cancel := context.WithTimeout(ctx, regroupWait)
	defer cancel()
	if err := c.Store.Regroup(wait, nil); err != nil && wait.Err() == nil {
		return err
	}
	return ctx.Err()
}

// settled is regroup for one group, which it returns as it is then.
func (a *API) settled(ctx context.Context, c *auth.Caller, id int32) (inventory.Collection, error) {
	if err := a.regroup(ctx, c, id); err != nil {
		return inventory.Collection{}, err
	}
	return c.Store.Collection(ctx, id)
}

type customCollectionRequest struct {
	CollectionName string     `json:"collectionName" api:"required"`
	Conditions     Conditions `json:"conditions"`
}

// createCustomCollection makes a group of endpoints that meet conditions.
func (a *API) createCustomCollection(ctx context.Context, c *auth.Caller, in customCollectionRequest) (getAllCollectionsResponse, error) {
	if _, err := inventory.NewCollection(in.CollectionName); err != nil {
		return getAllCollectionsResponse{}, err
	}
	conditions, err := in.Conditions.resolve(ctx, c)
	if err != nil {
		return getAllCollectionsResponse{}, err
	}
	col, err := a.addGroup(ctx, c, in.CollectionName, conditions)
	if err != nil {
		return getAllCollectionsResponse{}, err
	}
	return getAllCollectionsResponse{APICollections: []collection{toCollection(&col)}}, nil
}

func (a *API) addGroup(ctx context.Context, c *auth.Caller, name string, conditions []inventory.Condition) (inventory.Collection, error) {
	col, err := a.addCollection(ctx, c, name, func(col *inventory.Collection) {
		col.Type, col.Conditions = inventory.TypeGroup, orEmpty(conditions)
	})
	if err != nil {
		return col, err
	}
	return a.settled(ctx, c, col.ID)
}

type groupAPIsRequest struct {
	CollectionName string `json:"collectionName" api:"required"`
	APIList        APIs   `json:"apiList"` // absent: none
	// true: the reply has all collections; may stand in the query
	Full Bool `json:"full" in:"query"`
}

type groupAPIsResponse struct {
	APICollections []collection `json:"apiCollections"`
	CollectionName string       `json:"collectionName"`
}

// apis returns the endpoints that the list names. An empty list selects nothing,
// which is a mistake; that there is none is not.
func (in *groupAPIsRequest) apis(ctx context.Context, c *auth.Caller) ([]inventory.EndpointKey, error) {
	if in.APIList == nil {
		return nil, nil
	}
	if len(in.APIList) == 0 {
		return nil, fault.New(fault.Invalid, "apiList: is empty, so nothing is selected")
	}
	return newFinder(c).list(ctx, "apiList", in.APIList)
}

// group returns the group of the name; false if there is no collection of it.
func (in *groupAPIsRequest) group(ctx context.Context, c *auth.Caller) (inventory.Collection, bool, error) {
	col, found, err := byName(ctx, c, in.CollectionName)
	if found && err == nil && col.Type != inventory.TypeGroup {
		err = fault.New(fault.Invalid, "collectionName: %s is not a group", col.DisplayName())
	}
	return col, found, err
}

func (a *API) groupReply(ctx context.Context, c *auth.Caller, in *groupAPIsRequest, col *inventory.Collection) (groupAPIsResponse, error) {
	out := groupAPIsResponse{APICollections: []collection{}, CollectionName: in.CollectionName}
	if !in.Full.B {
		out.APICollections = append(out.APICollections, toCollection(col))
		return out, nil
	}
	all, err := c.Store.Collections(ctx)
	for i := range all {
		out.APICollections = append(out.APICollections, toCollection(&all[i]))
	}
	return out, err
}

// addAPIsToGroup adds endpoints to a group, which is made when there is none of that
// name.
func (a *API) addAPIsToGroup(ctx context.Context, c *auth.Caller, in groupAPIsRequest) (groupAPIsResponse, error) {
	col, found, err := in.group(ctx, c)
	if err != nil {
		return groupAPIsResponse{}, err
	}
	keys, err := in.apis(ctx, c)
	if err != nil {
		return groupAPIsResponse{}, err
	}
	switch {
	case !found:
		var conditions []inventory.Condition
		if len(keys) > 0 {
			conditions = listed(nil, keys)
		}
		col, err = a.addGroup(ctx, c, in.CollectionName, conditions)
	case len(keys) > 0:
		col, err = a.editGroup(ctx, c, col.ID, func(have []inventory.Condition) ([]inventory.Condition, error) {
			return listed(have, keys), nil
		})
	}
	if err != nil {
		return groupAPIsResponse{}, err
	}
	return a.groupReply(ctx, c, &in, &col)
}

// listed adds endpoints to the list of a group, which is made if there is none.
func listed(conditions []inventory.Condition, keys []inventory.EndpointKey) []inventory.Condition {
	conditions = slices.Clone(conditions)
	at := slices.IndexFunc(conditions, func(c inventory.Condition) bool { return c.Type == inventory.ByList })
	if at < 0 {
		at = len(conditions)
		conditions = append(conditions, inventory.Condition{Type: inventory.ByList, Operator: inventory.Or})
	}
	list := slices.Concat(conditions[at].APIs, keys)
	slices.SortFunc(list, inventory.EndpointKey.Compare)
	conditions[at].APIs = slices.Compact(list)
	return conditions
}

// editGroup changes the conditions of a group and finds its members anew.
func (a *API) editGroup(ctx context.Context, c *auth.Caller, id int32, edit func([]inventory.Condition) ([]inventory.Condition, error)) (inventory.Collection, error) {
	_, err := c.Store.EditCollections(ctx, []int32{id}, func(col *inventory.Collection) (bool, error) {
		conditions, err := edit(col.Conditions)
		if err != nil {
			return false, err
		}
		if _, err := inventory.NewSelector(conditions, nil); err != nil {
			return false, err
		}
		col.Conditions = conditions
		return true, nil
	})
	if err != nil {
		return inventory.Collection{}, err
	}
	return a.settled(ctx, c, id)
}

// removeAPIsFromGroup takes endpoints out of a group.
func (a *API) removeAPIsFromGroup(ctx context.Context, c *auth.Caller, in groupAPIsRequest) (groupAPIsResponse, error) {
	col, found, err := in.group(ctx, c)
	if err == nil && !found {
		err = fault.New(fault.NotFound, "collectionName: no collection %s", clip(in.CollectionName))
	}
	if err != nil {
		return groupAPIsResponse{}, err
	}
	keys, err := in.apis(ctx, c)
	if err != nil && !isNotFound(err) {
		return groupAPIsResponse{}, err
	}
	gone := in.names(keys)
	if len(gone) > 0 {
		col, err = a.editGroup(ctx, c, col.ID, func(have []inventory.Condition) ([]inventory.Condition, error) {
			left, changed := inventory.Replace(have, func(k inventory.EndpointKey) bool { return gone[k] }, nil)
			if !changed {
				return nil, fault.New(fault.NotFound, "apiList: none of the %d elements is in the group's list", len(in.APIList))
			}
			return left, nil
		})
		if err != nil {
			return groupAPIsResponse{}, err
		}
	}
	return a.groupReply(ctx, c, &in, &col)
}

// names are the keys of what the list names, and of what it names by its stored
// text: an endpoint that is no more can still be in the list of a group.
func (in *groupAPIsRequest) names(keys []inventory.EndpointKey) map[inventory.EndpointKey]bool {
	all := map[inventory.EndpointKey]bool{}
	for _, k := range keys {
		all[k] = true
	}
	for _, n := range in.APIList {
		for _, url := range []string{n.URL, pathtmpl.Normalize(n.URL)} {
			k := inventory.EndpointKey{Collection: int32(n.APICollectionID.N), URL: url, Method: inventory.Method(n.Method)} //nolint:gosec // an id that does not fit names something else or nothing; checked next
			if int64(k.Collection) == n.APICollectionID.N {
				all[k] = true
			}
		}
	}
	return all
}

type updateGroupRequest struct {
	APICollectionID Int        `json:"apiCollectionId" api:"required"`
	Conditions      Conditions `json:"conditions" api:"required"`
}

// updateCustomCollection changes the conditions of a group.
func (a *API) updateCustomCollection(ctx context.Context, c *auth.Caller, in updateGroupRequest) (getAllCollectionsResponse, error) {
	out := getAllCollectionsResponse{APICollections: []collection{}}
	col, err := findCollection(ctx, c, "apiCollectionId", in.APICollectionID.N)
	if err != nil {
		return out, err
	}
	if col.Type != inventory.TypeGroup {
		return out, fault.New(fault.Invalid, "apiCollectionId: %s is not a group", col.DisplayName())
	}
	conditions, err := in.Conditions.resolve(ctx, c)
	if err != nil {
		return out, err
	}
	col, err = a.editGroup(ctx, c, col.ID, func([]inventory.Condition) ([]inventory.Condition, error) { return orEmpty(conditions), nil })
	if err != nil {
		return out, err
	}
	out.APICollections = append(out.APICollections, toCollection(&col))
	return out, nil
}

type groupNameRequest struct {
	CollectionName string `json:"collectionName" api:"required"`
}

// computeCustomCollections finds anew which endpoints meet the conditions of a
// group.
func (a *API) computeCustomCollections(ctx context.Context, c *auth.Caller, in groupNameRequest) (getAllCollectionsResponse, error) {
	out := getAllCollectionsResponse{APICollections: []collection{}}
	named := groupAPIsRequest{CollectionName: in.CollectionName}
	col, found, err := named.group(ctx, c)
	if err == nil && !found {
		err = fault.New(fault.NotFound, "collectionName: no collection %s", clip(in.CollectionName))
	}
	if err != nil {
		return out, err
	}
	if err := c.Store.Recompute(ctx, []int32{col.ID}); err != nil {
		return out, err
	}
	if col, err = a.settled(ctx, c, col.ID); err != nil {
		return out, err
	}
	out.APICollections = append(out.APICollections, toCollection(&col))
	return out, nil
}

// maxPreview is how many endpoints the preview of conditions lists.
const maxPreview = 200

type conditionsRequest struct {
	Conditions Conditions `json:"conditions" api:"required"`
}

type apiCountResponse struct {
	APICount int `json:"apiCount"`
}

// selects yields what conditions select of what the caller sees.
func (in *conditionsRequest) selects(ctx context.Context, c *auth.Caller, yield func(*inventory.Endpoint)) error {
	conditions, err := in.Conditions.resolve(ctx, c)
	if err != nil {
		return err
	}
	s, err := inventory.NewSelector(conditions, nil)
	if err != nil {
		return err
	}
	return eachVisible(ctx, c, func(e *inventory.Endpoint, col *inventory.Collection) error {
		if s.Selects(e, col) {
			yield(e)
		}
		return nil
	})
}

// countByConditions counts the endpoints that meet conditions.
func (a *API) countByConditions(ctx context.Context, c *auth.Caller, in conditionsRequest) (apiCountResponse, error) {
	var out apiCountResponse
	err := in.selects(ctx, c, func(*inventory.Endpoint) { out.APICount++ })
	return out, err
}

type listByConditionsResponse struct {
	Data     endpointsData `json:"data"`
	APICount int           `json:"apiCount"` // of all, of which at most 200 are listed
}

// endpointsData shows endpoints in both forms of the published API.
type endpointsData struct {
	Endpoints   []endpointChanges `json:"endpoints"`
	APIInfoList []apiInfo         `json:"apiInfoList"`
}

// listByConditions lists the endpoints that meet conditions.
func (a *API) listByConditions(ctx context.Context, c *auth.Caller, in conditionsRequest) (listByConditionsResponse, error) {
	var out listByConditionsResponse
	var keys []inventory.EndpointKey
	err := in.selects(ctx, c, func(e *inventory.Endpoint) {
		if out.APICount++; len(keys) < maxPreview {
			keys = append(keys, e.EndpointKey)
		}
	})
	if err != nil {
		return out, err
	}
	out.Data, err = a.endpointsData(ctx, c, keys)
	return out, err
}

// endpointsData reads endpoints; those that are no more are left out.
func (a *API) endpointsData(ctx context.Context, c *auth.Caller, keys []inventory.EndpointKey) (endpointsData, error) {
	out := endpointsData{Endpoints: []endpointChanges{}, APIInfoList: []apiInfo{}}
	s, err := a.sensitivity(ctx, c, nil)
	if err != nil {
		return out, err
	}
	for _, k := range keys {
		e, err := c.Store.Endpoint(ctx, k)
		if isNotFound(err) {
			continue
		}
		if err != nil {
			return out, err
		}
		sensitive := slices.ContainsFunc(e.Params, func(p inventory.Param) bool { return s.of(k, &p) })
		out.Endpoints = append(out.Endpoints, endpointChanges{ID: k, StartTS: e.Discovered, ChangesCount: len(e.Params)})
		out.APIInfoList = append(out.APIInfoList, a.toAPIInfo(&e, sensitive))
	}
	return out, nil
}

type taggedKey struct {
	inventory.EndpointKey
	Tags []inventory.Tag `json:"tags"` // of its collection
}

type fetchAPICollectionResponse struct {
	Data struct {
		Endpoints   []taggedChanges `json:"endpoints"`
		APIInfoList []apiInfo       `json:"apiInfoList"`
	} `json:"data"`
}

type taggedChanges struct {
	ID           taggedKey `json:"_id"`
	StartTS      int64     `json:"startTs"`      // when it was discovered
	ChangesCount int       `json:"changesCount"` // of its parameters
}

// fetchAPICollection is the older listing of a collection.
func (a *API) fetchAPICollection(ctx context.Context, c *auth.Caller, in oneCollectionRequest) (fetchAPICollectionResponse, error) {
	var out fetchAPICollectionResponse
	out.Data.Endpoints = []taggedChanges{}
	list, err := a.fetchFromParams(ctx, c, in)
	if err != nil {
		return out, err
	}
	cols, err := c.Store.Collections(ctx)
	if err != nil {
		return out, err
	}
	tags := map[int32][]inventory.Tag{}
	for i := range cols {
		tags[cols[i].ID] = cols[i].AllTags()
	}
	for _, e := range list.List {
		out.Data.Endpoints = append(out.Data.Endpoints, taggedChanges{
			ID: taggedKey{e.ID, orEmpty(tags[e.ID.Collection])}, StartTS: e.StartTS, ChangesCount: e.ChangesCount,
		})
	}
	out.Data.APIInfoList, err = a.apiInfos(ctx, c, int32(in.APICollectionID.N)) //nolint:gosec // it was found
	return out, err
}
