package sqlite_test

import (
	"path/filepath"
	"testing"

	"harken/internal/job"
	"harken/internal/store/storetest"
)

func TestJobs(t *testing.T) {
	storetest.RunJobs(t, func(t *testing.T) job.Store {
		t.Helper()
		return open(t, filepath.Join(t.TempDir(), "h.db"))
	})
}
