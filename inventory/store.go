package inventory

import (
	"context"

	"harken/inventory/fault"
)

// ErrNoFreeID says that a collection finds no free id; it is a fault.Conflict.
var ErrNoFreeID = fault.New(fault.Conflict, "there is no free collection id")

// NotFound reports whether an error of a store says that what was named does not
// exist, Conflict that it exists already or was changed meanwhile.
func NotFound(err error) bool {
	k, _ := fault.Of(err)
	return err != nil && k == fault.NotFound
}

// Conflict is described at NotFound.
func Conflict(err error) bool {
	k, _ := fault.Of(err)
	return err != nil && k == fault.Conflict
}

// Stores gives the store of each account, and takes what was learned for all of
// them at once. It is safe for concurrent use.
type Stores interface {
	// Account returns the store of an account.
	Account(id int32) Store
	// Full returns all of an account.
	Full(id int32) FullStore
	Learning
	Maintenance
}

// Learning is the learner's side of a store.
type Learning interface {
	// Marks returns, per log and partition, the highest sequence whose record is
	// part of what is stored.
	Marks(ctx context.Context) (map[Mark]int64, error)
	// Apply merges u into what is stored and raises the marks: both or neither. An
	// observation of a collection that does not exist (it was deleted meanwhile)
	// is not stored, and its records are added to Dropped under
	// DroppedNoCollection. It may be called by one goroutine at a time, and does
	// not keep u or change it.
	Apply(ctx context.Context, u *Update) error
	// MergeDue returns the collections that an update made due, in which look-alike
	// URLs were not looked for since: PutTemplateState settles it.
	MergeDue(ctx context.Context) ([]CollectionKey, error)
}

// A CollectionKey names a collection of an account.
type CollectionKey struct{ Account, ID int32 }

// A Mark names a run of records whose sequence only rises.
type Mark struct {
	Log       string // Origin.Log
	Partition string // Batch.Partition
	// Shard, unless 0, says that the mark is that of a part of the records only, which
	// may be stored ahead of the others. What part that is the learner knows.
	Shard uint8
}

// An Update is what some batches taught: observations to merge, new samples,
// and how far each log was read. Apply keeps nothing of its memory.
type Update struct {
	Accounts map[int32]*AccountUpdate
	Marks    map[Mark]int64
	// Reshaped, unless nil, is called by Apply for each endpoint that is new or got
	// parameters, types, statuses or ways to authenticate that it did not have, or
	// Enough values of a URL parameter where it had fewer, also if Apply fails in the
	// end. Its answer says that the collection is due: see Learning.MergeDue.
	Reshaped func(account int32, k EndpointKey) (due bool)
	Enough   int // 0 if no number of values is enough
}

// DroppedNoCollection is the rule in AccountUpdate.Dropped of records whose
// collection was deleted before they were stored.
const DroppedNoCollection = "collection-deleted"

// An AccountUpdate is the part of an Update that belongs to one account.
type AccountUpdate struct {
	Endpoints []Endpoint       // observations, each key once
	Samples   []Sample         // oldest first, each of an endpoint in Endpoints
	Dropped   map[string]int64 // records that filters dropped, by rule
	// Sensitive are those that are not among Samples, whose time is before that of
	// Samples; oldest first, each of an endpoint in Endpoints.
	Sensitive []SensitiveSample
	Drops     []Drop // counts to add, each rule and host once
	// Redacted are the collections of which values and samples are redacted already.
	// Those of others that have Redact meanwhile are not stored.
	Redacted []int32
	// Redaction is what was redacted of all that is here. What Redaction.Lacks of the
	// account's present one is not stored: values, samples, examples.
	Redaction Redaction
}

// A Store is the data of one account. Errors of kind fault.NotFound say that
// what was named does not exist. It is safe for concurrent use.
type Store interface {
	CollectionStore
	EndpointStore
	SampleStore
	// Dropped returns how many records were dropped, by rule.
	Dropped(ctx context.Context) (map[string]int64, error)
}

// A CollectionStore keeps collections.
type CollectionStore interface {
	// Collections returns all, by id, with URLsCount.
	Collections(ctx context.Context) ([]Collection, error)
	// Collection returns one.
	Collection(ctx context.Context, id int32) (Collection, error)
	// AddCollection stores c under c.ID, or the next free id above it, and
	// returns what was stored. A display name that exists in any letter case is
	// fault.Conflict, more than MaxGroups groups fault.Invalid. Who is in a new group
	// is left to GroupStore.Regroup.
	AddCollection(ctx context.Context, c Collection) (Collection, error)
	// HostCollection returns the collection of a host, made at now (Unix seconds)
	// if there is none: its id is HashID(host), or the first free one of ProbeID,
	// and if none of MaxProbes is free an error that is ErrNoFreeID. It does not keep host.
	HostCollection(ctx context.Context, host string, now int64) (Collection, error)
	// EnsureCollection returns the collection with an id, made if there is none.
	EnsureCollection(ctx context.Context, id int32, now int64) (Collection, error)
	// LabelCollection has the labels of a collection learn (see Labels.Learn) and returns
	// it. ConfigVersion does not see that, and what it means for groups is left to
	// GroupStore.Regroup.
	LabelCollection(ctx context.Context, id int32, direction string, tags map[string]string, at int64) (Collection, error)
}

// An EndpointStore keeps endpoints. Where a collection is named, the id of a group
// stands for the endpoints that are in it, which keep their own collection in their
// key; what is in several of those named comes once. Endpoints are read with Groups.
type EndpointStore interface {
	// Endpoint returns one endpoint with its params.
	Endpoint(ctx context.Context, k EndpointKey) (Endpoint, error)
	// Endpoints returns at most limit endpoints of a collection without params,
	// ordered by URL and method, of a group in the order in which they were found,
	// after leaving out the first skip.
	Endpoints(ctx context.Context, collection int32, skip, limit int) ([]Endpoint, error)
	// WithTypes calls yield for every endpoint that has a param of one of types, of
	// the collections given (nil is all), whole and in no order.
	WithTypes(ctx context.Context, collections []int32, types []string, yield func(*Endpoint) error) error
	// Keys calls yield for the key of every endpoint of a collection, in no order.
	Keys(ctx context.Context, collection int32, yield func(EndpointKey) error) error
}

// A SampleStore keeps samples.
type SampleStore interface {
	// Samples returns the newest samples of an endpoint, oldest first.
	Samples(ctx context.Context, k EndpointKey) ([]Sample, error)
	// Sampled returns one endpoint without params together with its samples.
	Sampled(ctx context.Context, k EndpointKey) (Endpoint, []Sample, error)
}
