package inventory

import "context"

// A FullStore is all that is kept of an account. Unlike Store it has no form that
// is limited to some collections: who calls it for a person checks those first. It
// is safe for concurrent use.
type FullStore interface {
	Store
	SettingsStore
	DefinitionStore
	TemplateStore
	HistoryStore
	SensitiveStore
	CollectionEditor
	EndpointEditor
	GroupStore
	FileStore
}

// A TemplateState is what path templates of a collection are made from, beside its
// endpoints: evidence and blocks, in the form of pathtmpl.
type TemplateState struct {
	Version int64 // 0 if nothing is stored
	Data    []byte
	Due     bool // the collection is among Learning.MergeDue
}

// A TemplateStore keeps what path templates are made from, and lets a template
// take over URLs.
type TemplateStore interface {
	// TemplateState returns the state of a collection.
	TemplateState(ctx context.Context, collection int32) (TemplateState, error)
	// PutTemplateState stores s if s.Version is the version of what is stored, and
	// returns the new version; else fault.Conflict. With Data nil it stores Due
	// alone, and the version stays.
	PutTemplateState(ctx context.Context, collection int32, s TemplateState) (version int64, err error)
	// Absorb makes the template, which is made if it does not exist, take over the
	// history of urls of the method, and removes these: facts, params, counts and
	// traffic are merged as observations are, the newest samples kept, changes and
	// overrides moved. Of every absorbed URL the placeholders' values become URL
	// parameters, for which detect names the type of a value; each counts as often
	// as its URL. A URL that does not exist is skipped, so that it can be repeated.
	// All or nothing of it is done.
	Absorb(ctx context.Context, a Absorption) error
}

// An Absorption names the URLs that a template takes over.
type Absorption struct {
	Collection int32
	Method     string
	Template   string
	URLs       []string
	// Params gives the URL parameters of one of URLs: key, type, and the value and
	// range that it stands for. Counts, times and the callers
	// in a Sketch are filled in from the URL's. Nil
	// gives none.
	Params func(url string) []Param
}

// A CollectionEditor changes collections. Each change is seen by ConfigVersion.
type CollectionEditor interface {
	// EditCollections calls edit for each collection of ids (nil is all) that
	// exists, stores it if edit reports a change, and returns those stored, with
	// URLsCount: all of them or, if edit fails, none. ID, HostName and VxlanID
	// cannot change. A display name that another collection has in any letter case
	// is fault.Conflict. edit must not call the store. What it means for groups is
	// left to Regroup.
	EditCollections(ctx context.Context, ids []int32, edit func(*Collection) (changed bool, err error)) ([]Collection, error)
	// DeleteCollections removes collections with all that belongs to them, and
	// returns how many endpoints that were. Ids that do not exist are skipped. The
	// default collection is emptied and stays. Groups lose what they list of them; a
	// group itself goes without the endpoints that are in it. It may be repeated
	// after an error.
	DeleteCollections(ctx context.Context, ids []int32) (endpoints int, err error)
	// DropSamples empties samples, sensitive samples, files and values of parameters of
	// collections, then sets SampleCollectionsDropped of each. Examples of dropped
	// records go too, of the whole account. It may be repeated after an error.
	DropSamples(ctx context.Context, ids []int32) error
	// DropRedactable empties what Settings.RedactPayload is about: samples of sources
	// that are Redactable, values of parameters of endpoints that such a source told,
	// and examples of dropped records. It may be repeated after an error.
	DropRedactable(ctx context.Context, ids []int32) error
	// DropSamplesOf empties samples, sensitive samples and values of parameters of
	// endpoints, and examples of dropped records. Keys of what does not exist are
	// skipped. It may be repeated after an error.
	DropSamplesOf(ctx context.Context, keys []EndpointKey) error
}

// An EndpointEditor changes endpoints.
type EndpointEditor interface {
	// EditEndpoints calls edit for each endpoint of keys that exists, without
	// params, stores it if edit reports a change, and returns how many were stored:
	// all of them or, if edit fails, none. Description, AccessTypes and AuthTypes
	// may change. edit must not call the store.
	EditEndpoints(ctx context.Context, keys []EndpointKey, edit func(*Endpoint) (changed bool, err error)) (int, error)
	// DeleteEndpoints removes endpoints with all that belongs to them and returns
	// how many existed.
	DeleteEndpoints(ctx context.Context, keys []EndpointKey) (int, error)
}

// Maintenance is the upkeep of a store.
type Maintenance interface {
	// Compact removes, for every account, what its settings keep no longer at now
	// (Unix seconds): old samples, changes, files. It works in short transactions and may
	// be broken off at any time.
	Compact(ctx context.Context, now int64) error
	// Regroup is GroupStore.Regroup of all groups and collections of all accounts.
	Regroup(ctx context.Context) error
}

// A GroupStore keeps which endpoints are in which groups. It follows from the
// groups' conditions: what Apply, Absorb and the editors of endpoints change is
// settled when they return, while what an edit of a collection means for the
// endpoints of it, or for a group, is noted and settled by Regroup.
type GroupStore interface {
	// Memberships returns the groups that an endpoint is in, by id; none if it does
	// not exist.
	Memberships(ctx context.Context, k EndpointKey) ([]int32, error)
	// Recompute notes that the members of groups are to be looked for anew. Ids of
	// what is no group are skipped.
	Recompute(ctx context.Context, groups []int32) error
	// Regroup settles what was noted of groups and collections (nil is all). It works
	// in short transactions, several may run at once, and it may be broken off at any
	// time: what is left stays noted.
	Regroup(ctx context.Context, ids []int32) error
}
