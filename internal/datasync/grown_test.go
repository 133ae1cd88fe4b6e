package datasync

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// appended appends lines to a file all the time, with a pause between, until the test ends it.
func appended(t *testing.T, path string, pause time.Duration, line func(n int) string) (end func()) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	must(t, err)
	return allTheTime(f, func(n int) {
		_, _ = f.WriteString(line(n))
		time.Sleep(pause)
	})
}

// allTheTime has a file written to, each time with another number, until the end, and closes it.
func allTheTime(f *os.File, write func(n int)) (end func()) {
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = f.Close() }()
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			write(n)
		}
	}()
	return func() {
		close(stop)
		<-done
	}
}

// TestAFileThatGrowsKeepsNothingFromBeingSynced has two logs appended to all the time, a small one, and one that is sent by
// its blocks.
func TestAFileThatGrowsKeepsNothingFromBeingSynced(t *testing.T) {
	p := newPair(t)
	small, large := p.primary.tree+"/small.log", p.primary.tree+"/large.log"
	write(t, large, strings.Repeat("an old line of the log\n", 2<<20/23))
	ends := []func(){
		appended(t, small, 50*time.Microsecond, func(n int) string { return fmt.Sprintf("line %d\n", n) }),
		appended(t, large, 50*time.Microsecond, func(n int) string { return fmt.Sprintf("line %d of many\n", n) }),
	}
	before := map[string]int{}
	for round := range 12 {
		write(t, p.primary.tree+"/page", strconv.Itoa(round))
		_, err := p.tryPull(t, Request{})
		must(t, err)
		if page, err := os.ReadFile(p.backup.tree + "/page"); err != nil || string(page) != strconv.Itoa(round) {
			t.Fatalf("round %d: the page is %q, %v", round, page, err)
		}
		for _, path := range []string{"/small.log", "/large.log"} {
			there, err := os.ReadFile(p.backup.tree + path)
			must(t, err)
			here, err := os.ReadFile(p.primary.tree + path)
			must(t, err)
			if !bytes.HasPrefix(here, there) || len(there) < before[path] {
				t.Fatalf("round %d: %s has %d bytes, after %d, and is no beginning of what the primary has", round, path, len(there), before[path])
			}
			before[path] = len(there)
		}
	}
	for _, end := range ends {
		end()
	}
	p.pull(t)
}
