package store

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"baton/internal/pair"
)

// TestStrangersAreHashedForOneAtATimeWithRests leaves the processor to what keeps the
// site up: half of one core at most is theirs.
func TestStrangersAreHashedForOneAtATimeWithRests(t *testing.T) {
	s := openSite(t, alpha)
	const work, flood = 20 * time.Millisecond, 8
	var running, most atomic.Int32
	var hashes sync.WaitGroup
	began := time.Now()
	for range flood {
		hashes.Go(func() {
			if err := s.Users.strangers.Run(t.Context(), func() {
				most.Store(max(most.Load(), running.Add(1)))
				time.Sleep(work)
				running.Add(-1)
			}); err != nil {
				t.Error(err)
			}
		})
	}
	hashes.Wait()
	if took := time.Since(began); most.Load() != 1 || took < (2*flood-1)*work {
		t.Errorf("%d at a time, %d of %s took %s", most.Load(), flood, work, took)
	}
}

func TestWhoGivesUpWaitsNoLonger(t *testing.T) {
	s := openSite(t, alpha)
	begun, enough := make(chan struct{}), make(chan struct{})
	defer close(enough)
	go func() {
		_ = s.Users.strangers.Run(context.WithoutCancel(t.Context()), func() { close(begun); <-enough })
	}()
	<-begun
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Users.Authenticate(gone, "ann", "correct horse"); !errors.Is(err, context.Canceled) {
		t.Errorf("who gives up still waits: %v", err)
	}
}

func TestAnUnknownUserCostsAsMuchAsAWrongPassword(t *testing.T) {
	s := openSite(t, alpha)
	if err := s.Users.Add(t.Context(), pair.NewUser{Name: "ann", Role: pair.Administrator, Password: "correct horse"}); err != nil {
		t.Fatal(err)
	}
	try := func(name string) time.Duration {
		start := time.Now()
		if _, err := s.Users.Authenticate(t.Context(), name, "wrong horse"); err == nil {
			t.Fatal("signed in")
		}
		return time.Since(start)
	}
	// The fastest of several tries: on a busy machine any of them may be slow.
	known, unknown := time.Hour, time.Hour
	for range 50 {
		known, unknown = min(known, try("ann")), min(unknown, try("nobody"))
		if unknown >= known/2 && known >= unknown/2 {
			return
		}
	}
	t.Errorf("known %v, unknown %v", known, unknown)
}

func FuzzImport(f *testing.F) {
	whole := `{"schema":2}
{"table":"setting_version","row":{"only":1,"version":1}}
{"table":"data","row":{"kind":"dir","name":"www","path":"/srv/www"}}
{"rows":2}
`
	f.Add(whole)
	f.Add(strings.Replace(whole, "www", `\u0000`, 1))
	f.Add(`{"schema":1}` + "\n" + `{"rows":0}`)
	s, err := OpenSite(f.Context(), f.TempDir()+"/site.db", alpha, quiet())
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.Close() })
	f.Fuzz(func(t *testing.T, stream string) {
		_ = s.Import(t.Context(), strings.NewReader(stream)) // accepted or not, what is stored is valid
		settings, _, err := s.Settings.Get(t.Context())
		if err != nil || pair.Check(settings) != nil {
			t.Fatal(err, pair.Check(settings))
		}
		data, err := s.Data.List(t.Context())
		if err != nil || s.Data.checkAll(data) != nil {
			t.Fatal(err, data)
		}
	})
}
