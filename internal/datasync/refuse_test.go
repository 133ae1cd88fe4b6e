package datasync

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"baton/internal/datasync/refusal"
	"baton/internal/datasync/source"
	"baton/internal/pair"
)

// refused pulls, wants the error and an untouched backup.
func (p *pairOf) refused(tb testing.TB, req Request, kind error) {
	tb.Helper()
	before, number := describe(tb, p.backup.tree), p.backup.Snapshot()
	_, err := p.tryPull(tb, req)
	if !errors.Is(err, kind) {
		tb.Fatalf("got %v, want %v", err, kind)
	}
	if diff := difference(before, describe(tb, p.backup.tree)); diff != "" || p.backup.Snapshot() != number {
		tb.Fatalf("the backup changed:\n%s", diff)
	}
	if p.backup.Progress().Error == "" || p.backup.Progress().Running {
		tb.Fatalf("progress is %+v", p.backup.Progress())
	}
}

func TestLowerEpochIsRefusedOnBothSides(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/f", "1")
	must(t, os.MkdirAll(p.backup.tree, 0o755))
	p.epoch = pair.Epoch{Counter: 5, Holder: "a"}
	p.refused(t, Request{Epoch: p.epoch}, refusal.ErrStaleEpoch) // the primary offers epoch 1
	p.primary.Offer(p.epoch)
	p.pull(t)
	older := pair.Epoch{Counter: 4, Holder: "b"}
	p.primary.Offer(older)
	p.refused(t, Request{Epoch: older}, refusal.ErrStaleEpoch)
	rival := pair.Epoch{Counter: 5, Holder: "b"}
	p.primary.Offer(rival)
	p.refused(t, Request{Epoch: rival}, refusal.ErrStaleEpoch)
	p.primary.Withdraw()
	p.refused(t, Request{Epoch: p.epoch}, refusal.ErrNotPrimary)
}

func TestShrunkPrimaryIsNotMirroredWithoutConsent(t *testing.T) {
	p := newPair(t)
	for i := range 30 {
		write(t, fmt.Sprintf("%s/f%d", p.primary.tree, i), "content")
	}
	p.pull(t)
	for i := range 20 {
		must(t, os.Remove(fmt.Sprintf("%s/f%d", p.primary.tree, i)))
	}
	p.refused(t, Request{}, refusal.ErrShrink)
	_, err := p.tryPull(t, Request{AcceptShrink: true})
	must(t, err)
	same(t, p.primary.tree, p.backup.tree)
}

func TestMissingDirectoryIsNoEmptyTree(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/f", "1")
	p.pull(t)
	must(t, os.Rename(p.primary.tree, p.primary.tree+"-away"))
	p.refused(t, Request{AcceptShrink: true}, source.ErrMissing)
	if text := p.backup.Progress().Error; !strings.Contains(text, p.primary.tree) {
		t.Fatalf("the sentence does not name the directory: %s", text)
	}
}

func TestOnlyOnePullAtATime(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/f", noise(1<<20))
	p.backup.SetLimit(100_000)
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() {
		_, err := p.backup.Pull(ctx, p.server.Client(), p.server.URL, Request{Epoch: p.epoch})
		first <- err
	}()
	waitFor(t, "the first pull receives", func() bool { return p.backup.Progress().Received > 10_000 })
	if _, err := p.tryPull(t, Request{}); !errors.Is(err, refusal.ErrRunning) {
		t.Fatal(err)
	}
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	p.backup.SetLimit(0)
	p.pull(t)
}

func TestWithdrawEndsRunningPull(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/f", noise(1<<20))
	p.primary.SetLimit(100_000)
	done := make(chan error, 1)
	go func() {
		_, err := p.tryPull(t, Request{})
		done <- err
	}()
	waitFor(t, "the pull receives", func() bool { return p.backup.Progress().Received > 10_000 })
	p.primary.Withdraw()
	select {
	case err := <-done:
		if !errors.Is(err, refusal.ErrNotPrimary) {
			t.Fatal(err)
		}
	case <-time.After(8 * time.Second): // at 100 kB/s it would take ten
		t.Fatal("the pull went on")
	}
}

func TestSettleStopsAPullAndDiscardsStaging(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/f", "1")
	p.pull(t)
	before := describe(t, p.backup.tree)
	write(t, p.primary.tree+"/big", noise(1<<20))
	p.backup.SetLimit(300_000)
	done := make(chan error, 1)
	go func() {
		_, err := p.tryPull(t, Request{})
		done <- err
	}()
	waitFor(t, "something is staged", func() bool { return p.backup.Progress().BytesDone > 1000 })
	must(t, p.backup.Settle(t.Context()))
	if err := <-done; err == nil {
		t.Fatal("the pull was not stopped")
	}
	if diff := difference(before, describe(t, p.backup.tree)); diff != "" {
		t.Fatal(diff)
	}
	if _, err := os.Lstat(p.backup.tree + "/.baton-staging"); err == nil {
		t.Fatal("staging is left")
	}
}

func TestSettleDoesNotWaitForAPrimaryThatDiedBeforeItHeard(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/f", "1")
	asked := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		_, err := p.backup.Pull(t.Context(), &http.Client{Transport: deaf{asked}}, p.server.URL, Request{Epoch: p.epoch})
		done <- err
	}()
	<-asked
	began := time.Now()
	must(t, p.backup.Settle(t.Context()))
	must(t, <-done)
	if took := time.Since(began); took > reportWithin/2 {
		t.Fatal("waited for", took)
	}
	same(t, p.primary.tree, p.backup.tree)
}

// deaf is a transport to a primary that dies when it is told of the snapshot.
type deaf struct{ asked chan struct{} }

func (d deaf) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "done") {
		close(d.asked)
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return http.DefaultTransport.RoundTrip(r)
}

// cut is a transport whose answers to content requests end after some bytes.
type cut struct{ after int64 }

func (c *cut) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && strings.HasSuffix(r.URL.Path, "content") {
		answer.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(answer.Body, c.after), answer.Body}
	}
	return answer, err
}

func noise(n int) string {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(b)
	return string(b)
}

func TestInterruptedTransferGoesOnWhereItStopped(t *testing.T) {
	p := newPair(t)
	for i := range 20 {
		write(t, fmt.Sprintf("%s/a%02d", p.primary.tree, i), noise(50_000))
	}
	write(t, p.primary.tree+"/z-large", noise(12<<20))
	client := &http.Client{Transport: &cut{after: 9 << 20}}
	_, err := p.backup.Pull(t.Context(), client, p.server.URL, Request{Epoch: p.epoch})
	if !errors.Is(err, io.ErrUnexpectedEOF) || !p.backup.Snapshot().IsZero() {
		t.Fatal(err, p.backup.Snapshot())
	}
	p.backup.reopen(t) // also over a restart
	p.pull(t)
	if got := p.backup.Progress(); got.Received > 5<<20 || got.BytesDone != got.BytesTotal || got.FilesDone != 21 {
		t.Fatalf("after 9 of 13 MiB, still %+v", got)
	}
}

func TestRottenStagingIsNotUsed(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/large", noise(6<<20))
	client := &http.Client{Transport: &cut{after: 4 << 20}}
	_, err := p.backup.Pull(t.Context(), client, p.server.URL, Request{Epoch: p.epoch})
	if err == nil {
		t.Fatal("not cut")
	}
	names, err := os.ReadDir(p.backup.tree + "/.baton-staging/part")
	must(t, err)
	f, err := os.OpenFile(p.backup.tree+"/.baton-staging/part/"+names[0].Name(), os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteAt(bytes.Repeat([]byte{0}, 4096), 1<<20)
	must(t, err)
	must(t, f.Close())
	p.pull(t)
}

// TestHalfAFileInTheStagingIsLetGo stages a small file as a power cut leaves it: with its size and its time, and without
// what was in it.
func TestHalfAFileInTheStagingIsLetGo(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/f", "right")
	at := time.Unix(1_000_000_000, 0)
	must(t, os.Chtimes(p.primary.tree+"/f", at, at))
	staging := p.backup.tree + "/.baton-staging"
	write(t, staging+"/in/f", "wrong")
	must(t, os.Chtimes(staging+"/in/f", at, at))
	must(t, os.Chmod(staging, 0o700))
	p.pull(t)
	open, err := filepath.Glob("/proc/self/fd/*")
	must(t, err)
	for _, fd := range open {
		if of, err := os.Readlink(fd); err == nil && strings.HasPrefix(of, staging) {
			t.Errorf("%s is open still", of)
		}
	}
}

// TestWhatIsLeftInTheStagingIsNoContent has a sync begin where one was interrupted that had given further names to files of the backup.
func TestWhatIsLeftInTheStagingIsNoContent(t *testing.T) {
	p := newPair(t)
	at := time.Unix(1_000_000_000, 0)
	write(t, p.primary.tree+"/large", noise(3<<20))
	write(t, p.primary.tree+"/small", "old")
	p.pull(t)
	time.Sleep(50 * time.Millisecond) // so that the backup's scan knows its files
	for of, name := range map[string]string{"large": "out-0", "small": "in/other"} {
		name = filepath.Join(p.backup.tree, ".baton-staging", name)
		must(t, os.MkdirAll(filepath.Dir(name), 0o700))
		must(t, os.Link(filepath.Join(p.backup.tree, of), name))
	}
	must(t, os.Chtimes(p.backup.tree+"/small", at, at))
	write(t, p.primary.tree+"/other", "new") // as large and as old, and of another content
	must(t, os.Chtimes(p.primary.tree+"/other", at, at))
	f, err := os.OpenFile(p.primary.tree+"/large", os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteAt([]byte("a block that differs"), 1<<20)
	must(t, errors.Join(err, f.Close()))
	p.backup.opt.Hook = func(step string) {
		if b, err := os.ReadFile(p.backup.tree + "/small"); string(b) != "old" {
			t.Errorf("%s: a file of the old snapshot has %q, %v", step, b, err)
		}
	}
	p.backup.reopen(t)
	p.pull(t)
}

func TestBandwidthLimitHoldsAndChangesWhileRunning(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/f", noise(96<<20))
	p.backup.SetLimit(4_000_000)
	p.primary.SetLimit(4_000_000)
	done := make(chan error, 1)
	go func() {
		_, err := p.tryPull(t, Request{})
		done <- err
	}()
	waitFor(t, "the transfer is under way", func() bool { return p.backup.Progress().Received > 600_000 })
	for _, rate := range []pair.Rate{4_000_000, 8_000_000} {
		p.backup.SetLimit(rate)
		p.primary.SetLimit(rate)
		time.Sleep(100 * time.Millisecond)
		var off float64
		for range 12 { // on a busy machine a second may fall short, and the next one make up for it
			start, before := time.Now(), p.backup.Progress().Received
			time.Sleep(time.Second) // this test measures time
			got := float64(p.backup.Progress().Received-before) / time.Since(start).Seconds()
			if off = got/float64(rate) - 1; off > -0.02 && off < 0.02 {
				break
			}
		}
		t.Logf("limit %d: off by %.2f %%", rate, 100*off)
		if off > 0.02 || off < -0.02 {
			t.Errorf("limit %d: off by %.1f %%", rate, 100*off)
		}
	}
	p.backup.SetLimit(0)
	p.primary.SetLimit(0)
	must(t, <-done)
}

func TestConcurrentWriterGetsConsistentFiles(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/log", "")
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			// Each state of the file is one letter all over.
			_ = os.WriteFile(p.primary.tree+"/new", bytes.Repeat([]byte{byte('a' + i%26)}, 200_000), 0o600)
			_ = os.Rename(p.primary.tree+"/new", p.primary.tree+"/whole")
			if f, err := os.OpenFile(p.primary.tree+"/log", os.O_APPEND|os.O_WRONLY, 0); err == nil {
				_, _ = f.WriteString("line\n")
				_ = f.Close()
			}
			_ = os.Remove(fmt.Sprintf("%s/t%d", p.primary.tree, i-3))
			_ = os.WriteFile(fmt.Sprintf("%s/t%d", p.primary.tree, i), []byte("short-lived"), 0o600)
			time.Sleep(2 * time.Millisecond)
		}
	}()
	waitFor(t, "the writer writes", func() bool { _, err := os.Stat(p.primary.tree + "/whole"); return err == nil })
	for range 8 {
		_, err := p.tryPull(t, Request{})
		if err != nil && !errors.Is(err, source.ErrChanging) {
			t.Error(err)
		}
		b, err := os.ReadFile(p.backup.tree + "/whole")
		if err == nil && (len(b) != 200_000 || bytes.Count(b, b[:1]) != len(b)) {
			t.Error("a mixture of two states was copied")
		}
	}
	close(stop)
	<-stopped
	p.pull(t)
	if p.primary.Confirmed() != p.backup.Snapshot() {
		t.Fatal("the primary does not know of the last snapshot")
	}
}

// TestFullAndReadOnlyDisks runs itself again in a mount namespace of its own.
func TestFullAndReadOnlyDisks(t *testing.T) {
	if os.Getenv("BATON_OWN_MOUNTS") == "" {
		child := exec.Command(os.Args[0], "-test.run=^TestFullAndReadOnlyDisks$", "-test.v")
		child.Env = append(os.Environ(), "BATON_OWN_MOUNTS=1")
		child.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWNS | syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
		}
		out, err := child.CombinedOutput()
		if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) {
			t.Skip("no user namespaces here:", err)
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	p := newPair(t)
	write(t, p.primary.tree+"/f", "small")
	mount := func(at string, flags uintptr, data string) {
		must(t, os.MkdirAll(at, 0o755))
		must(t, syscall.Mount("tmpfs", at, "tmpfs", flags, data))
		t.Cleanup(func() { _ = syscall.Unmount(at, syscall.MNT_DETACH) })
	}
	mount(p.backup.tree, 0, "size=2m")
	p.pull(t)
	restorePointsGiveWay(t, p)
	write(t, p.primary.tree+"/g", noise(5<<20))
	p.refused(t, Request{}, source.ErrNoRoom)
	must(t, os.Remove(p.primary.tree+"/g"))
	p.pull(t)
	must(t, syscall.Mount("", p.backup.tree, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, "size=2m"))
	write(t, p.primary.tree+"/f", "other")
	p.refused(t, Request{}, source.ErrReadOnly)
	must(t, syscall.Mount("", p.backup.tree, "", syscall.MS_REMOUNT, "size=2m"))
	p.pull(t)
	must(t, os.MkdirAll(p.primary.tree+"/inner", 0o755))
	p.pull(t)
	mount(p.backup.tree+"/inner", 0, "size=1m")
	p.refused(t, Request{}, source.ErrUnsafe)
	mount(p.primary.opt.Dir+"/diverged", 0, "size=1m")
	write(t, p.primary.tree+"/g", noise(3<<20))
	if _, err := p.primary.SetAside(t.Context(), p.epoch, pair.AnySnapshot); !errors.Is(err, source.ErrNoRoom) {
		t.Fatal(err)
	}
	if names, _ := os.ReadDir(p.primary.opt.Dir + "/diverged"); len(names) != 0 {
		t.Fatal("a half copy is left")
	}
}

// restorePointsGiveWay has a data sync that has room on a disk of 2 MB only without what is kept for a restore point.
func restorePointsGiveWay(t *testing.T, p *pairOf) {
	t.Helper()
	for _, version := range []string{"1", "2"} {
		write(t, p.primary.tree+"/h", version+noise(700<<10))
		p.pull(t)
	}
	if gone := p.backup.Points.GivenUp(time.Now()); gone.Points > 0 {
		t.Errorf("gave way in vain: %+v", gone)
	}
	write(t, p.primary.tree+"/i", noise(900<<10))
	p.pull(t)
	if gone := p.backup.Points.GivenUp(time.Now()); gone.Points == 0 {
		t.Error("no restore point gave way")
	}
	must(t, errors.Join(os.Remove(p.primary.tree+"/h"), os.Remove(p.primary.tree+"/i")))
	p.pull(t)
	p.backup.Points.Set(0)
	p.backup.TendPoints(t.Context())
}

func TestSilentPeerIsGivenUp(t *testing.T) {
	p := newPair(t)
	p.backup.opt.Idle = 100 * time.Millisecond
	p.backup.reopen(t)
	release := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-release
	}))
	defer silent.Close()
	defer close(release)
	_, err := p.backup.Pull(t.Context(), silent.Client(), silent.URL, Request{Epoch: p.epoch})
	if !errors.Is(err, refusal.ErrStalled) {
		t.Fatal(err)
	}
}
