package storetest

import (
	"slices"
	"testing"

	"harken/internal/job"
	"harken/inventory/fault"
)

// RunJobs runs the suite of job.Store. open returns an empty store, which it closes
// when t ends.
func RunJobs(t *testing.T, open func(*testing.T) job.Store) {
	t.Helper()
	for name, f := range map[string]func(*testing.T, job.Store){
		"coalesce": jobsCoalesce, "order": jobsOrder, "recover": jobsRecover, "list": jobsList, "full": jobsFull,
	} {
		t.Run(name, func(t *testing.T) { f(t, open(t)) })
	}
}

func addJob(t *testing.T, s job.Store, account int32, k, args string) job.Job {
	t.Helper()
	j, err := s.AddJob(t.Context(), job.Job{Account: account, Kind: k, Args: []byte(args), Queued: 5})
	if err != nil || j.State != job.Queued {
		t.Fatalf("AddJob = %+v, %v", j, err)
	}
	return j
}

// takeJob takes the job that is expected; with id 0 there must be none.
func takeJob(t *testing.T, s job.Store, want int64) {
	t.Helper()
	j, ok, err := s.TakeJob(t.Context(), 6)
	if err != nil || ok != (want != 0) || j.ID != want {
		t.Fatalf("TakeJob = %+v, %v, %v, want job %d", j, ok, err, want)
	}
	if ok && (j.State != job.Running || j.Started != 6 || j.Tries < 1) {
		t.Errorf("TakeJob = %+v", j)
	}
}

func endJob(t *testing.T, s job.Store, id int64, state job.State) {
	t.Helper()
	if err := s.EndJob(t.Context(), id, state, 9, "text"); err != nil {
		t.Fatal(err)
	}
}

func jobsCoalesce(t *testing.T, s job.Store) {
	a := addJob(t, s, account, "k", "")
	if again := addJob(t, s, account, "k", ""); again.ID != a.ID {
		t.Errorf("a second start of what waits is job %d, want %d", again.ID, a.ID)
	}
	if b := addJob(t, s, account, "k", `{"x":1}`); b.ID == a.ID || string(b.Args) != `{"x":1}` {
		t.Errorf("other args = %+v", b)
	}
	if b := addJob(t, s, 2000000, "k", ""); b.ID == a.ID {
		t.Error("jobs of two accounts are one")
	}
	takeJob(t, s, a.ID)
	if again := addJob(t, s, account, "k", ""); again.ID == a.ID {
		t.Error("a running job was taken for one that waits")
	}
}

func jobsOrder(t *testing.T, s job.Store) {
	a, b := addJob(t, s, account, "k", "1"), addJob(t, s, account, "k", "2")
	c, d := addJob(t, s, account, "l", ""), addJob(t, s, 2000000, "k", "")
	takeJob(t, s, a.ID)
	takeJob(t, s, c.ID) // b waits for a
	takeJob(t, s, d.ID)
	takeJob(t, s, 0)
	endJob(t, s, a.ID, job.Queued)
	takeJob(t, s, a.ID)
	endJob(t, s, a.ID, job.Succeeded)
	takeJob(t, s, b.ID)
	endJob(t, s, b.ID, job.Failed)
	if got, err := s.Job(t.Context(), account, b.ID); err != nil || got.State != job.Failed || got.Error != "text" || got.Finished != 9 || got.Tries != 1 || got.Queued != 5 {
		t.Errorf("Job = %+v, %v", got, err)
	}
	if err := s.EndJob(t.Context(), b.ID, job.Succeeded, 9, ""); kind(err) != fault.NotFound {
		t.Errorf("a job ended twice: %v", err)
	}
}

func jobsRecover(t *testing.T, s job.Store) {
	a, b := addJob(t, s, account, "a", ""), addJob(t, s, account, "b", "")
	for range 2 {
		takeJob(t, s, a.ID)
		if err := s.RecoverJobs(t.Context(), 3, 7, "died"); err != nil {
			t.Fatal(err)
		}
	}
	takeJob(t, s, a.ID)
	takeJob(t, s, b.ID)
	if err := s.RecoverJobs(t.Context(), 3, 7, "died"); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Job(t.Context(), account, a.ID); err != nil || got.State != job.Failed || got.Error != "died" || got.Finished != 7 {
		t.Errorf("the job that was tried three times = %+v, %v", got, err)
	}
	takeJob(t, s, b.ID)
}

func jobsList(t *testing.T, s job.Store) {
	var ids []int64
	for _, k := range []string{"a", "b", "a"} {
		j := addJob(t, s, account, k, "")
		takeJob(t, s, j.ID)
		endJob(t, s, j.ID, job.Succeeded)
		ids = append(ids, j.ID)
	}
	open := addJob(t, s, account, "b", "")
	addJob(t, s, 2000000, "a", "")
	f := func(filter job.Filter, skip, limit, wantTotal int, want ...int64) {
		t.Helper()
		filter.Account = account
		page, total, err := s.Jobs(t.Context(), filter, skip, limit)
		var got []int64
		for i := range page {
			got = append(got, page[i].ID)
		}
		if err != nil || total != wantTotal || !slices.Equal(got, want) {
			t.Errorf("Jobs(%+v, %d, %d) = %v of %d, %v, want %v of %d", filter, skip, limit, got, total, err, want, wantTotal)
		}
	}
	f(job.Filter{}, 0, 10, 4, open.ID, ids[2], ids[1], ids[0])
	f(job.Filter{}, 1, 2, 4, ids[2], ids[1])
	f(job.Filter{Kinds: []string{"a"}}, 0, 10, 2, ids[2], ids[0])
	f(job.Filter{States: []job.State{job.Queued, job.Running}}, 0, 10, 1, open.ID)
	if _, err := s.Job(t.Context(), 2000000, ids[0]); kind(err) != fault.NotFound {
		t.Errorf("a job of another account: %v", err)
	}
	if err := s.PruneJobs(t.Context(), 9); err != nil {
		t.Fatal(err)
	}
	f(job.Filter{}, 0, 10, 4, open.ID, ids[2], ids[1], ids[0])
	if err := s.PruneJobs(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	f(job.Filter{}, 0, 10, 1, open.ID)
}

func jobsFull(t *testing.T, s job.Store) {
	for i := range job.MaxQueued {
		addJob(t, s, account, "k", string(rune('0'+i)))
	}
	if _, err := s.AddJob(t.Context(), job.Job{Account: account, Kind: "k", Args: []byte("one more")}); kind(err) != fault.Busy {
		t.Errorf("one job too many: %v, want Busy", err)
	}
	addJob(t, s, 2000000, "k", "")
}
