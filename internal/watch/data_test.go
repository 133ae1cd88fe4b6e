package watch

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/datasync/source/directory"
	"baton/internal/pair"
)

// store is disks of a test.
type store struct {
	mu     sync.Mutex
	disks  map[string]directory.Disk
	hangs  chan struct{} // nil: none does
	probes int
	backup bool
}

func (s *store) watch() *DataDisks {
	return &DataDisks{
		List: func(context.Context) (all []pair.Data, err error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			for place := range s.disks {
				all = append(all, pair.Data{Name: "d", Spec: pair.Directory{Path: pair.Path(place)}})
			}
			slices.SortFunc(all, func(a, b pair.Data) int { return strings.Compare(a.Spec.String(), b.Spec.String()) })
			return all, nil
		},
		Probe: func(data pair.Data, _ map[uint64]bool) (directory.Disk, bool) {
			s.mu.Lock()
			s.probes++
			hangs := s.hangs
			s.mu.Unlock()
			if hangs != nil {
				<-hangs
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			disk := s.disks[data.Spec.String()]
			disk.Place = data.Spec.String()
			return disk, true
		},
		Leads: func() bool { s.mu.Lock(); defer s.mu.Unlock(); return !s.backup }, Log: slog.New(slog.DiscardHandler),
	}
}

func (s *store) set(place string, disk directory.Disk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disks[place] = disk
}

func room() unix.Statfs_t {
	return unix.Statfs_t{Bsize: 4096, Blocks: 1 << 20, Bavail: 1 << 19, Files: 1 << 16, Ffree: 1 << 15}
}

// told is what a watch says: why the site is sick or "well", whether it is fit, and its conditions.
func saysOf(w *DataDisks) string {
	says := []string{"unknown"}
	switch sick, judged := w.Verdict(); {
	case sick != nil:
		says[0] = sick.Error()
	case judged:
		says[0] = "well"
	}
	if !w.Fit() {
		says = append(says, "unfit")
	}
	for _, c := range w.Conditions() {
		says = append(says, c.ID+" "+string(c.Severity))
	}
	return strings.Join(says, "; ")
}

func TestDisksOfProtectedData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{disks: map[string]directory.Disk{"/srv/a": {Room: room()}, "/srv/b": {Room: room()}}}
		w := s.watch()
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go func() { _ = w.Run(ctx) }()
		expect := func(after time.Duration, want string) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			if got := saysOf(w); got != want {
				t.Errorf("it says %q, want %q", got, want)
			}
		}
		expect(time.Second, "unknown")
		expect(3*time.Second, "well")

		full := directory.Disk{Room: room(), Full: true, Failed: syscall.ENOSPC}
		s.set("/srv/b", full)
		expect(4*time.Second, "unknown; data-disk-full critical")
		expect(11*time.Second, "nothing can be written to the disk of /srv/b: it is full; unfit; data-disk-full critical")
		few := directory.Disk{Room: room()}
		few.Room.Bavail = 1000
		s.set("/srv/b", few)
		expect(4*time.Second, "well; data-disk-nearly-full warning")

		s.set("/srv/b", directory.Disk{Room: room(), Failed: syscall.EIO})
		expect(15*time.Second, "nothing can be written to the disk of /srv/b: the kernel says: input/output error; unfit; data-disk-unwritable critical")
		s.set("/srv/b", directory.Disk{Room: room(), ReadOnly: true})
		expect(15*time.Second, "nothing can be written to the disk of /srv/b: it has become read-only; unfit; data-disk-unwritable critical")
		s.mu.Lock()
		delete(s.disks, "/srv/b")
		s.mu.Unlock()
		expect(4*time.Second, "well")

		// One that has been read-only since the start is meant so on a primary. A backup takes no data there.
		s.set("/srv/c", directory.Disk{Room: room(), ReadOnly: true})
		expect(15*time.Second, "well; unfit; data-disk-read-only info")
		s.mu.Lock()
		s.backup = true
		s.mu.Unlock()
		expect(time.Second, "well; unfit; data-disk-unwritable critical")
		s.mu.Lock()
		delete(s.disks, "/srv/c")
		s.backup = false
		s.mu.Unlock()
		expect(4*time.Second, "well")

		// A write that hangs, with which all else waits.
		hangs := make(chan struct{})
		s.mu.Lock()
		s.hangs = hangs
		s.mu.Unlock()
		expect(9*time.Second, "unknown")
		before := s.probes
		expect(5*time.Second, "nothing can be written to the disk of /srv/a: a write has not ended for 10 s; unfit; data-disk-unwritable critical")
		expect(time.Minute, "nothing can be written to the disk of /srv/a: a write has not ended for 10 s; unfit; data-disk-unwritable critical")
		if s.probes != before {
			t.Errorf("%d more writes were begun", s.probes-before)
		}
		// It fails in the end: nothing has become well in between.
		s.set("/srv/a", directory.Disk{Room: room(), Failed: syscall.EIO})
		s.mu.Lock()
		s.hangs = nil
		s.mu.Unlock()
		close(hangs)
		expect(time.Second, "nothing can be written to the disk of /srv/a: the kernel says: input/output error; unfit; data-disk-unwritable critical")
		s.set("/srv/a", directory.Disk{Room: room()})
		expect(4*time.Second, "well")
		stop()
		synctest.Wait()
	})
}

func TestAListThatCannotBeReadProbesNothing(t *testing.T) {
	w := &DataDisks{List: func(context.Context) ([]pair.Data, error) { return nil, errors.New("busy") }}
	w.round(t.Context())
	if got := saysOf(w); got != "unknown" {
		t.Error(got)
	}
}
