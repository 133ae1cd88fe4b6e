package datasync

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/datasync/source"
	"baton/internal/datasync/source/site"
	"baton/internal/datasync/source/sourcetest"
	"baton/internal/pair"
)

// TestMain lets the test binary stand in for an appliance that loses power.
func TestMain(m *testing.M) {
	if os.Getenv("BATON_SLEEP") != "" { // it is a program that runs
		time.Sleep(time.Minute)
	}
	if os.Getenv("BATON_CRASH_DIR") != "" {
		crashChild()
		os.Exit(0)
	}
	if os.Getenv("BATON_PRIMARY_DIR") != "" {
		primaryChild()
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
		if tree := os.Getenv("BATON_CRASH_TORN"); tree != "" {
			tear(tree, step)
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
	if text := os.Getenv("BATON_CRASH_ASIDE"); text != "" {
		since, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			since = pair.AnySnapshot
		}
		if _, err := a.SetAside(context.Background(), asideEpoch(), since); err != nil {
			_, _ = os.Stderr.WriteString(err.Error())
			os.Exit(4)
		}
	}
	if os.Getenv("BATON_CRASH_FORCE") != "" {
		if err := a.SettleForced(context.Background()); err != nil {
			_, _ = os.Stderr.WriteString(err.Error())
			os.Exit(4)
		}
	}
	if url := os.Getenv("BATON_CRASH_URL"); url != "" {
		if _, err := a.Pull(context.Background(), http.DefaultClient, url, Request{Epoch: crashEpoch(), AcceptShrink: true}); err != nil && !errors.Is(err, errApply) {
			_, _ = os.Stderr.WriteString(err.Error())
			os.Exit(4)
		}
	}
}

// standIn is a testing.TB for the child.
type standIn struct{ testing.TB }

func (*standIn) Context() context.Context { return context.Background() }

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
func disturb(tb testing.TB, root string) {
	tb.Helper()
	must(tb, os.Remove(root+"/index.html"))
	write(tb, root+"/index.html", "newer")
	must(tb, os.Remove(root+"/zz-hard"))
	must(tb, os.Link(root+"/big", root+"/zz-hard"))
	must(tb, os.RemoveAll(root+"/hollow"))
	write(tb, root+"/hollow", "a file now")
	must(tb, os.Remove(root+"/empty"))
	write(tb, root+"/empty/below", "a directory now")
	must(tb, os.Chmod(root+"/program", 0o700))
	must(tb, os.Remove(root+"/page"))
	must(tb, os.Symlink("elsewhere", root+"/page"))
}

// act is what a backup does when its power is cut.
type act int

const (
	starts       act = iota // it finishes what is recorded
	pulls                   // a data sync
	pullsBlocked            // a data sync, and something stands in the way once it is recorded
	setsAside               // it sets aside what was written on it since
)

// victim is a backup whose power is cut.
type victim interface {
	// cut cuts the power before a step of what it does; false: it came to its end before.
	cut(t *testing.T, what act, step int) bool
	unblock(t *testing.T)
	scribble(t *testing.T) // something is written on it
	start(t *testing.T) *Engine
	held(t *testing.T) []string // all that it protects, for comparison
}

// crashWorld is a primary, and backups that have its first snapshot and not its second.
type crashWorld struct {
	server   *httptest.Server
	after    int // steps at least that leave the new snapshot
	undone   int // steps at least that are taken back
	epoch    pair.Epoch
	old, new []string // what a victim holds with either snapshot
	victim   func(t *testing.T) victim
}

// kindsThatCrash are worlds of each kind of data. The site database is part of each. What
// can be blocked has fewer ways of changing.
func kindsThatCrash() map[string]func(t *testing.T, blocked bool) crashWorld {
	return map[string]func(t *testing.T, blocked bool) crashWorld{"directory": directoryWorld, "large files": largeWorld, "memory": memoryWorld}
}

func (w crashWorld) pull(t *testing.T, e *Engine) {
	t.Helper()
	_, err := e.Pull(t.Context(), w.server.Client(), w.server.URL, Request{Epoch: w.epoch})
	must(t, err)
}

// TestPowerCutAtEveryStep cuts the power of a backup before each step of a sync and
// looks at what is left: the old snapshot, or, after the next start, the new one.
func TestPowerCutAtEveryStep(t *testing.T) {
	for kind, world := range kindsThatCrash() {
		t.Run(kind, func(t *testing.T) { powerCutAtEveryStep(t, world(t, false)) })
	}
}

func powerCutAtEveryStep(t *testing.T, w crashWorld) {
	t.Helper()
	oldSeen, newSeen := 0, 0
	for step := 1; ; step++ {
		v := w.victim(t)
		if !v.cut(t, pulls, step) {
			break
		}
		if step%4 == 0 { // and again while the next start finishes
			v.cut(t, starts, 1+step/4)
		}
		b := v.start(t)
		held, number := v.held(t), b.Snapshot().Number
		switch {
		case number == 1 && difference(w.old, held) == "":
			oldSeen++
			w.pull(t, b) // what is left does not keep the next sync from ending well
			if diff := difference(w.new, v.held(t)); diff != "" {
				t.Fatalf("step %d: the next sync ends with\n%s", step, diff)
			}
		case number > 1 && difference(w.new, held) == "":
			newSeen++
			holdsPoint(t, b, w.old)
			if _, err := os.Stat(b.opt.Dir + "/journal.json"); err == nil {
				t.Fatalf("step %d: the journal is left", step)
			}
		default:
			t.Fatalf("step %d leaves neither snapshot: number %d\nagainst the old:\n%s\nagainst the new:\n%s",
				step, number, difference(w.old, held), difference(w.new, held))
		}
	}
	if oldSeen < 3 || newSeen < w.after {
		t.Fatalf("only %d steps before the record and %d after it", oldSeen, newSeen)
	}
	t.Logf("%d steps left the old snapshot, %d the new one", oldSeen, newSeen)
}

// TestPowerCutWhileTakingBack cuts the power of a backup before each step of a sync that
// is taken back, with the cause still there and with the cause gone.
func TestPowerCutWhileTakingBack(t *testing.T) {
	for kind, world := range kindsThatCrash() {
		t.Run(kind, func(t *testing.T) { powerCutWhileTakingBack(t, world(t, true)) })
	}
}

func powerCutWhileTakingBack(t *testing.T, w crashWorld) {
	t.Helper()
	undone, cut := 0, true
	for step := 1; cut; step++ {
		v := w.victim(t)
		cut = v.cut(t, pullsBlocked, step)
		if step%3 == 0 {
			v.unblock(t)
		}
		if step%2 == 0 && cut { // and again at the next start
			v.cut(t, starts, 1+step/2)
		}
		b := v.start(t)
		switch held := v.held(t); {
		case b.Torn() != nil:
			t.Fatalf("step %d: %v", step, b.Torn())
		case b.Snapshot().Number == 1 && difference(w.old, held) == "":
			undone++
		case b.Snapshot().Number > 1 && difference(w.new, held) == "":
		default:
			t.Fatalf("step %d leaves neither snapshot: number %d\nagainst the old:\n%s\nagainst the new:\n%s",
				step, b.Snapshot().Number, difference(w.old, held), difference(w.new, held))
		}
		v.unblock(t)
		w.pull(t, b)
		if diff := difference(w.new, v.held(t)); diff != "" {
			t.Fatalf("step %d: the next sync ends with\n%s", step, diff)
		}
	}
	if undone < w.undone {
		t.Fatalf("the old snapshot was left %d times only", undone)
	}
}

// TestPowerCutWhileSettingAside cuts the power before each step of setting aside: there
// is no copy then, or a whole one.
func TestPowerCutWhileSettingAside(t *testing.T) {
	for kind, world := range kindsThatCrash() {
		t.Run(kind, func(t *testing.T) { powerCutWhileSettingAside(t, world(t, false)) })
	}
}

func powerCutWhileSettingAside(t *testing.T, w crashWorld) {
	t.Helper()
	for step := 1; ; step++ {
		v := w.victim(t)
		v.scribble(t)
		want := v.held(t)
		cut := v.cut(t, setsAside, step)
		b := v.start(t)
		before, err := b.Diverged.All()
		must(t, err)
		made, err := b.SetAside(t.Context(), asideEpoch(), pair.AnySnapshot)
		must(t, err)
		all, err := b.Diverged.All()
		must(t, err)
		if len(all) != 1 || len(made.Files) != 1 || made.Files[0].Path != "scribble" || (!cut && len(before) != 1) {
			t.Fatalf("step %d: %d copies at first, then %+v", step, len(before), all)
		}
		if diff := difference(want, v.held(t)); diff != "" {
			t.Fatalf("step %d: the data changed:\n%s", step, diff)
		}
		if !cut {
			if step < 3 {
				t.Fatalf("it has %d steps only", step)
			}
			return
		}
	}
}

func asideEpoch() pair.Epoch { return pair.Epoch{Counter: 2, Holder: "b"} }

// directoryWorld has real processes that kill themselves.
func directoryWorld(t *testing.T, blocked bool) crashWorld {
	t.Helper()
	p := newPair(t)
	fill, change := motley, disturb
	where := t.TempDir
	if blocked { // as only a file system of its own can be
		disk := ownDisk(t)
		p.backup = newAppliance(t, filepath.Join(disk, "template"), filepath.Join(disk, "template", "tree"))
		fill, change = furnish, refurnish
		where = func() string {
			must(t, os.RemoveAll(filepath.Join(disk, "victim")))
			return filepath.Join(disk, "victim")
		}
	}
	fill(t, p.primary.tree)
	_ = os.Remove(p.primary.tree + "/sparse") // large, and no step of its own
	p.pull(t)
	w := crashWorld{server: p.server, after: 15, undone: 30, epoch: p.epoch, old: everything(t, p.backup)}
	change(t, p.primary.tree)
	must(t, os.WriteFile(p.primary.site.path, []byte("newer settings"), 0o600))
	w.new = everything(t, p.primary)
	w.victim = func(t *testing.T) victim {
		t.Helper()
		v := &directoryVictim{dir: filepath.Join(where(), "b"), url: p.server.URL}
		clone(t, p.backup.dir, v.dir)
		return v
	}
	return w
}

// everything describes the tree and the site database of an appliance.
func everything(t *testing.T, a *appliance) []string {
	t.Helper()
	return append(describe(t, a.tree), "site "+siteOf(t, a))
}

type directoryVictim struct {
	dir, url string
	*appliance
}

func (v *directoryVictim) cut(t *testing.T, what act, step int) bool {
	t.Helper()
	url := ""
	if what != starts {
		url = v.url
	}
	if what == setsAside {
		url = ""
		t.Setenv("BATON_CRASH_ASIDE", "yes")
	}
	defer func() { must(t, os.Unsetenv("BATON_CRASH_ASIDE")) }()
	if what == pullsBlocked {
		t.Setenv("BATON_CRASH_BLOCK", v.dir+"/tree/m-file")
	}
	defer func() { must(t, os.Unsetenv("BATON_CRASH_BLOCK")) }()
	return crash(t, v.dir, url, step)
}

func (v *directoryVictim) unblock(*testing.T) {
	_ = exec.Command("chattr", "-i", v.dir+"/tree/m-file").Run()
}

func (v *directoryVictim) scribble(t *testing.T) {
	t.Helper()
	v.appliance = &appliance{}
	v.configure(t, v.dir, filepath.Join(v.dir, "tree"))
	write(t, v.tree+"/scribble", "on a backup")
}

func (v *directoryVictim) start(t *testing.T) *Engine {
	t.Helper()
	v.appliance = &appliance{}
	v.configure(t, v.dir, filepath.Join(v.dir, "tree"))
	v.reopen(t)
	return v.Engine
}

func (v *directoryVictim) held(t *testing.T) []string {
	t.Helper()
	return everything(t, v.appliance)
}

// memoryWorld has data in memory, of which a power cut loses any part of what is not
// durable.
func memoryWorld(t *testing.T, _ bool) crashWorld {
	t.Helper()
	dir := t.TempDir()
	primary := &memoryVictim{dir: filepath.Join(dir, "primary"), machine: sourcetest.NewMemory()}
	backup := &memoryVictim{dir: filepath.Join(dir, "backup"), machine: sourcetest.NewMemory()}
	files := map[string]string{"m-file": "old", "same": "same"}
	for i := range 5 {
		files[fmt.Sprintf("a%d", i)], files[fmt.Sprintf("z%d", i)] = "old", "gone"
	}
	primary.machine.Put(memoryData(), files)
	for _, side := range []*memoryVictim{primary, backup} {
		must(t, os.MkdirAll(side.dir, 0o700))
		must(t, os.WriteFile(filepath.Join(side.dir, "site"), []byte("settings of "+side.dir), 0o600))
	}
	w := crashWorld{after: 10, undone: 15, epoch: pair.Epoch{Counter: 1, Holder: "a"}}
	e := primary.start(t)
	e.Offer(w.epoch)
	w.server = httptest.NewServer(e.Handler())
	t.Cleanup(w.server.Close)
	w.pull(t, backup.start(t))
	w.old = backup.held(t)
	for i := range 5 {
		files[fmt.Sprintf("a%d", i)], files[fmt.Sprintf("n%d", i)] = "new and longer", "new"
		delete(files, fmt.Sprintf("z%d", i))
	}
	files["m-file"] = "new and longer"
	primary.machine.Put(memoryData(), files)
	must(t, os.WriteFile(filepath.Join(primary.dir, "site"), []byte("newer settings"), 0o600))
	w.new = primary.held(t)
	w.victim = func(t *testing.T) victim {
		t.Helper()
		v := &memoryVictim{dir: filepath.Join(t.TempDir(), "b"), machine: backup.machine.Clone(), world: &w}
		clone(t, backup.dir, v.dir)
		return v
	}
	return w
}

func memoryData() pair.Data {
	return pair.Data{Name: "files", Spec: pair.Directory{Path: "/srv/files"}}
}

type memoryVictim struct {
	dir     string
	machine *sourcetest.Memory
	world   *crashWorld
}

func (v *memoryVictim) open(t *testing.T, hook func(string)) (*Engine, error) {
	t.Helper()
	database, err := site.New(fileSite{filepath.Join(v.dir, "site")}, filepath.Join(v.dir, "sync", "site"))
	must(t, err)
	e, err := Open(t.Context(), Options{
		Dir: filepath.Join(v.dir, "sync"), Hook: hook, Log: slog.New(slog.DiscardHandler),
		Kinds: map[pair.DataKind]source.Kind{pair.DataDirectory: v.machine, pair.DataSite: database},
		Data:  func(context.Context) ([]pair.Data, error) { return []pair.Data{memoryData()}, nil },
	})
	return e, err
}

func (v *memoryVictim) cut(t *testing.T, what act, step int) (cut bool) {
	t.Helper()
	const power = "power cut"
	defer func() {
		if r := recover(); r != nil {
			if r != power {
				panic(r)
			}
			v.machine.Cut()
			cut = true
		}
	}()
	e, err := v.open(t, func(at string) {
		if what == pullsBlocked && at == "recorded" {
			v.machine.Block("m-file", true)
		}
		if step--; step == 0 {
			panic(power)
		}
	})
	must(t, err)
	switch what {
	case starts:
	case setsAside:
		_, err := e.SetAside(t.Context(), asideEpoch(), pair.AnySnapshot)
		must(t, err)
	case pulls, pullsBlocked:
		_, err := e.Pull(t.Context(), v.world.server.Client(), v.world.server.URL, Request{Epoch: v.world.epoch})
		if err != nil && !errors.Is(err, errApply) {
			t.Fatal(err)
		}
	}
	return false
}

func (v *memoryVictim) unblock(*testing.T) { v.machine.Block("m-file", false) }

func (v *memoryVictim) scribble(*testing.T) {
	files := v.machine.Files(memoryData())
	files["scribble"] = "on a backup"
	v.machine.Put(memoryData(), files)
}

func (v *memoryVictim) start(t *testing.T) *Engine {
	t.Helper()
	e, err := v.open(t, nil)
	must(t, err)
	return e
}

func (v *memoryVictim) held(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(v.dir, "site"))
	must(t, err)
	held := []string{"site " + string(b)}
	for name, text := range v.machine.Files(memoryData()) {
		held = append(held, name+" "+text)
	}
	return held
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
