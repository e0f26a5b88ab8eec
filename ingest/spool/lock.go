package spool

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// lockDir makes sure that one Log has dir. The lock file stays behind; what
// counts is the lock on it, and its text only helps people.
func lockDir(dir string) (*os.File, error) {
	f, err := openFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, fmt.Errorf("lock record log: %w", err)
	}
	ok, err := tryLock(f)
	if ok {
		if err = f.Truncate(0); err == nil {
			_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
		}
		if err == nil {
			return f, nil
		}
	}
	defer func() { _ = f.Close() }()
	if err != nil {
		return nil, fmt.Errorf("lock record log %s: %w", dir, err)
	}
	who := ""
	if b, err := io.ReadAll(io.LimitReader(f, 20)); err == nil && len(b) > 0 {
		who = ", pid " + strings.TrimSpace(string(b))
	}
	return nil, fmt.Errorf("record log %s: %w%s", dir, ErrInUse, who)
}
