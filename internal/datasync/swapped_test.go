package datasync

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// nobody is the user that swaps names.
const nobody = 4711

// bait is a directory of root's that no data sync may touch or read.
type bait struct {
	dir   string
	names []string
	was   string
}

func newBait(tb testing.TB, dir string) *bait {
	tb.Helper()
	b := &bait{dir: dir, names: []string{".", "f", "d", "d/f", "d/secret", "d/p", "only", "only/x", ".baton-staging", ".baton-staging/x"}}
	for _, file := range []string{"f", "d/f", "d/secret", "only/x", ".baton-staging/x"} {
		write(tb, filepath.Join(dir, file), "of root")
		must(tb, os.Chmod(filepath.Join(dir, file), 0o600))
	}
	must(tb, unix.Mkfifo(filepath.Join(dir, "d/p"), 0o640))
	long := time.Now().Add(-time.Hour)
	for _, name := range b.names { // so that the first look inside moves the time of access
		must(tb, os.Chtimes(filepath.Join(dir, name), long, long.Add(time.Minute)))
	}
	b.was = b.look(tb)
	return b
}

// look describes the bait without reading it.
func (b *bait) look(tb testing.TB) string {
	tb.Helper()
	var all strings.Builder
	for _, name := range b.names {
		var s unix.Stat_t
		if err := unix.Lstat(filepath.Join(b.dir, name), &s); err != nil {
			fmt.Fprintf(&all, "%s: %v\n", name, err)
			continue
		}
		fmt.Fprintf(&all, "%s: mode %o owner %d:%d links %d size %d read %d written %d changed %d\n",
			name, s.Mode, s.Uid, s.Gid, s.Nlink, s.Size, s.Atim.Nano(), s.Mtim.Nano(), s.Ctim.Nano())
	}
	return all.String()
}

// swap exchanges, as an unprivileged user and until stop is closed, a name with a
// symlink to the bait, and back.
func swap(tb testing.TB, owned, name, to string) (stop func()) {
	tb.Helper()
	end := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		runtime.LockOSThread() // ends with the goroutine: the user is this thread's alone
		for _, call := range []uintptr{unix.SYS_SETRESGID, unix.SYS_SETRESUID} {
			if _, _, no := syscall.RawSyscall(call, nobody, nobody, nobody); no != 0 {
				tb.Errorf("become another user: %v", no)
				return
			}
		}
		aside := filepath.Join(owned, "aside")
		for i := 0; ; i++ {
			select {
			case <-end:
				return
			default:
			}
			if info, err := os.Lstat(aside); err == nil && info.Mode()&os.ModeSymlink == 0 {
				_ = os.Rename(aside, filepath.Join(owned, fmt.Sprintf("trash-%d", i)))
			}
			_ = os.Symlink(to, aside)
			if unix.Renameat2(unix.AT_FDCWD, name, unix.AT_FDCWD, aside, unix.RENAME_EXCHANGE) != nil {
				continue // replaced meanwhile
			}
			for range i % 50 {
				runtime.Gosched()
			}
			_ = unix.Renameat2(unix.AT_FDCWD, name, unix.AT_FDCWD, aside, unix.RENAME_EXCHANGE)
		}
	})
	return sync.OnceFunc(func() {
		close(end)
		wg.Wait()
	})
}

// swappedWorld is a pair of which one side has its data where another user may rename.
type swappedWorld struct {
	*pairOf

	owned string
	bait  *bait
}

func newSwappedWorld(tb testing.TB, theirs func(*pairOf) *appliance) *swappedWorld {
	tb.Helper()
	if os.Geteuid() != 0 {
		tb.Skip("needs root: becomes another user")
	}
	w := &swappedWorld{pairOf: newPair(tb), owned: filepath.Join(tb.TempDir(), "owned")}
	for dir := w.owned; dir != "/tmp" && dir != "/"; dir = filepath.Dir(dir) {
		_ = os.MkdirAll(dir, 0o755)
		_ = os.Chmod(dir, 0o755)
	}
	w.bait = newBait(tb, filepath.Join(tb.TempDir(), "bait"))
	must(tb, os.Chown(w.owned, nobody, nobody))
	a := theirs(w.pairOf)
	a.configure(tb, a.dir, filepath.Join(w.owned, "tree"))
	must(tb, os.MkdirAll(a.tree, 0o755))
	a.reopen(tb)
	if a == w.primary {
		w.primary.Offer(w.epoch)
		w.server.Config.Handler = w.primary.Handler()
	}
	w.change(tb, 0)
	return w
}

// change makes one of two states on the primary, between which every kind of step lies.
func (w *swappedWorld) change(tb testing.TB, i int) {
	tb.Helper()
	root := w.primary.tree
	odd := i%2 == 1
	_ = os.MkdirAll(root+"/d", 0o755)
	set := func(path, content string, mode os.FileMode, owner int) {
		_ = os.WriteFile(root+"/"+path, []byte(content), 0o644)
		_ = os.Chmod(root+"/"+path, mode)
		_ = os.Lchown(root+"/"+path, owner, nobody)
	}
	_ = os.Remove(root + "/d/p")
	_ = unix.Mkfifo(root+"/d/p", 0o600+uint32(i%2)*0o44)
	_ = os.Lchown(root+"/d/p", nobody, nobody)
	large := []byte(strings.Repeat("0123456789abcdef", 70_000)) // a file that is changed in its place
	large[len(large)/2] = byte(i)
	set("large", string(large), 0o644, nobody)
	if odd {
		set("f", "same", 0o600, nobody)
		set("d/f", fmt.Sprint("content", i), 0o644, nobody)
		_ = unix.Setxattr(root+"/f", "user.k", []byte(strconv.Itoa(i)), 0)
		_ = os.RemoveAll(root + "/only")
	} else {
		set("f", "same", 0o644, nobody+1)
		set("d/f", "content", 0o640, nobody+1)
		_ = unix.Removexattr(root+"/f", "user.k")
		_ = os.MkdirAll(root+"/only", 0o700+os.FileMode(i%7))
		set("only/x", "x", 0o600, nobody)
	}
	for _, dir := range []string{"", "/d", "/only"} {
		_ = os.Lchown(root+dir, nobody, nobody)
	}
}

// noImport is a site database that takes nothing, so that every snapshot is taken back.
type noImport struct{ fileSite }

func (noImport) Import(context.Context, io.Reader) error { return errors.New("no") }

// TestWhoSwapsNamesReachesNothingElse has the owner of a protected directory swap names
// for symlinks to root's files all the time, while every kind of access goes on.
func TestWhoSwapsNamesReachesNothingElse(t *testing.T) {
	primary := func(p *pairOf) *appliance { return p.primary }
	backup := func(p *pairOf) *appliance { return p.backup }
	pull := func(tb testing.TB, w *swappedWorld) { tb.Helper(); _, _ = w.tryPull(tb, Request{AcceptShrink: true}) }
	for name, access := range map[string]struct {
		theirs func(*pairOf) *appliance
		do     func(testing.TB, *swappedWorld)
	}{
		"scan and content": {primary, pull},
		"set aside": {primary, func(tb testing.TB, w *swappedWorld) {
			tb.Helper()
			if made, err := w.primary.SetAside(tb.Context(), w.epoch, 1<<40); err == nil && made.ID != "" {
				_ = w.primary.Diverged.Delete(made.ID)
			}
		}},
		"apply": {backup, pull},
		"take back": {backup, func(tb testing.TB, w *swappedWorld) {
			tb.Helper()
			write(tb, w.primary.site.path, time.Now().String())
			w.backup.database = noImport{w.backup.site}
			w.backup.reopen(tb)
			pull(tb, w)
		}},
		"settle": {backup, func(tb testing.TB, w *swappedWorld) {
			tb.Helper()
			w.backup.opt.Hook = func(step string) {
				if step == "sync-staging" {
					panic(step)
				}
			}
			func() {
				defer func() { _ = recover() }()
				pull(tb, w)
			}()
			w.backup.opt.Hook = func(string) {}
			w.backup.reopen(tb)
			_ = w.backup.Settle(tb.Context())
		}},
	} {
		for what, target := range map[string]string{"": "", "/d": "/d", "/f": "/d/secret", "/d/p": "/d/secret", "/large": "/d/secret", "/.baton-staging": "/.baton-staging"} {
			t.Run(name+" while "+filepath.Base("tree"+what)+" is swapped", func(t *testing.T) {
				w := newSwappedWorld(t, access.theirs)
				pull(t, w)
				a := access.theirs(w.pairOf)
				stop := swap(t, w.owned, a.tree+what, w.bait.dir+target)
				defer stop()
				for i, until := 0, time.Now().Add(swapFor); time.Now().Before(until); i++ {
					if a == w.backup {
						w.change(t, i)
					} else { // the test itself would follow; so that content is asked for
						_ = os.RemoveAll(w.backup.tree)
					}
					access.do(t, w)
				}
				stop()
				if now := w.bait.look(t); now != w.bait.was {
					t.Fatalf("root's files were reached:\n%swere\n%s", now, w.bait.was)
				}
			})
		}
	}
}

// swapFor is how long each kind of access goes on.
const swapFor = 400 * time.Millisecond

// TestAStagingDirectoryOfAnotherIsNotUsed has the owner of the protected directory make
// the staging first: what is in it could be exchanged after it was checked.
func TestAStagingDirectoryOfAnotherIsNotUsed(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: gives a directory to another user")
	}
	p := newPair(t)
	staging := p.backup.tree + "/.baton-staging"
	write(t, p.primary.tree+"/f", "content")
	write(t, staging+"/bait", "of another")
	must(t, os.Chown(staging, nobody, nobody))
	owners := map[uint32]bool{}
	p.backup.opt.Hook = func(string) {
		var s unix.Stat_t
		if unix.Lstat(staging, &s) == nil && unix.Lstat(staging+"/bait", &unix.Stat_t{}) != nil {
			owners[s.Uid] = true
		}
	}
	p.backup.reopen(t)
	p.pull(t)
	if len(owners) != 1 || !owners[0] {
		t.Errorf("the staging belonged to %v", owners)
	}
}
