// Package job runs work in the background: at most one job of a kind per account,
// from a table in the store, so that a job outlives the process that was asked for
// it. What the jobs do belongs to those who register their kinds; a kind must bear
// being run again, for a job that was cut off by the end of the process is.
package job

import (
	"context"
	"encoding/json"
)

// A State is how far a job has come.
type State string

// The states. Queued and Running jobs are open; the others are finished.
const (
	Queued    State = "QUEUED"
	Running   State = "RUNNING"
	Succeeded State = "SUCCEEDED"
	Failed    State = "FAILED"
)

// A Job is one piece of work for an account.
type Job struct {
	ID       int64
	Account  int32
	Kind     string
	State    State
	Args     json.RawMessage // what Start was given, compact JSON; empty if nothing
	Queued   int64           // Unix seconds
	Started  int64           // Unix seconds of the latest start; 0 before it
	Finished int64           // Unix seconds; 0 while open
	Tries    int             // starts that did not end, and the present one
	Error    string          // why it failed
}

// Finished reports whether a job in state s has ended.
func (s State) Finished() bool { return s == Succeeded || s == Failed }

// A Func does the work of one kind of job. It returns soon after ctx is done, and
// must be repeatable: what it did before it was cut off, it may do again.
type Func func(ctx context.Context, account int32, args json.RawMessage) error

// A Filter chooses jobs of one account; empty fields choose all.
type Filter struct {
	Account int32
	Kinds   []string
	States  []State
}

// MaxQueued is the number of jobs that wait for one account.
const MaxQueued = 1000

// A Store keeps jobs. It is safe for concurrent use.
type Store interface {
	// AddJob stores j as Queued under a new id and returns it. If a job of the same
	// account, kind and args is Queued already, that one is returned in its place:
	// it begins after the call, so it sees what the caller wants done. More than
	// MaxQueued jobs of the account are an error of kind fault.Busy.
	AddJob(ctx context.Context, j Job) (Job, error)
	// TakeJob makes the oldest Queued job Running, at a time (Unix seconds), of those
	// of whose kind none is Running in their account, and returns it; false if there
	// is none.
	TakeJob(ctx context.Context, at int64) (Job, bool, error)
	// EndJob moves a Running job to state: Succeeded, Failed with a text that says
	// why, or back to Queued, as if it had not been taken.
	EndJob(ctx context.Context, id int64, state State, at int64, text string) error
	// RecoverJobs makes Queued what a former process left Running, or Failed with
	// text if it was tried that many times. It reads open jobs only.
	RecoverJobs(ctx context.Context, tries int, at int64, text string) error
	// PruneJobs removes the finished jobs that ended before a time (Unix seconds).
	PruneJobs(ctx context.Context, before int64) error
	// Job returns one job of an account, or fault.NotFound.
	Job(ctx context.Context, account int32, id int64) (Job, error)
	// Jobs returns at most limit jobs, newest first, after leaving out the first
	// skip, and how many there are.
	Jobs(ctx context.Context, f Filter, skip, limit int) (page []Job, total int, err error)
}
