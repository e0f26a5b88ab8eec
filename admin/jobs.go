package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"harken/admin/auth"
	"harken/internal/job"
	"harken/inventory/fault"
)

// jobKinds is what runs in the background. An endpoint starts a job by
// a.jobs.Start(ctx, c.Account, kind, args); its function is repeatable.
func (a *API) jobKinds() map[string]job.Func {
	return map[string]job.Func{
		jobAccessTypes: a.runAccessTypes,
		jobUsage:       a.runUsage,
		jobRedact:      a.runRedact,
		jobRegroup:     a.runRegroup,
	}
}

// Bounds of a page of jobs.
const (
	defaultJobs = 100
	maxJobs     = 1000
)

type fetchJobsRequest struct {
	Types  Strings `json:"types"`  // absent: all
	States Strings `json:"states"` // absent: all
	Skip   Int     `json:"skip"`
	Limit  Int     `json:"limit"` // absent: 100; at most 1000
}

type fetchJobsResponse struct {
	Jobs  []jobRow `json:"jobs"` // newest first
	Total int      `json:"total"`
}

type jobRow struct {
	ID         int64           `json:"id"`
	AccountID  int32           `json:"accountId"`
	Type       string          `json:"type"`
	State      job.State       `json:"state"` // QUEUED, RUNNING, SUCCEEDED or FAILED
	Args       json.RawMessage `json:"args"`
	QueuedAt   int64           `json:"queuedAt"`
	StartedAt  int64           `json:"startedAt"`
	FinishedAt int64           `json:"finishedAt"`
	Error      string          `json:"error"`
}

func toJobRow(j *job.Job) jobRow {
	row := jobRow{
		ID: j.ID, AccountID: j.Account, Type: j.Kind, State: j.State, Args: j.Args,
		QueuedAt: j.Queued, StartedAt: j.Started, FinishedAt: j.Finished, Error: j.Error,
	}
	if len(row.Args) == 0 {
		row.Args = json.RawMessage("null")
	}
	return row
}

// fetchJobs lists background jobs, newest first.
func (a *API) fetchJobs(ctx context.Context, c *auth.Caller, in fetchJobsRequest) (fetchJobsResponse, error) {
	out := fetchJobsResponse{Jobs: []jobRow{}}
	skip, limit, err := page(in.Skip, in.Limit, defaultJobs, maxJobs)
	if err != nil {
		return out, err
	}
	f := job.Filter{Account: c.Account, Kinds: trimmed(in.Types)}
	for i, text := range in.States {
		s := job.State(strings.ToUpper(strings.TrimSpace(text)))
		if !slices.Contains([]job.State{job.Queued, job.Running, job.Succeeded, job.Failed}, s) {
			return out, fault.New(fault.Invalid, "states: element %d is none of QUEUED, RUNNING, SUCCEEDED, FAILED", i)
		}
		f.States = append(f.States, s)
	}
	all, total, err := a.cfg.Jobs.Jobs(ctx, f, skip, limit)
	if err != nil {
		return out, fmt.Errorf("list jobs: %w", err)
	}
	out.Total = total
	for i := range all {
		out.Jobs = append(out.Jobs, toJobRow(&all[i]))
	}
	return out, nil
}

// page checks what chooses a page of a listing.
func page(skip, limit Int, standard, most int64) (from, n int, err error) {
	if !limit.Set {
		limit.N = standard
	}
	if limit.N < 1 || limit.N > most {
		return 0, 0, fault.New(fault.Invalid, "limit: must be from 1 to %d", most)
	}
	if skip.N < 0 || skip.N > 1<<31-1 {
		return 0, 0, fault.New(fault.Invalid, "skip: must not be negative, nor beyond 2147483647")
	}
	return int(skip.N), int(limit.N), nil
}

type fetchJobRequest struct {
	JobID Int `json:"jobId" api:"required"`
}

type fetchJobResponse struct {
	Job jobRow `json:"job"`
}

// fetchJob says how far a background job is.
func (a *API) fetchJob(ctx context.Context, c *auth.Caller, in fetchJobRequest) (fetchJobResponse, error) {
	j, err := a.cfg.Jobs.Job(ctx, c.Account, in.JobID.N)
	if kind, _ := fault.Of(err); err != nil && kind == fault.NotFound {
		return fetchJobResponse{}, fault.New(fault.NotFound, "jobId: there is no job %d", in.JobID.N)
	}
	return fetchJobResponse{toJobRow(&j)}, err
}
