package pinned

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// TestALinkIsFollowedOnlyIfRootAloneCanChangeIt has every way in which another user
// could come to lead a path elsewhere.
func TestALinkIsFollowedOnlyIfRootAloneCanChangeIt(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: gives directories to another user")
	}
	const alice = 4711
	for name, test := range map[string]struct {
		make func(dir string) error
		path string
		real string // below the directory; empty: refused
	}{
		"plain":                {func(string) error { return nil }, "there/data", "there/data"},
		"root's link":          {func(dir string) error { return errors.Join(os.Symlink(dir+"/there", dir+"/link")) }, "link/data", "there/data"},
		"root's relative link": {func(dir string) error { return errors.Join(os.Symlink("../there", dir+"/home/link")) }, "home/link/data", "there/data"},
		"root's link to a link": {func(dir string) error {
			return errors.Join(os.Symlink("two", dir+"/one"), os.Symlink("there", dir+"/two"))
		}, "one", "there"},
		"a loop":              {func(dir string) error { return errors.Join(os.Symlink("one", dir+"/one")) }, "one", ""},
		"another's directory": {func(dir string) error { return errors.Join(os.Chown(dir+"/home", alice, alice)) }, "home/site", "home/site"},
		"a link in another's": {func(dir string) error {
			return errors.Join(os.Symlink(dir+"/there", dir+"/home/link"), os.Chown(dir+"/home", alice, alice))
		}, "home/link", ""},
		"below another's": {func(dir string) error {
			return errors.Join(os.Symlink(dir+"/there", dir+"/home/site/link"), os.Chown(dir+"/home", alice, alice))
		}, "home/site/link", ""},
		"another's link": {func(dir string) error {
			return errors.Join(os.Symlink("there", dir+"/link"), os.Lchown(dir+"/link", alice, alice))
		}, "link", ""},
		"root's to another's": {func(dir string) error {
			return errors.Join(os.Symlink("home", dir+"/a"), os.Symlink("../there", dir+"/home/b"), os.Chown(dir+"/home", alice, alice))
		}, "a/b", ""},
		"writable by all": {func(dir string) error {
			return errors.Join(os.Symlink("../there", dir+"/home/link"), os.Chmod(dir+"/home", 0o777))
		}, "home/link", ""},
		"writable by all, sticky": {func(dir string) error {
			return errors.Join(os.Symlink("../there", dir+"/home/link"), os.Chmod(dir+"/home", 0o777|os.ModeSticky))
		}, "home/link", "there"},
		"writable by a group": {func(dir string) error {
			return errors.Join(os.Symlink("../there", dir+"/home/link"), os.Chown(dir+"/home", 0, alice), os.Chmod(dir+"/home", 0o775))
		}, "home/link", ""},
		"writable by root's": {func(dir string) error {
			return errors.Join(os.Symlink("../there", dir+"/home/link"), os.Chmod(dir+"/home", 0o775))
		}, "home/link", "there"},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			dir := t.TempDir()
			must(t, os.MkdirAll(dir+"/there/data", 0o755), os.MkdirAll(dir+"/home/site", 0o755))
			must(t, test.make(dir))
			asked := ""
			d, err := Open(dir+"/"+test.path, func(real string) error { asked = real; return nil })
			if test.real == "" {
				if err == nil || errors.Is(err, fs.ErrNotExist) {
					t.Fatalf("followed to %q: %v", asked, err)
				}
				return
			}
			must(t, err)
			if want := filepath.Join(dir, test.real); d.Real() != want || asked != want {
				t.Errorf("led to %q, asked about %q", d.Real(), asked)
			}
			must(t, d.Close())
		})
	}
}

func TestWhatIsNotThereIsMadeOnceAllowed(t *testing.T) {
	dir := t.TempDir()
	no := errors.New("no")
	if _, err := Create(dir+"/a/b", 0o700, func(string) error { return no }); !errors.Is(err, no) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Lstat(dir + "/a"); err == nil {
		t.Error("made what was not allowed")
	}
	if _, err := Open(dir+"/a/b", nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	d, err := Create(dir+"/a/b", 0o700, func(real string) error {
		if real != dir+"/a/b" {
			t.Errorf("asked about %q", real)
		}
		return nil
	})
	must(t, err, d.Close())
	real, err := Resolve(dir + "/a/b/c/d")
	if must(t, err); real != dir+"/a/b/c/d" {
		t.Errorf("resolved to %q", real)
	}
}

// TestNothingBelowIsFollowed has each call meet a link, on a kernel with and without
// openat2.
func TestNothingBelowIsFollowed(t *testing.T) {
	for _, old := range []bool{false, true} {
		outside, dir := t.TempDir(), t.TempDir()
		must(t, os.WriteFile(outside+"/secret", nil, 0o600), os.Mkdir(outside+"/d", 0o700), os.Mkdir(dir+"/real", 0o700))
		must(t, os.Symlink(outside, dir+"/out"), os.Symlink("real", dir+"/in"), os.Symlink(outside+"/secret", dir+"/f"))
		d, err := Open(dir, nil)
		must(t, err)
		d.old = d.old || old
		for what, err := range map[string]error{
			"open":        second(d.Open("f")),
			"open below":  second(d.Open("out/secret")),
			"open inside": second(d.Open("in")),
			"stat":        second(d.Stat("out/secret")),
			"mkdir":       d.Mkdir("out/new", 0o700),
			"mkdirall":    d.MkdirAll("in/new/newer", 0o700),
			"chmod":       d.Chmod("out/d", 0o777),
			"chmod link":  d.Chmod("out", 0o777),
			"remove":      d.Remove("out/secret"),
			"removeall":   d.RemoveAll("out/d"),
			"rename":      d.Rename("real", "out/real"),
			"rename from": d.Rename("out/secret", "stolen"),
			"link":        d.Link("out/secret", "stolen"),
			"sub":         second(d.Sub("out")),
		} {
			if !errors.Is(err, unix.ELOOP) && !errors.Is(err, unix.ENOTDIR) {
				t.Errorf("%s (old kernel: %v): %v", what, old, err)
			}
		}
		must(t, d.RemoveAll("out"), d.MkdirAll("a/b/c", 0o700), d.Rename("real", "a/b/c/r"), d.Chmod("a/b", 0o755), d.RemoveAll("a"), d.RemoveAll("a"))
		deep := strings.TrimSuffix(strings.Repeat(strings.Repeat("n", 200)+"/", 30), "/")
		must(t, d.MkdirAll(deep, 0o700), second(d.Stat(deep)), d.RemoveAll(deep[:200]), d.Close())
		if names, err := os.ReadDir(outside); err != nil || len(names) != 2 {
			t.Errorf("outside: %v %v", names, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }
