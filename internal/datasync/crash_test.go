package datasync

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/pair"
)

// TestMain lets the test binary stand in for an appliance that loses power.
func TestMain(m *testing.M) {
	if os.Getenv("BATON_CRASH_DIR") != "" {
		crashChild()
		os.Exit(0)
	}
	// A disk that others use, too, makes every durable step slow. What the tests
	// ask of a file system, one in memory has as well.
	if os.Getenv("TMPDIR") == "" && unix.Access("/dev/shm", unix.W_OK) == nil {
		_ = os.Setenv("TMPDIR", "/dev/shm")
	}
	os.Exit(m.Run())
}

// crashChild opens the backup in the directory, pulls if it has a primary's URL,
// and kills itself at the given step.
func crashChild() {
	dir, at := os.Getenv("BATON_CRASH_DIR"), os.Getenv("BATON_CRASH_AT")
	t := &standIn{}
	a := &appliance{}
	a.configure(t, dir, filepath.Join(dir, "tree"))
	left, _ := strconv.Atoi(at)
	a.opt.Hook = func(step string) {
		if block := os.Getenv("BATON_CRASH_BLOCK"); block != "" && step == "recorded" {
			_ = exec.Command("chattr", "+i", block).Run()
		}
		if left--; left == 0 {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	a.makeKinds(t)
	var err error
	if a.Engine, err = Open(context.Background(), a.opt); err != nil {
		os.Exit(3)
	}
	if url := os.Getenv("BATON_CRASH_URL"); url != "" {
		if _, err := a.Pull(context.Background(), http.DefaultClient, url, Request{Epoch: pair.Epoch{Counter: 1, Holder: "a"}}); err != nil && !errors.Is(err, errApply) {
			_, _ = os.Stderr.WriteString(err.Error())
			os.Exit(4)
		}
	}
}

// standIn is a testing.TB for the child.
type standIn struct{ testing.TB }

func (*standIn) Helper()      {}
func (*standIn) Log(...any)   {}
func (*standIn) Fatal(...any) { os.Exit(5) }

// crash runs a child that is killed at the step; it reports whether it was.
func crash(t *testing.T, dir, url string, at int) bool {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "BATON_CRASH_DIR="+dir, "BATON_CRASH_AT="+strconv.Itoa(at), "BATON_CRASH_URL="+url)
	out, err := child.CombinedOutput()
	if err == nil {
		return false
	}
	if status, ok := child.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
		t.Fatalf("child failed: %v %s", err, out)
	}
	return true
}

// disturb changes the primary's tree in every way that an apply has a step for.
func disturb(t *testing.T, root string) {
	t.Helper()
	must(t, os.Remove(root+"/index.html"))
	write(t, root+"/index.html", "newer")
	must(t, os.Remove(root+"/zz-hard"))
	must(t, os.Link(root+"/big", root+"/zz-hard"))
	must(t, os.RemoveAll(root+"/hollow"))
	write(t, root+"/hollow", "a file now")
	must(t, os.Remove(root+"/empty"))
	write(t, root+"/empty/below", "a directory now")
	must(t, os.Chmod(root+"/program", 0o700))
	must(t, os.Remove(root+"/page"))
	must(t, os.Symlink("elsewhere", root+"/page"))
}

// TestPowerCutAtEveryStep kills the backup before each step of a sync and looks
// at what is left: the old snapshot, or, after the next start, the new one.
func TestPowerCutAtEveryStep(t *testing.T) {
	p := newPair(t)
	motley(t, p.primary.tree)
	must(t, os.Remove(p.primary.tree+"/sparse")) // large, and no step of its own
	p.pull(t)
	oldTree, oldSite := describe(t, p.backup.tree), siteOf(t, p.backup)
	disturb(t, p.primary.tree)
	must(t, os.WriteFile(p.primary.site.path, []byte("newer settings"), 0o600))
	newTree := describe(t, p.primary.tree)
	template := p.backup.dir
	oldSeen, newSeen := 0, 0
	for step := 1; ; step++ {
		dir := filepath.Join(t.TempDir(), "b")
		clone(t, template, dir)
		if !crash(t, dir, p.server.URL, step) {
			break
		}
		if step%4 == 0 { // and again while the next start finishes
			crash(t, dir, "", 1+step/4)
		}
		b := &appliance{}
		b.configure(t, dir, filepath.Join(dir, "tree"))
		b.reopen(t)
		tree, site, number := describe(t, b.tree), siteOf(t, b), b.Snapshot().Number
		switch {
		case number == 1 && difference(oldTree, tree) == "" && site == oldSite:
			oldSeen++
		case number > 1 && difference(newTree, tree) == "" && site == "newer settings":
			newSeen++
			if _, err := os.Stat(filepath.Join(dir, "sync", journalFile)); err == nil {
				t.Fatalf("step %d: the journal is left", step)
			}
		default:
			t.Fatalf("step %d leaves neither snapshot: number %d, site %q\nagainst the old:\n%s\nagainst the new:\n%s",
				step, number, site, difference(oldTree, tree), difference(newTree, tree))
		}
		if number == 1 { // what is left does not keep the next sync from ending well
			_, err := b.Pull(t.Context(), p.server.Client(), p.server.URL, Request{Epoch: p.epoch})
			must(t, err)
			same(t, p.primary.tree, b.tree)
		}
	}
	if oldSeen < 3 || newSeen < 15 {
		t.Fatalf("only %d steps before the record and %d after it", oldSeen, newSeen)
	}
	t.Logf("%d steps left the old snapshot, %d the new one", oldSeen, newSeen)
}

// TestPowerCutAtAnyMoment kills the backup after random times instead of at steps.
func TestPowerCutAtAnyMoment(t *testing.T) {
	p := newPair(t)
	motley(t, p.primary.tree)
	must(t, os.Remove(p.primary.tree+"/sparse"))
	p.pull(t)
	oldTree := describe(t, p.backup.tree)
	disturb(t, p.primary.tree)
	newTree := describe(t, p.primary.tree)
	template := filepath.Join(t.TempDir(), "template")
	clone(t, p.backup.dir, template)
	for round := range 20 {
		dir := filepath.Join(t.TempDir(), "b")
		clone(t, template, dir)
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), "BATON_CRASH_DIR="+dir, "BATON_CRASH_AT=0", "BATON_CRASH_URL="+p.server.URL)
		must(t, child.Start())
		time.Sleep(time.Duration(20+5*round) * time.Millisecond)
		_ = child.Process.Kill()
		_ = child.Wait()
		b := &appliance{}
		b.configure(t, dir, filepath.Join(dir, "tree"))
		b.reopen(t)
		// Between making the staging directory and setting back the time of the
		// directory that it is in, that time is wrong, until the next sync.
		tree, want := describe(t, b.tree)[1:], oldTree[1:]
		if b.Snapshot().Number > 1 {
			tree, want = describe(t, b.tree), newTree
		}
		if diff := difference(want, tree); diff != "" {
			t.Fatalf("snapshot %d is not whole:\n%s", b.Snapshot().Number, diff)
		}
		_, err := b.Pull(t.Context(), p.server.Client(), p.server.URL, Request{Epoch: p.epoch})
		must(t, err)
		same(t, p.primary.tree, b.tree)
	}
}

func siteOf(tb testing.TB, a *appliance) string {
	tb.Helper()
	b, err := os.ReadFile(a.site.path)
	must(tb, err)
	return string(b)
}

// clone copies an appliance's directory with all metadata.
func clone(t *testing.T, from, to string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(to), 0o755))
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatal(strings.TrimSpace(string(out)))
	}
}
