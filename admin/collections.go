package admin

import (
	"cmp"
	"context"
	"math"
	"regexp"
	"slices"

	"harken/admin/auth"
	"harken/inventory"
	"harken/inventory/fault"
)

// collection is the Collection object of the published API.
type collection struct {
	ID                       int32    `json:"id"`
	Name                     string   `json:"name"`
	DisplayName              string   `json:"displayName"`
	Description              *string  `json:"description"`
	StartTS                  int64    `json:"startTs"`
	HostName                 *string  `json:"hostName"`
	VxlanID                  int32    `json:"vxlanId"`
	URLs                     []string `json:"urls"`
	URLsCount                int      `json:"urlsCount"`
	Redact                   bool     `json:"redact"`
	SampleCollectionsDropped bool     `json:"sampleCollectionsDropped"`
	Deactivated              bool     `json:"deactivated"`
	IsOutOfTestingScope      bool     `json:"isOutOfTestingScope"`
	Automated                bool     `json:"automated"`
	Type                     *string  `json:"type"`
	// Conditions are those of a group, as they are stored.
	Conditions *[]inventory.Condition `json:"conditions"`
	TagsList   *[]inventory.Tag       `json:"tagsList"`
	EnvType    *[]inventory.Tag       `json:"envType"`
	AccessType *string                `json:"accessType"`
}

func toCollection(c *inventory.Collection) collection {
	out := collection{
		ID: c.ID, Name: c.Name, DisplayName: c.DisplayName(), Description: orNull(c.Description), StartTS: c.StartTS,
		HostName: orNull(c.HostName), VxlanID: c.VxlanID, URLs: []string{}, URLsCount: c.URLsCount, Redact: c.Redact,
		SampleCollectionsDropped: c.SampleCollectionsDropped, Deactivated: c.Deactivated, IsOutOfTestingScope: c.OutOfTestingScope,
		Automated: c.Automated, Type: orNull(c.Type), AccessType: orNull(c.AccessType),
	}
	if tags := c.AllTags(); len(tags) > 0 {
		out.TagsList, out.EnvType = &tags, &tags
	}
	if c.Type == inventory.TypeGroup {
		conditions := orEmpty(c.Conditions)
		out.Conditions = &conditions
	}
	return out
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

type createCollectionRequest struct {
	CollectionName string `json:"collectionName" api:"required" max:"60"`
}

type createCollectionResponse struct {
	APICollections  []collection `json:"apiCollections"`
	CollectionName  string       `json:"collectionName"`
	APICollectionID int32        `json:"apiCollectionId"`
}

// tagGenAI is the key of the tag of collections that are about AI.
const tagGenAI = "gen-ai"

// createCollection makes an empty collection. The name is up to 60 letters, digits,
// spaces, dots, hyphens and underscores, and must not be taken in any letter case.
// In the scope AGENTIC it is tagged gen-ai.
func (a *API) createCollection(ctx context.Context, c *auth.Caller, in createCollectionRequest) (createCollectionResponse, error) {
	col, err := a.addCollection(ctx, c, in.CollectionName, func(col *inventory.Collection) {
		if c.Scope == auth.ScopeAgentic {
			col.Tags = []inventory.Tag{{LastUpdatedTS: a.cfg.Now().Unix(), KeyName: tagGenAI, Value: "Gen AI", Source: "USER"}}
		}
	})
	if err != nil {
		return createCollectionResponse{}, err
	}
	return createCollectionResponse{
		APICollections: []collection{toCollection(&col)}, CollectionName: in.CollectionName, APICollectionID: col.ID,
	}, nil
}

// addCollection makes a collection with a name, which its maker sees. kind
// says what else it is; nil is nothing.
func (a *API) addCollection(ctx context.Context, c *auth.Caller, name string, kind func(*inventory.Collection)) (inventory.Collection, error) {
	col, err := inventory.NewCollection(name)
	if err != nil {
		return col, err
	}
	if kind != nil {
		kind(&col)
	}
	col.StartTS = a.cfg.Now().Unix()
	col.ID = int32(col.StartTS) //nolint:gosec // ids are seconds until 2038, as published
	return c.Store.AddCollection(ctx, col)
}

type getAllCollectionsRequest struct {
	NameRegex     string `json:"nameRegex"`
	HostNameRegex string `json:"hostNameRegex"`
}

type getAllCollectionsResponse struct {
	APICollections []collection `json:"apiCollections"`
}

// getAllCollections lists the collections, all or those whose name or host matches a
// regular expression.
func (a *API) getAllCollections(ctx context.Context, c *auth.Caller, in getAllCollectionsRequest) (getAllCollectionsResponse, error) {
	out := getAllCollectionsResponse{APICollections: []collection{}}
	name, err := compile("nameRegex", in.NameRegex)
	if err != nil {
		return out, err
	}
	host, err := compile("hostNameRegex", in.HostNameRegex)
	if err != nil {
		return out, err
	}
	all, err := c.Store.Collections(ctx)
	if err != nil {
		return out, err
	}
	for i := range all {
		if name.MatchString(cmp.Or(all[i].Name, all[i].DisplayName())) && host.MatchString(all[i].HostName) {
			out.APICollections = append(out.APICollections, toCollection(&all[i]))
		}
	}
	return out, nil
}

// getCollection gives one collection as a list of one, or an empty list when there
// is none.
func (a *API) getCollection(ctx context.Context, c *auth.Caller, in oneCollectionRequest) ([]collection, error) {
	col, err := findCollection(ctx, c, "apiCollectionId", in.APICollectionID.N)
	if isNotFound(err) {
		return []collection{}, nil
	}
	if err != nil {
		return []collection{}, err
	}
	out := toCollection(&col)
	if col.HostName == "" && col.Type == "" {
		err = c.Store.Keys(ctx, col.ID, func(k inventory.EndpointKey) error {
			out.URLs = append(out.URLs, k.URL+" "+k.Method)
			return nil
		})
		slices.Sort(out.URLs)
	}
	return []collection{out}, err
}

// basicCollection is a Collection object without what is long or private.
type basicCollection struct {
	ID                  int32       `json:"id"`
	Name                string      `json:"name"`
	DisplayName         string      `json:"displayName"`
	Description         *string     `json:"description"`
	StartTS             int64       `json:"startTs"`
	HostName            *string     `json:"hostName"`
	URLsCount           int         `json:"urlsCount"`
	Deactivated         bool        `json:"deactivated"`
	IsOutOfTestingScope bool        `json:"isOutOfTestingScope"`
	Automated           bool        `json:"automated"`
	Type                *string     `json:"type"`
	TagsList            *[]basicTag `json:"tagsList"`
	EnvType             *[]basicTag `json:"envType"`
	AccessType          *string     `json:"accessType"`
}

type basicTag struct {
	KeyName string `json:"keyName"`
	Value   string `json:"value"`
}

type basicCollectionsResponse struct {
	APICollections []basicCollection `json:"apiCollections"`
}

// getAllCollectionsBasic lists the collections with what menus need.
func (a *API) getAllCollectionsBasic(ctx context.Context, c *auth.Caller, _ none) (basicCollectionsResponse, error) {
	out := basicCollectionsResponse{APICollections: []basicCollection{}}
	all, err := c.Store.Collections(ctx)
	for i := range all {
		col := toCollection(&all[i])
		b := basicCollection{
			ID: col.ID, Name: col.Name, DisplayName: col.DisplayName, Description: col.Description, StartTS: col.StartTS,
			HostName: col.HostName, URLsCount: col.URLsCount, Deactivated: col.Deactivated, IsOutOfTestingScope: col.IsOutOfTestingScope,
			Automated: col.Automated, Type: col.Type, AccessType: col.AccessType,
		}
		if col.TagsList != nil {
			tags := []basicTag{}
			for _, t := range *col.TagsList {
				tags = append(tags, basicTag{t.KeyName, t.Value})
			}
			b.TagsList, b.EnvType = &tags, &tags
		}
		out.APICollections = append(out.APICollections, b)
	}
	return out, err
}

// compile reads a regular expression that matches anywhere; the empty one
// matches all. Those of package regexp take linear time, so users may bring them.
func compile(field, s string) (*regexp.Regexp, error) {
	if len(s) > 1000 {
		return nil, fault.New(fault.Invalid, "%s: is longer than 1000 bytes", field)
	}
	re, err := regexp.Compile(s)
	if err != nil {
		return nil, fault.New(fault.Invalid, "%s: is not a regular expression", field)
	}
	return re, nil
}

// findCollection returns the collection that a field names by id.
func findCollection(ctx context.Context, c *auth.Caller, field string, id int64) (inventory.Collection, error) {
	unknown := fault.New(fault.NotFound, "%s: no collection with the id %d", field, id)
	if id < math.MinInt32 || id > math.MaxInt32 {
		return inventory.Collection{}, unknown
	}
	col, err := c.Store.Collection(ctx, int32(id))
	if kind, _ := fault.Of(err); err != nil && kind == fault.NotFound {
		return col, unknown
	}
	return col, err
}

// activeCollection is findCollection for what is closed to deactivated ones.
func activeCollection(ctx context.Context, c *auth.Caller, field string, id int64) (inventory.Collection, error) {
	col, err := findCollection(ctx, c, field, id)
	if err == nil && col.Deactivated {
		err = fault.New(fault.Denied, "the collection %s is deactivated", col.DisplayName())
	}
	return col, err
}
