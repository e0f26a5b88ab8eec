//go:build unix

package certs

import (
	"fmt"
	"io/fs"
	"syscall"
)

// checkKeyMode refuses a key file that others can read. A file of another user
// (root, in a mounted Kubernetes secret with fsGroup) may be readable by the
// group, because the process could not read it otherwise.
func checkKeyMode(path string, info fs.FileInfo) error {
	mode := info.Mode().Perm()
	bad := fs.FileMode(0o077)
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid == 0 && syscall.Geteuid() != 0 {
		bad = 0o037
	}
	if mode&bad != 0 {
		return fmt.Errorf("%s can be read by others (mode %#o); run: chmod 600 %s", path, mode, path)
	}
	return nil
}
