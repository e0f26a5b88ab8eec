//go:build !unix || solaris || aix

package har

import "os"

// lock does nothing where there is no flock(2).
func lock(*os.File) error { return nil }
