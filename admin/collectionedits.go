package admin

import (
	"context"
	"slices"
	"strings"

	"harken/admin/auth"
	"harken/inventory"
	"harken/inventory/fault"
)

// maxDescription bounds what people write on a collection or an endpoint.
const maxDescription = 64 << 10 // bytes

// visible returns the collections that ids name and the caller sees. Unknown ones
// are skipped; a list that names none is fault.NotFound, unless it is empty.
func visible(ctx context.Context, c *auth.Caller, field string, ids []int64) ([]inventory.Collection, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	if len(ids) <= fewIDs {
		return visibleOf(ctx, c, field, ids)
	}
	all, err := c.Store.Collections(ctx)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(col inventory.Collection) bool { return !slices.Contains(ids, int64(col.ID)) })
	if len(all) == 0 {
		return nil, fault.New(fault.NotFound, "%s: none of the %d ids names a collection", field, len(ids))
	}
	return all, nil
}

// fewIDs is up to how many collections are read one by one rather than with all others.
const fewIDs = 16

// visibleOf is visible for few ids.
func visibleOf(ctx context.Context, c *auth.Caller, field string, ids []int64) ([]inventory.Collection, error) {
	var all []inventory.Collection
	for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		col, err := findCollection(ctx, c, field, id)
		if isNotFound(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, col)
	}
	if len(all) == 0 {
		return nil, fault.New(fault.NotFound, "%s: none of the %d ids names a collection", field, len(ids))
	}
	return all, nil
}

func idsOf(cols []inventory.Collection) []int32 {
	ids := make([]int32, len(cols))
	for i := range cols {
		ids[i] = cols[i].ID
	}
	return ids
}

// editOne changes one collection.
func editOne(ctx context.Context, c *auth.Caller, id int64, edit func(*inventory.Collection) error) error {
	col, err := findCollection(ctx, c, "apiCollectionId", id)
	if err != nil {
		return err
	}
	_, err = c.Store.EditCollections(ctx, []int32{col.ID}, func(col *inventory.Collection) (bool, error) { return true, edit(col) })
	return err
}

type collectionDescriptionRequest struct {
	APICollectionID Int  `json:"apiCollectionId" api:"required"`
	Description     Text `json:"description" api:"required"`
	IsSystemPrompt  Bool `json:"isSystemPrompt"`
}

// saveCollectionDescription describes a collection in words of people.
func (a *API) saveCollectionDescription(ctx context.Context, c *auth.Caller, in collectionDescriptionRequest) (none, error) {
	if err := checkDescription(in.Description.S); err != nil {
		return none{}, err
	}
	return none{}, editOne(ctx, c, in.APICollectionID.N, func(col *inventory.Collection) error {
		col.Description = in.Description.S
		return nil
	})
}

func checkDescription(s string) error {
	if len(s) > maxDescription {
		return fault.New(fault.Invalid, "description: is longer than %d bytes", maxDescription)
	}
	return nil
}

type updateEnvTypeRequest struct {
	APICollectionIDs Ints `json:"apiCollectionIds" api:"required"`
	ResetEnvTypes    Bool `json:"resetEnvTypes" api:"required"`
	EnvType          Tags `json:"envType"`
}

// updateEnvType sets the environment, or other tags, of collections, or takes them
// away.
func (a *API) updateEnvType(ctx context.Context, c *auth.Caller, in updateEnvTypeRequest) (none, error) {
	for i, t := range in.EnvType {
		if strings.TrimSpace(t.KeyName) == "" || len(t.KeyName) > inventory.MaxTagText || len(t.Value) > inventory.MaxTagText {
			return none{}, fault.New(fault.Invalid, "envType: element %d: keyName is empty, or a text is longer than %d bytes", i, inventory.MaxTagText)
		}
	}
	cols, err := someVisible(ctx, c, "apiCollectionIds", in.APICollectionIDs)
	if err != nil || !in.ResetEnvTypes.B && len(in.EnvType) == 0 {
		return none{}, err
	}
	now := a.cfg.Now().Unix()
	_, err = c.Store.EditCollections(ctx, idsOf(cols), func(col *inventory.Collection) (bool, error) {
		if in.ResetEnvTypes.B {
			had := len(col.AllTags()) > 0
			col.Tags = []inventory.Tag{} // not nil: what the host tells is gone too
			return had, nil
		}
		col.Tags = toggleTags(col.AllTags(), in.EnvType, now)
		if len(col.Tags) > inventory.MaxTags {
			return false, fault.New(fault.Invalid, "envType: a collection has at most %d tags", inventory.MaxTags)
		}
		return true, nil
	})
	if err != nil {
		return none{}, err
	}
	return none{}, settleTags(ctx, c)
}

// someVisible is visible for endpoints that need ids: there an empty list must not
// pass for work done.
func someVisible(ctx context.Context, c *auth.Caller, field string, ids []int64) ([]inventory.Collection, error) {
	if len(ids) == 0 {
		return nil, fault.New(fault.Invalid, "%s: is empty", field)
	}
	return visible(ctx, c, field, ids)
}

// toggleTags removes those of toggle that are there and adds the others. There is
// one environment at most, and each tag once.
func toggleTags(have []inventory.Tag, toggle Tags, now int64) []inventory.Tag {
	tags := append([]inventory.Tag{}, have...)
	isEnv := func(t inventory.Tag) bool { return strings.EqualFold(t.KeyName, inventory.KeyEnvType) }
	for _, t := range toggle {
		same := func(o inventory.Tag) bool { return o.KeyName == t.KeyName && o.Value == t.Value }
		if slices.ContainsFunc(have, same) {
			tags = slices.DeleteFunc(tags, same)
			continue
		}
		tags = slices.DeleteFunc(tags, func(o inventory.Tag) bool { return same(o) || isEnv(t) && isEnv(o) })
		tags = append(tags, inventory.Tag{LastUpdatedTS: now, KeyName: t.KeyName, Value: t.Value, Source: "USER"})
	}
	return tags
}

type testScopeRequest struct {
	APICollectionIDs              Ints `json:"apiCollectionIds" api:"required"`
	CurrentIsOutOfTestingScopeVal Bool `json:"currentIsOutOfTestingScopeVal" api:"required"`
}

type successResponse struct {
	Success bool `json:"success"`
}

// toggleTestScope takes collections out of the scope of security tests, or back into
// it.
func (a *API) toggleTestScope(ctx context.Context, c *auth.Caller, in testScopeRequest) (successResponse, error) {
	cols, err := someVisible(ctx, c, "apiCollectionIds", in.APICollectionIDs)
	if err != nil {
		return successResponse{}, err
	}
	out := !in.CurrentIsOutOfTestingScopeVal.B
	_, err = c.Store.EditCollections(ctx, idsOf(cols), func(col *inventory.Collection) (bool, error) {
		changed := col.OutOfTestingScope != out
		col.OutOfTestingScope = out
		return changed, nil
	})
	return successResponse{err == nil}, err
}

// collectionsRequest names collections in either form, or some in each.
type collectionsRequest struct {
	APICollections   Refs `json:"apiCollections"`
	APICollectionIDs Ints `json:"apiCollectionIds"`
}

func (in *collectionsRequest) find(ctx context.Context, c *auth.Caller) ([]inventory.Collection, error) {
	field := "apiCollections"
	if len(in.APICollections) == 0 {
		field = "apiCollectionIds"
	}
	return visible(ctx, c, field, slices.Concat([]int64(in.APICollections), []int64(in.APICollectionIDs)))
}

// deactivateCollections leaves traffic of collections out from now on. What was
// learned stays.
func (a *API) deactivateCollections(ctx context.Context, c *auth.Caller, in collectionsRequest) (getAllCollectionsResponse, error) {
	return a.setActive(ctx, c, &in, false)
}

// activateCollections lets traffic of collections count again.
func (a *API) activateCollections(ctx context.Context, c *auth.Caller, in collectionsRequest) (getAllCollectionsResponse, error) {
	return a.setActive(ctx, c, &in, true)
}

func (a *API) setActive(ctx context.Context, c *auth.Caller, in *collectionsRequest, active bool) (getAllCollectionsResponse, error) {
	out := getAllCollectionsResponse{APICollections: []collection{}}
	cols, err := in.find(ctx, c)
	if err != nil || len(cols) == 0 {
		return out, err
	}
	if active {
		var more int64
		for i := range cols {
			if cols[i].Deactivated {
				more += endpointsIn(&cols[i])
			}
		}
		if err := a.roomFor(ctx, c.Account, auth.ActiveEndpoints, more); err != nil {
			return out, err
		}
	}
	cols, err = c.Store.EditCollections(ctx, idsOf(cols), func(col *inventory.Collection) (bool, error) {
		changed := col.Deactivated == active
		col.Deactivated = !active
		return changed, nil
	})
	if err != nil {
		return out, err
	}
	for i := range cols {
		out.APICollections = append(out.APICollections, toCollection(&cols[i]))
	}
	if err := settleTags(ctx, c); err != nil {
		return out, err
	}
	return out, a.reload(ctx, c)
}

// deleteCollections removes collections and all that was learned in them. The
// default collection stays, and unknown ids are skipped.
func (a *API) deleteCollections(ctx context.Context, c *auth.Caller, in collectionsRequest) (none, error) {
	cols, err := in.find(ctx, c)
	if err != nil || len(cols) == 0 {
		return none{}, err
	}
	_, err = c.Store.DeleteCollections(ctx, idsOf(cols))
	return none{}, err
}

type oneCollectionRequest struct {
	APICollectionID Int `json:"apiCollectionId" api:"required"`
}

// deleteCollection removes a collection and all that was learned in it.
func (a *API) deleteCollection(ctx context.Context, c *auth.Caller, in oneCollectionRequest) (none, error) {
	col, err := findCollection(ctx, c, "apiCollectionId", in.APICollectionID.N)
	if err != nil {
		return none{}, err
	}
	_, err = c.Store.DeleteCollections(ctx, []int32{col.ID})
	return none{}, err
}

type redactCollectionRequest struct {
	APICollectionID Int  `json:"apiCollectionId" api:"required"`
	Redacted        Bool `json:"redacted" api:"required"`
}

type redactCollectionResponse struct {
	Redacted        bool  `json:"redacted"`
	APICollectionID int64 `json:"apiCollectionId"`
}

// redactCollection replaces the values of a collection in what is stored and in what
// will come, or stops doing so. It answers when what is stored is emptied: a reply
// that comes before would tell people that their data is gone while it is not.
func (a *API) redactCollection(ctx context.Context, c *auth.Caller, in redactCollectionRequest) (redactCollectionResponse, error) {
	out := redactCollectionResponse{Redacted: in.Redacted.B, APICollectionID: in.APICollectionID.N}
	err := editOne(ctx, c, in.APICollectionID.N, func(col *inventory.Collection) error {
		if col.Type == inventory.TypeGroup {
			return fault.New(fault.Invalid, "apiCollectionId: a group has no samples of its own; redact the collections that its endpoints are of")
		}
		col.Redact, col.SampleCollectionsDropped = in.Redacted.B, !in.Redacted.B
		return nil
	})
	if err != nil || !in.Redacted.B {
		return out, err
	}
	// What was learned in the clear has to be stored before it can be emptied.
	if err := a.reload(ctx, c); err != nil {
		return out, err
	}
	// Also what an earlier call was kept from finishing.
	cols, err := c.Store.Collections(ctx)
	cols = slices.DeleteFunc(cols, func(col inventory.Collection) bool { return !col.Redact || col.SampleCollectionsDropped })
	if err != nil || len(cols) == 0 {
		return out, err
	}
	s, err := c.Store.Settings(ctx)
	for i := 0; i < len(cols) && err == nil; i++ {
		err = dropEvidence(ctx, c.Store, cols[i].ID, &s)
	}
	if err != nil {
		return out, err
	}
	return out, c.Store.DropSamples(ctx, idsOf(cols))
}

type editCollectionNameRequest struct {
	APICollectionID Int    `json:"apiCollectionId" api:"required"`
	CollectionName  string `json:"collectionName" api:"required" max:"60"`
}

// editCollectionName renames a collection that was made by hand.
func (a *API) editCollectionName(ctx context.Context, c *auth.Caller, in editCollectionNameRequest) (none, error) {
	named, err := inventory.NewCollection(in.CollectionName)
	if err != nil {
		return none{}, err
	}
	return none{}, editOne(ctx, c, in.APICollectionID.N, func(col *inventory.Collection) error {
		if col.HostName != "" {
			return fault.New(fault.Invalid, "apiCollectionId: the collection of a host keeps the host's name")
		}
		col.Name = named.Name
		return nil
	})
}
