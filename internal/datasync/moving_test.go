package datasync

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"baton/internal/datasync/source"
)

// rewritten has a file of a size in bytes written to at its beginning and its end all the time, until the test ends it. Both always
// differ but for a moment.
func rewritten(t *testing.T, path, head string, size int64) (end func()) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	must(t, err)
	_, err = f.WriteAt([]byte(head), 0)
	must(t, err)
	_, err = f.WriteAt(make([]byte, size-200), 200)
	must(t, err)
	return allTheTime(f, func(n int) {
		_, _ = f.WriteAt([]byte(strconv.Itoa(n)), 100)
		_, _ = f.WriteAt([]byte(strconv.Itoa(n)), size-100)
	})
}

// ofOneMoment checks that a file is as it was between two writes: on a busy machine the writer may rest for long enough.
func ofOneMoment(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	number := func(at int) int {
		text, _, _ := strings.Cut(string(b[at:]), "\x00")
		n, _ := strconv.Atoi(text)
		return n
	}
	if first, second := number(100), number(len(b)-100); first != second && first != second+1 {
		t.Fatalf("%s begins with write %d and ends with write %d", path, first, second)
	}
}

// movingNames returns what is named, in order.
func (p *pairOf) movingNames() (names []string) {
	for _, one := range p.primary.Moving() {
		names = append(names, one.Path)
	}
	return names
}

// TestAFileThatKeepsMovingKeepsNothingFromBeingSynced has one that the backup had at rest, and one that it never had. The directory of
// the first is renamed meanwhile.
func TestAFileThatKeepsMovingKeepsNothingFromBeingSynced(t *testing.T) {
	p := newPair(t)
	const size = 48 << 20
	write(t, p.primary.tree+"/dir/known", strings.Repeat("\x00", size))
	p.pull(t)
	end := rewritten(t, p.primary.tree+"/dir/known", "", size)
	endNew := rewritten(t, p.primary.tree+"/new", "", size)
	at, named := "dir", 0
	for round := range 8 {
		if round == 4 {
			must(t, os.Rename(p.primary.tree+"/dir", p.primary.tree+"/renamed"))
			at = "renamed"
		}
		write(t, p.primary.tree+"/page", strconv.Itoa(round))
		for tries := 0; ; tries++ { // each of the two may be found out when it is sent
			if _, err := p.tryPull(t, Request{}); err == nil {
				break
			} else if tries > 2 || !errors.Is(err, source.ErrChanging) {
				t.Fatal(err)
			}
		}
		if page, err := os.ReadFile(p.backup.tree + "/page"); err != nil || string(page) != strconv.Itoa(round) {
			t.Fatalf("round %d: the page is %q, %v", round, page, err)
		}
		ofOneMoment(t, p.backup.tree+"/"+at+"/known")
		if _, err := os.Lstat(p.backup.tree + "/new"); err == nil {
			ofOneMoment(t, p.backup.tree+"/new")
		}
		named += len(p.movingNames())
	}
	if named < 8 {
		t.Errorf("named were %d files in 8 rounds: they were at rest", named)
	}
	if _, err := p.tryPull(t, Request{Final: true}); !errors.Is(err, source.ErrChanging) {
		t.Errorf("the final data sync of a switch left files behind: %v", err)
	}
	end()
	endNew()
	waitFor(t, "all is synced once it is at rest", func() bool {
		_, err := p.tryPull(t, Request{})
		must(t, err)
		return len(p.movingNames()) == 0
	})
	same(t, p.primary.tree, p.backup.tree)
}

// TestADatabaseIsNeverLeftAsItWas has a database of SQLite that is written to all the time.
func TestADatabaseIsNeverLeftAsItWas(t *testing.T) {
	p := newPair(t)
	write(t, filepath.Join(p.primary.tree, "db"), "SQLite format 3\x00"+strings.Repeat("\x00", 48<<20))
	p.pull(t)
	end := rewritten(t, p.primary.tree+"/db", "SQLite format 3\x00", 48<<20)
	defer end()
	if _, err := p.tryPull(t, Request{}); !errors.Is(err, source.ErrChanging) {
		t.Errorf("it ended with %v", err)
	}
}
