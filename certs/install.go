package certs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// An InstallConfig says where Install and Uninstall look for trust stores.
type InstallConfig struct {
	// Root is the directory of the system whose stores are meant; empty means "/".
	// Below another root (an image being built) the system's own tool runs by
	// chroot.
	Root string
	// Home is the home directory whose NSS databases (Chrome, Chromium, Firefox)
	// are meant, as a path of this process; empty leaves them alone.
	Home string
	// SkipSystem leaves the system's store alone.
	SkipSystem bool
	// Run runs a program and returns what it printed; nil runs it for real.
	Run func(ctx context.Context, name string, args ...string) ([]byte, error)
}

// An InstallResult is what became of one trust store.
type InstallResult struct {
	// Store names it for people, such as "system (update-ca-certificates)".
	Store string
	// Path is the file or the database that changed.
	Path string
	// Err says why it did not work; nil means that it did.
	Err error
}

// anchors are the systems whose stores are a directory of files and a tool that
// makes a bundle of them.
type anchor struct {
	dir, tool string
	args      []string
}

func systemAnchors() []anchor {
	return []anchor{
		// Debian, Ubuntu, Alpine.
		{"usr/local/share/ca-certificates", "update-ca-certificates", nil},
		// Fedora, RHEL.
		{"etc/pki/ca-trust/source/anchors", "update-ca-trust", []string{"extract"}},
		// openSUSE.
		{"etc/pki/trust/anchors", "update-ca-certificates", nil},
		// Arch.
		{"etc/ca-certificates/trust-source/anchors", "update-ca-trust", nil},
	}
}

// Install adds the CA to the system's trust store (Debian, Alpine, Fedora,
// openSUSE, Arch and what derives from them) and to the NSS databases in
// cfg.Home. Installing twice changes nothing. It returns one result per store
// that it found, and an error that joins theirs, or one if it found none.
func (c *CA) Install(ctx context.Context, cfg InstallConfig) ([]InstallResult, error) {
	return c.eachStore(ctx, cfg, true)
}

// Uninstall takes the CA out of the stores that Install would put it in. A
// store that does not hold it is a success.
func (c *CA) Uninstall(ctx context.Context, cfg InstallConfig) ([]InstallResult, error) {
	return c.eachStore(ctx, cfg, false)
}

func (c *CA) eachStore(ctx context.Context, cfg InstallConfig, add bool) ([]InstallResult, error) {
	if cfg.Root == "" {
		cfg.Root = "/"
	}
	if cfg.Run == nil {
		cfg.Run = runProgram
	}
	var results []InstallResult
	if !cfg.SkipSystem {
		for _, a := range systemAnchors() {
			if tool := findTool(cfg.Root, a.tool); tool != "" && isDir(filepath.Join(cfg.Root, filepath.Dir(a.dir))) {
				results = append(results, c.system(ctx, cfg, a, tool, add))
				break
			}
		}
	}
	if cfg.Home != "" {
		results = append(results, c.nss(ctx, cfg, add)...)
	}
	if len(results) == 0 {
		return nil, errors.New("no trust store found: neither update-ca-certificates nor update-ca-trust is installed, and there is no NSS database; install the ca-certificates package")
	}
	var errs []error
	for _, r := range results {
		if r.Err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", r.Store, r.Err))
		}
	}
	return results, errors.Join(errs...)
}

// fileID tells the files and entries of different CAs apart.
func (c *CA) fileID() string {
	sum := sha256.Sum256(c.anchor.Raw)
	return fmt.Sprintf("harken-%x", sum[:4])
}

func (c *CA) system(ctx context.Context, cfg InstallConfig, a anchor, tool string, add bool) InstallResult {
	dir := filepath.Join(cfg.Root, a.dir)
	path := filepath.Join(dir, c.fileID()+".crt")
	res := InstallResult{Store: "system (" + a.tool + ")", Path: path}
	want := c.CertPEM()
	have, err := os.ReadFile(path)
	switch {
	case add && err == nil && bytes.Equal(have, want):
		// The file may be there and the tool have failed: it runs again.
	case add:
		if err = os.MkdirAll(dir, 0o755); err == nil { //nolint:gosec // trust anchors are public
			err = os.WriteFile(path, want, 0o644) //nolint:gosec // trust anchors are public
		}
	case errors.Is(err, fs.ErrNotExist):
		return res
	default:
		err = os.Remove(path)
	}
	if err != nil {
		res.Err = needsRoot(err)
		return res
	}
	args := a.args
	if cfg.Root != "/" {
		tool, args = "chroot", append([]string{cfg.Root, tool}, args...)
	}
	if out, err := cfg.Run(ctx, tool, args...); err != nil {
		res.Err = toolError(a.tool, out, err)
	}
	return res
}

// nss adds to or removes from every NSS database below cfg.Home.
func (c *CA) nss(ctx context.Context, cfg InstallConfig, add bool) []InstallResult {
	dbs := nssDatabases(cfg.Home)
	var results []InstallResult
	// Chrome makes its database only when it first needs one, but reads one that
	// is there: a browser that never ran (in CI) gets it from us.
	if own := filepath.Join(cfg.Home, ".pki", "nssdb"); add && !slices.Contains(dbs, own) && hasChrome(cfg.Root) {
		err := os.MkdirAll(own, 0o700)
		if err == nil {
			var out []byte
			if out, err = cfg.Run(ctx, "certutil", "-N", "--empty-password", "-d", "sql:"+own); err != nil {
				err = toolError("certutil", out, err)
			}
		}
		if err != nil {
			return []InstallResult{{Store: nssStore, Path: own, Err: err}}
		}
		dbs = append(dbs, own)
	}
	for _, db := range dbs {
		res := InstallResult{Store: nssStore, Path: db}
		res.Err = c.nssDatabase(ctx, cfg, db, add)
		results = append(results, res)
	}
	return results
}

const nssStore = "NSS (certutil)"

func hasChrome(root string) bool {
	return slices.ContainsFunc([]string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"}, func(name string) bool {
		_, err := os.Stat(filepath.Join(root, "usr/bin", name))
		return err == nil
	})
}

// nssDatabases are the directories that hold a cert9.db, in the places where
// Chrome, Chromium and Firefox, also as snap and flatpak, keep theirs.
func nssDatabases(home string) []string {
	var dbs []string
	for _, pattern := range []string{
		".pki/nssdb",
		".local/share/pki/nssdb",
		"snap/chromium/current/.pki/nssdb",
		".mozilla/firefox/*",
		"snap/firefox/common/.mozilla/firefox/*",
		".var/app/org.mozilla.firefox/.mozilla/firefox/*",
	} {
		// Not one Glob over home: it may hold characters that a pattern reads.
		base, last := filepath.Split(pattern)
		entries, err := os.ReadDir(filepath.Join(home, base))
		if err != nil {
			continue
		}
		for _, e := range entries {
			dir := filepath.Join(home, base, e.Name())
			if last != "*" && e.Name() != last {
				continue
			}
			if _, err := os.Stat(filepath.Join(dir, "cert9.db")); err == nil {
				dbs = append(dbs, dir)
			}
		}
	}
	return slices.Compact(dbs)
}

func (c *CA) nssDatabase(ctx context.Context, cfg InstallConfig, db string, add bool) (err error) {
	// certutil fails alike for "not there" and for everything else, so that what
	// counts is whether the entry is there before and after.
	out, listErr := cfg.Run(ctx, "certutil", "-L", "-d", "sql:"+db)
	if listErr != nil {
		return toolError("certutil", out, listErr)
	}
	there := strings.Contains(string(out), c.fileID())
	if there == add {
		return nil
	}
	if !add {
		if out, err := cfg.Run(ctx, "certutil", "-D", "-d", "sql:"+db, "-n", c.fileID()); err != nil {
			return toolError("certutil", out, err)
		}
		return nil
	}
	f, err := os.CreateTemp("", "harken-*.pem")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	if _, err := f.Write(c.CertPEM()); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Close(); err != nil {
		return err
	}
	if out, err := cfg.Run(ctx, "certutil", "-A", "-d", "sql:"+db, "-t", "C,,", "-n", c.fileID(), "-i", f.Name()); err != nil {
		return toolError("certutil", out, err)
	}
	return nil
}

// findTool is the path of a program of the system below root, as seen from
// there.
func findTool(root, name string) string {
	for _, dir := range []string{"/usr/sbin", "/usr/bin", "/sbin", "/bin"} {
		if info, err := os.Stat(filepath.Join(root, dir, name)); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return dir + "/" + name
		}
	}
	return ""
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func needsRoot(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w; run it as root", err)
	}
	return err
}

func toolError(tool string, out []byte, err error) error {
	if errors.Is(err, exec.ErrNotFound) {
		if tool == "certutil" {
			return errors.New("certutil is not installed; it is in libnss3-tools (Debian, Ubuntu) or nss-tools (Alpine, Fedora)")
		}
		return fmt.Errorf("%s is not installed", tool)
	}
	// The last line is the complaint; what comes before it is progress.
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if last := lines[len(lines)-1]; last != "" {
		return fmt.Errorf("%s: %w: %.200s", tool, err, last)
	}
	return fmt.Errorf("%s: %w", tool, err)
}

func runProgram(ctx context.Context, name string, args ...string) ([]byte, error) {
	return exec.CommandContext(ctx, name, args...).CombinedOutput() //nolint:gosec // programs and arguments are this file's
}
