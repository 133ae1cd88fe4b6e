//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/lab"
	"baton/internal/lab/daemon"
	"baton/internal/pair"
)

// The first data sync brings every kind of file as it is.
func TestFirstSync(t *testing.T) {
	w := twoDaemons(t, plan{})
	w.alpha.allKinds()
	w.beta.write(site("stale.txt"), "goes away")
	for _, a := range w.both() {
		a.typed(key, "key set")
	}
	w.alpha.baton("data add dir site " + w.alpha.OnHost(daemon.SiteDir))
	w.alpha.baton("pair " + peerOf(w.beta))
	w.beta.baton("sync --wait")
	w.sameData()
}

// allKinds puts one of each kind of file into the site.
func (a *appliance) allKinds() {
	a.t.Helper()
	dir := a.Path(daemon.SiteDir)
	a.write(site("plain.txt"), "plain")
	a.write(site("empty"), "")
	a.write(site("deep/er/and/deeper.txt"), "deep")
	a.write(site(" odd\nname \xff\xfe'\"$"), "odd")
	a.write(site("#recycle/-file"), "early in the alphabet")
	a.write(site("big.bin"), a.random(3_000_000))
	at := time.Date(2001, 2, 3, 4, 5, 6, 789, time.UTC)
	for _, err := range []error{
		os.Mkdir(filepath.Join(dir, "empty-dir"), 0o700),
		os.Symlink("plain.txt", filepath.Join(dir, "link")),
		os.Symlink("/nowhere/at all", filepath.Join(dir, "dangling")),
		os.Link(filepath.Join(dir, "plain.txt"), filepath.Join(dir, "hard")),
		os.Chmod(filepath.Join(dir, "empty"), 0o4751),
		unix.Setxattr(filepath.Join(dir, "plain.txt"), "user.note", []byte("kept"), 0),
		a.sparse(filepath.Join(dir, "sparse")),
		os.Chtimes(filepath.Join(dir, "deep"), at, at),
	} {
		if err != nil {
			a.t.Fatal(err)
		}
	}
	if err := os.Lchown(filepath.Join(dir, "link"), 1234, 4321); err != nil {
		a.t.Logf("other owners are not tried: %v", err)
	}
}

func (a *appliance) sparse(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = file.WriteAt([]byte("end"), 64<<20)
	return errors.Join(err, file.Close())
}

// random returns that many bytes that no compression makes fewer.
func (a *appliance) random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return string(b)
}

// sameData checks that the site on both appliances is the same, file by file.
func (w *world) sameData() {
	w.t.Helper()
	here, there := w.alpha.listing(), w.beta.listing()
	for path, want := range here {
		if there[path] != want {
			w.t.Errorf("%q differs:\nalpha %s\nbeta  %s", path, want, there[path])
		}
	}
	for path := range there {
		if _, ok := here[path]; !ok {
			w.t.Errorf("%q is on beta only", path)
		}
	}
	w.t.Logf("%d files are the same", len(here))
}

// listing describes every file of the appliance's site.
func (a *appliance) listing() map[string]string {
	a.t.Helper()
	root := a.Path(daemon.SiteDir)
	list := map[string]string{}
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		list[strings.TrimPrefix(path, root)], err = describe(path)
		return err
	})
	if err != nil {
		a.t.Fatal(err)
	}
	return list
}

func describe(path string) (string, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return "", err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "", fmt.Errorf("no details of %s", path)
	}
	text := fmt.Sprintf("%s %d:%d", info.Mode(), stat.Uid, stat.Gid)
	note := make([]byte, 64)
	if n, err := unix.Lgetxattr(path, "user.note", note); err == nil {
		text += " note " + string(note[:n])
	}
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		return text + " -> " + target, err
	case info.IsDir():
		return text + " " + info.ModTime().UTC().String(), nil
	}
	content, err := os.ReadFile(path)
	sparse := stat.Blocks*512 < info.Size()/2
	return fmt.Sprintf("%s %s links %d sparse %t %d bytes %x", text, info.ModTime().UTC(), stat.Nlink, sparse, info.Size(), sha256.Sum256(content)), err
}

func TestSchedule(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{settings: "time_zone=UTC"})
	w.alpha.write(site("followed.txt"), "1")
	eventually(t, "continuous follows", 5*time.Second, func() bool { return w.beta.has(site("followed.txt"), "1") })

	w.alpha.baton("settings set sync_schedule=every sync_every=1m")
	w.nextRun(func(next time.Time) bool { d := time.Until(next); return d > 30*time.Second && d <= time.Minute })
	rest(time.Second) // for a look that has begun under the old schedule
	w.alpha.write(site("followed.txt"), "2")
	throughout(t, "nothing is synced before its time", 3*time.Second, func() bool { return w.beta.has(site("followed.txt"), "1") })

	tomorrow := time.Now().UTC().Add(-time.Minute)
	w.alpha.baton("settings set sync_schedule=daily sync_time=" + tomorrow.Format("15:04"))
	w.nextRun(func(next time.Time) bool {
		next = next.UTC()
		return next.Format("15:04") == tomorrow.Format("15:04") && time.Until(next) > 23*time.Hour
	})
	day := time.Now().UTC().AddDate(0, 0, 3)
	w.alpha.baton("settings set sync_schedule=weekly sync_day=" + strings.ToLower(day.Weekday().String()) + " sync_time=12:34")
	w.nextRun(func(next time.Time) bool { return next.UTC().Format("Monday 15:04") == day.Format("Monday")+" 12:34" })

	w.beta.baton("sync --wait")
	if !w.beta.has(site("followed.txt"), "2") {
		t.Errorf("a data sync by hand brought nothing")
	}
}

// nextRun waits until the backup shows a next run that fits.
func (w *world) nextRun(fits func(time.Time) bool) {
	w.t.Helper()
	var shown *time.Time
	defer func() { w.t.Logf("next run: %s", shown) }()
	eventually(w.t, "the backup shows the right next run", 8*time.Second, func() bool {
		shown = w.beta.status().Sync.NextRun
		return shown != nil && fits(*shown)
	})
}

func TestBandwidthLimit(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{settings: "sync_schedule=daily"})
	for _, mbits := range []int{1, 8, 100} {
		w.heldTo(mbits)
	}
}

// heldTo checks that a file arrives at the bandwidth limit.
func (w *world) heldTo(mbits int) {
	w.t.Helper()
	perSecond := mbits * 1_000_000 / 8
	size := 6 * perSecond
	w.alpha.baton(fmt.Sprintf("settings set bandwidth_limit=%dKB", perSecond/1000))
	w.beta.baton("sync --wait") // knows the limit
	w.alpha.write(site("big.bin"), w.alpha.random(size))
	w.beta.baton("sync --wait")
	var took time.Duration
	eventually(w.t, "the history has the sync of the large file", 8*time.Second, func() bool {
		done := w.beta.events(pair.KindSyncDone)
		newest := done[len(done)-1].Detail
		if newest["bytes"] != strconv.Itoa(size) {
			return false
		}
		var err error
		if took, err = time.ParseDuration(newest["took"]); err != nil {
			w.t.Fatal(err)
		}
		return true
	})
	const should = 6 * time.Second
	w.t.Logf("%d Mbit/s: %d bytes took %s: %+.1f %%", mbits, size, took.Round(time.Millisecond), 100*float64(took-should)/float64(should))
	if took < should*98/100 || took > should*105/100 {
		w.t.Errorf("wanted %s, 2 %% less to 5 %% more", should)
	}
}

func TestBandwidthLimitChangedWhileRunning(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{settings: "sync_schedule=daily bandwidth_limit=1MB"})
	w.beta.baton("sync --wait")
	w.alpha.write(site("big.bin"), w.alpha.random(12_000_000))
	began := time.Now()
	w.beta.baton("sync")
	w.syncing(w.beta)
	rest(2 * time.Second)
	w.alpha.baton("settings set bandwidth_limit=8MB")
	eventually(t, "the data sync is done", 12*time.Second, func() bool { return w.beta.status().Sync.State == pair.SyncIdle })
	took := time.Since(began)
	t.Logf("12 MB, 2 s of them at 1 MB/s, the rest at 8 MB/s, took %s", took.Round(time.Millisecond))
	if took > 7*time.Second {
		t.Errorf("wanted at most 3 s more at the old limit: the new one did not count")
	}
	w.sameData()
}

// syncing waits until a data sync transfers content.
func (w *world) syncing(a *appliance) {
	w.t.Helper()
	eventually(w.t, "a data sync runs", 10*time.Second, func() bool {
		sync := a.status().Sync
		return sync.State == pair.SyncRunning && sync.BytesTotal > 0
	})
}

// Whoever started a data sync may go away.
func TestSyncGoesOnWithoutItsStarter(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{settings: "sync_schedule=daily bandwidth_limit=1MB"})
	w.alpha.write(site("big.bin"), w.alpha.random(3_000_000))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out, errs bytes.Buffer
	command, err := w.beta.Start(ctx, w.beta.Command("", &out, &errs, "sync", "--wait"))
	if err != nil {
		t.Fatal(err)
	}
	w.syncing(w.beta)
	if err := command.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-command.Done()
	eventually(t, "the data sync is done", 10*time.Second, func() bool { return w.beta.status().Sync.State == pair.SyncIdle })
	w.sameData()
}

func TestSyncCancelled(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{settings: "sync_schedule=daily bandwidth_limit=1MB"})
	before := w.beta.status().Sync.Snapshot.Number
	w.alpha.write(site("big.bin"), w.alpha.random(8_000_000))
	w.alpha.write(site("small.txt"), "small")
	w.beta.baton("sync")
	w.syncing(w.beta)
	w.beta.baton("sync cancel")
	eventually(t, "the data sync has ended", 3*time.Second, func() bool { return w.beta.status().Sync.State != pair.SyncRunning })
	status := w.beta.status().Sync
	t.Logf("the data sync is %s: %s", status.State, status.Error)
	if status.Snapshot.Number != before || w.beta.has(site("small.txt"), "small") {
		t.Errorf("a part of a cancelled data sync is there")
	}
	w.beta.refused(3, "no data sync", "sync cancel")
	w.alpha.baton("settings set bandwidth_limit=0")
	w.beta.baton("sync --wait")
	w.sameData()
}

// A power cut in the middle of a data sync leaves the old snapshot whole, and the
// next one goes on where it stopped.
func TestSyncCutByPower(t *testing.T) {
	full(t)
	for name, victim := range map[string]func(*world) *appliance{
		"backup":  func(w *world) *appliance { return w.beta },
		"primary": func(w *world) *appliance { return w.alpha },
	} {
		t.Run(name, func(t *testing.T) {
			w := steadyPair(t, plan{settings: "sync_schedule=daily bandwidth_limit=2MB automatic_failover=false"})
			before := w.beta.status().Sync.Snapshot.Number
			for i := range 10 {
				w.alpha.write(site(fmt.Sprintf("big-%d.bin", i)), w.alpha.random(1_000_000))
			}
			w.beta.baton("sync")
			eventually(t, "half of it is there", 10*time.Second, func() bool { return w.beta.status().Sync.BytesDone > 5_000_000 })
			a := victim(w)
			w.fault(w.lab.PowerCut(a.Host))
			rest(time.Second)
			if _, err := os.Stat(w.beta.Path(site("big-0.bin"))); err == nil {
				t.Errorf("a part of a broken data sync is there")
			}
			w.fault(w.lab.PowerOn(a.Host))
			a.serve()
			w.rolesTaken(w.alpha, w.beta)
			w.resumes(before)
		})
	}
}

// resumes checks that the next data sync is complete and takes less than a whole one.
func (w *world) resumes(before uint64) {
	w.t.Helper()
	began := time.Now()
	w.beta.baton("sync --wait")
	took := time.Since(began)
	w.t.Logf("the rest took %s, all of it would take 5 s", took.Round(time.Millisecond))
	if took > 4*time.Second {
		w.t.Errorf("the data sync began anew")
	}
	if now := w.beta.status().Sync.Snapshot.Number; now <= before {
		w.t.Errorf("snapshot %d, wanted one above %d", now, before)
	}
	w.sameData()
}

// A backup whose disk is full says so, keeps its old snapshot, and recovers.
func TestFullDiskOnTheBackup(t *testing.T) {
	full(t)
	w := twoDaemons(t, plan{})
	w.beta.write(site("stale.txt"), "goes away")
	if _, err := w.beta.Output(t.Context(), lab.Cmd{Path: "mount", Args: []string{"-t", "tmpfs", "-o", "size=8m", "tmpfs", w.beta.OnHost("srv")}}); err != nil {
		t.Skipf("no small disk can be mounted here: %v", err)
	}
	w.pair()
	w.watch()
	before := w.beta.status().Sync.Snapshot.Number
	w.alpha.write(site("small.txt"), "small")
	w.alpha.write(site("big.bin"), w.alpha.random(16_000_000))
	eventually(t, "a condition tells of the full disk", 10*time.Second, func() bool { return w.beta.condition("sync-failed") })
	if status := w.beta.status().Sync; status.Snapshot.Number < before || !strings.Contains(status.Error, " free, and the data sync needs ") {
		t.Errorf("the data sync is %+v", status)
	}
	if err := os.Remove(w.alpha.Path(site("big.bin"))); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the backup recovers", 40*time.Second, func() bool {
		return !w.beta.condition("sync-failed") && w.beta.status().Sync.Snapshot.Number > before
	})
	at := w.fault(w.lab.CutCable(w.alpha.Host))
	w.tookOver(w.alpha, w.beta, at, 10*time.Second)
	if by, body, err := w.get("small.txt"); by != "beta" || body != "small" {
		t.Errorf("%s answers %q (%v), wanted beta and small", by, body, err)
	}
}

// A backup whose cable is out tells of its failed data sync once, however often it is
// tried again, and takes it back when one has succeeded.
func TestAFailedSyncIsToldOnce(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{timeout: moderate, settings: "automatic_failover=false"})
	w.fault(w.lab.CutCable(w.beta.Host))
	eventually(t, "beta tells of the failed sync", 20*time.Second, func() bool { return w.beta.condition("sync-failed") })
	first := w.beta.status().Sync.NextRun
	eventually(t, "beta has tried again", 30*time.Second, func() bool {
		next := w.beta.status().Sync.NextRun
		return first != nil && next != nil && next.Sub(*first) > 3*time.Second
	})
	w.fault(w.lab.PlugCable(w.beta.Host))
	eventually(t, "beta has synced", 60*time.Second, func() bool { return !w.beta.condition("sync-failed") })
	for _, kind := range []string{pair.KindConditionRaised, pair.KindConditionCleared} {
		lines := 0
		for _, event := range w.beta.events(kind) {
			if event.Detail["condition"] == "sync-failed" {
				lines++
			}
		}
		if lines != 1 {
			t.Errorf("%s: %d times", kind, lines)
		}
	}
}
