package lease

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A daemon that was killed leaves its tables, closed. The next one must take them
// over, whatever flags they have, or the site would stay cut off.
func TestTablesOfAKilledRunAreTakenOver(t *testing.T) {
	t.Parallel()
	for name, ownership := range map[string][]uint32{"owned": {tableOwner | tablePersist}, "free": {0}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := bareSite(t)
			s.echo("80")
			killed := New(both(t), nil, slog.New(slog.DiscardHandler))
			killed.ownership = ownership
			s.server.do(func() error { return killed.Install(Passing{}) })
			if err := killed.Guard(both(t)); err != nil {
				t.Fatal(err)
			}
			if err := killed.Leave(); err != nil { // its sockets close, as when it is killed
				t.Fatal(err)
			}
			s.lease = New(both(t), nil, slog.New(slog.DiscardHandler))
			s.server.do(func() error { return s.lease.Install(Passing{}) })
			t.Cleanup(func() {
				if err := s.lease.Remove(); err != nil {
					t.Error(err)
				}
			})
			if !s.lease.InForce() {
				t.Fatal("not in force")
			}
			s.guard()
			if err := s.lease.Open(forever()); err != nil {
				t.Fatal(err)
			}
			if conn, err := s.dial("tcp", ip4(t), "80", 2*time.Second); err != nil {
				t.Errorf("open, and nothing passes: %v", err)
			} else {
				_ = conn.Close()
			}
		})
	}
}

// Cleanup takes away what a killed run left, and nothing of a run that goes on.
func TestCleanTakesWhatAKilledRunLeft(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.echo("80")
	s.guard()
	s.server.do(Clean)
	if conn, err := s.dial("tcp", ip4(t), "80", 200*time.Millisecond); err == nil {
		_ = conn.Close()
		t.Error("the tables of a run that goes on were taken away")
	}
	if err := s.lease.Leave(); err != nil {
		t.Fatal(err)
	}
	s.server.do(Clean)
	conn, err := s.dial("tcp", ip4(t), "80", 2*time.Second)
	if err != nil {
		t.Fatalf("what a killed run left still stops traffic: %v", err)
	}
	_ = conn.Close()
}

// What can be neither taken over nor away is told: traffic would stop for ever.
func TestTablesThatCannotBeTakenAreTold(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if s.lease.flags&tableOwner == 0 {
		t.Skip("this kernel has no owned tables: they can always be taken")
	}
	s.server.do(func() error {
		if err := New(both(t), nil, slog.New(slog.DiscardHandler)).Install(Passing{}); !errors.Is(err, ErrLeft) {
			t.Errorf("got %v", err)
		}
		return nil
	})
}

// A process without rights is told at once: its start waits for this.
func TestWithoutRightsNoLeaseIsHadAtOnce(t *testing.T) {
	t.Parallel()
	s := bareSite(t)
	s.server.do(func() error {
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&header, &none[0]); err != nil { // of this thread, which ends with the test
			return err
		}
		begun := time.Now()
		if err := New(both(t), nil, slog.New(slog.DiscardHandler)).Install(Passing{}); !errors.Is(err, unix.EPERM) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(begun); took > time.Second {
			t.Errorf("it took %s", took)
		}
		return nil
	})
}
