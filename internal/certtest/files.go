package certtest

import (
	"os"
	"path/filepath"
	"testing"
)

// Files are the two files of a pair, as Kubernetes mounts a Secret of the type
// kubernetes.io/tls: symbolic links into a directory that a link names, which is
// replaced in one step.
type Files struct {
	Cert, Key string // paths

	t        testing.TB
	dir      string
	versions int
}

// NewFiles has none yet: Swap brings the first.
func NewFiles(t testing.TB) *Files {
	t.Helper()
	dir := t.TempDir()
	f := &Files{Cert: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key"), t: t, dir: dir}
	for _, path := range []string{f.Cert, f.Key} {
		f.must(os.Symlink(filepath.Join("..data", filepath.Base(path)), path))
	}
	return f
}

// Swap replaces both in one step, and removes what was before.
func (f *Files) Swap(cert, key []byte) {
	f.t.Helper()
	f.versions++
	next := filepath.Join(f.dir, "..v"+string(rune('a'+f.versions)))
	f.must(os.Mkdir(next, 0o700))
	f.must(os.WriteFile(filepath.Join(next, "tls.crt"), cert, 0o600))
	f.must(os.WriteFile(filepath.Join(next, "tls.key"), key, 0o600))
	data := filepath.Join(f.dir, "..data")
	before, err := os.Readlink(data)
	f.must(os.Symlink(filepath.Base(next), data+"_tmp"))
	f.must(os.Rename(data+"_tmp", data))
	if err == nil {
		f.must(os.RemoveAll(filepath.Join(f.dir, before)))
	}
}

// WriteCert writes over one file where it lies, as cp does; WriteKey over the other.
func (f *Files) WriteCert(cert []byte) { f.must(os.WriteFile(f.Cert, cert, 0o600)) }

// WriteKey is said with WriteCert.
func (f *Files) WriteKey(key []byte) { f.must(os.WriteFile(f.Key, key, 0o600)) }

// Remove removes what both link to.
func (f *Files) Remove() { f.must(os.Remove(filepath.Join(f.dir, "..data"))) }

func (f *Files) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatalf("certtest: %v", err)
	}
}
