package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source/sqlite/image"
	"baton/internal/pinned"
)

const chaosTable = "create table if not exists number (n integer primary key, b blob); create table if not exists total (id integer primary key, c integer); insert or ignore into total values (1, 0);"

func chaosTx(r *rand.Rand) string {
	return fmt.Sprintf("begin immediate; insert into number(b) values (randomblob(%d)); update total set c = c + 1; update number set b = randomblob(%d) where n = %d; %s;",
		r.IntN(8000), r.IntN(3000), 1+r.IntN(400), []string{"commit", "commit", "commit", "commit", "rollback"}[r.IntN(5)])
}

func chaosExtra(r *rand.Rand) string {
	switch r.IntN(60) {
	case 0, 1, 2, 3:
		return fmt.Sprintf("pragma wal_checkpoint(%s);", []string{"passive", "full", "restart", "truncate"}[r.IntN(4)])
	case 4:
		return "begin immediate; delete from number where n > 200; update total set c = (select count(*) from number); commit; pragma incremental_vacuum;"
	case 5:
		return "vacuum;"
	case 6:
		return "begin immediate; update number set b = randomblob(5000); rollback;"
	}
	return ""
}

// TestMain lets the test binary be an application with a current SQLite.
func TestMain(m *testing.M) {
	if path := os.Getenv("BATON_CHAOS"); path != "" {
		seed, _ := strconv.ParseUint(os.Getenv("BATON_CHAOS_SEED"), 10, 64)
		chaosProgram(path, seed)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func chaosProgram(path string, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 7))
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return
	}
	db.SetMaxOpenConns(1)
	do := func(statements string) bool {
		_, err := db.ExecContext(context.Background(), statements)
		return err == nil
	}
	do("pragma busy_timeout=10000; pragma synchronous=off; pragma cache_size=10; pragma mmap_size=" + []string{"0", "100000000"}[r.IntN(2)])
	do("pragma wal_autocheckpoint=" + []string{"5", "50", "1000"}[r.IntN(3)])
	for range 50 + r.IntN(150) {
		if !do(chaosTx(r)) {
			do("rollback")
		}
		do(chaosExtra(r))
	}
	_ = db.Close()
}

func chaosWriter(path string, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 8))
	var cmd *exec.Cmd
	if r.IntN(2) == 0 {
		cmd = exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "BATON_CHAOS="+path, fmt.Sprintf("BATON_CHAOS_SEED=%d", seed))
	} else {
		var script bytes.Buffer
		fmt.Fprintf(&script, ".timeout 10000\n.output /dev/null\npragma synchronous=off; pragma cache_size=10; pragma wal_autocheckpoint=%d; pragma mmap_size=%d;\n", []int{5, 50, 1000}[r.IntN(3)], r.IntN(2)*100000000)
		for range 50 + r.IntN(150) {
			script.WriteString(chaosTx(r) + "\n" + chaosExtra(r) + "\n")
		}
		cmd = exec.Command("sqlite3", "-batch", path)
		cmd.Stdin = &script
	}
	if cmd.Start() != nil {
		return
	}
	if r.IntN(2) == 0 {
		kill := time.AfterFunc(time.Duration(r.IntN(400))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
	}
	_ = cmd.Wait()
}

func dump(path string) string {
	out, err := exec.Command("sqlite3", "-batch", path, ".dump").CombinedOutput()
	if err != nil {
		return string(out) + err.Error()
	}
	return string(out)
}

// TestTwoVersionsWriteInDisorder has processes of SQLite 3.40.1 and of a current one write, checkpoint, vacuum, change the mode and the size of pages, and die, and others
// remove, replace and cut off its files between. What is read at any time is what a transaction left, its list is that of the whole, and at rest it is what
// SQLite reads. BATON_SEEDS is how many times that is done for three seconds.
func TestTwoVersionsWriteInDisorder(t *testing.T) {
	seeds, _ := strconv.ParseUint(os.Getenv("BATON_SEEDS"), 10, 64)
	for seed := range max(seeds, 3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			c := &chaos{t: t, r: rand.New(rand.NewPCG(seed, 1)), follower: follow("db")}
			c.top, c.path = somewhere(t)
			run(t, c.path, "pragma auto_vacuum=incremental;"+chaosTable)
			for end := time.Now().Add(3 * time.Second); time.Now().Before(end) && !t.Failed(); {
				c.disturb()
				c.write()
				c.rest()
			}
			t.Logf("%d looks while it was written to, %d times at rest", c.looks, c.rests)
		})
	}
}

// chaos is a database while it is disturbed.
type chaos struct {
	t        *testing.T
	r        *rand.Rand
	top      *pinned.Dir
	path     string
	follower *follower
	history  []string

	looks, rests int
}

func (c *chaos) sqlite(statements string) {
	_, _ = exec.Command("sqlite3", "-batch", c.path, ".timeout 3000", statements).CombinedOutput() // it may be in no state for that
}

// disturb does something to the database that no transaction does.
func (c *chaos) disturb() {
	step := []string{"", "", "", "wal", "wal", "delete", "persist", "truncate", "page", "into", "anew", "noshm", "shortshm"}[c.r.IntN(13)]
	c.history = append(c.history, step)
	beside := []string{"-wal", "-shm", "-journal"}
	switch step {
	case "wal", "delete", "persist", "truncate":
		c.sqlite("pragma journal_mode=" + step)
	case "page":
		c.sqlite(fmt.Sprintf("pragma journal_mode=delete; pragma page_size=%d; vacuum; pragma journal_mode=wal", 512<<c.r.IntN(8)))
	case "into":
		c.sqlite("vacuum into '" + c.path + ".new'")
		for _, s := range beside {
			_ = os.Remove(c.path + s)
		}
		_ = os.Rename(c.path+".new", c.path)
	case "anew":
		for _, s := range append(beside, "") {
			_ = os.Remove(c.path + s)
		}
		run(c.t, c.path, []string{"pragma journal_mode=wal;", ""}[c.r.IntN(2)]+chaosTable)
	case "noshm":
		_ = os.Remove(c.path + "-shm")
	case "shortshm":
		_ = os.Truncate(c.path+"-shm", int64(c.r.IntN(200)))
	}
}

// write has one to three processes write to it, and looks at it meanwhile.
func (c *chaos) write() {
	var writers sync.WaitGroup
	for range 1 + c.r.IntN(3) {
		seed := c.r.Uint64()
		writers.Go(func() { chaosWriter(c.path, seed) })
	}
	over := make(chan struct{})
	go func() { writers.Wait(); close(over) }()
	for {
		select {
		case <-over:
			return
		default:
		}
		i, err := c.follower.look(c.t.Context(), c.top)
		if err != nil {
			continue // it is locked, or half made
		}
		content, err := copyOf(c.t, i)
		switch {
		case err == nil && listOf(content) != c.follower.list.Hash():
			c.t.Errorf("the list is another after %v", c.history)
		case err == nil && c.looks%20 == 0:
			c.isSound(content)
		case err != nil && !errors.Is(err, image.ErrChanged):
			c.t.Error(err)
		}
		c.looks++
		must(c.t, i.Close())
	}
}

// isSound has SQLite check a copy, and counts what a transaction keeps in step.
func (c *chaos) isSound(content []byte) {
	path := filepath.Join(c.t.TempDir(), "c")
	must(c.t, os.WriteFile(path, content, 0o600))
	out, err := exec.Command("sqlite3", "-batch", path, "pragma integrity_check; select (select count(*) from number) - (select c from total);").CombinedOutput()
	if s := strings.TrimSpace(string(out)); s != "ok\n0" || err != nil {
		c.t.Errorf("after %v: %.200s %v", c.history, s, err)
	}
}

// rest looks at it while nobody writes.
func (c *chaos) rest() {
	time.Sleep(30 * time.Millisecond)
	seen, err := c.follower.database.Glance(c.top)
	must(c.t, err)
	i, err := c.follower.look(c.t.Context(), c.top)
	if err != nil {
		c.t.Errorf("at rest, after %v: %v", c.history, err)
		return
	}
	content, err := copyOf(c.t, i)
	must(c.t, errors.Join(err, i.Close()))
	if now, _ := c.follower.database.Glance(c.top); now != seen {
		c.t.Error("a glance differs though nothing changed")
	}
	if listOf(content) != c.follower.list.Hash() {
		c.t.Errorf("at rest, after %v: the list is another", c.history)
	}
	c.isSound(content)
	path := filepath.Join(c.t.TempDir(), "c")
	must(c.t, os.WriteFile(path, content, 0o600))
	if ours, theirs := dump(path), dump(c.path); ours != theirs {
		c.t.Errorf("at rest, after %v: the copy has %d bytes as SQL, and SQLite reads %d", c.history, len(ours), len(theirs))
	}
	c.rests++
}

func listOf(content []byte) manifest.Hash {
	l := manifest.NewLister(manifest.BlockSize(int64(len(content))))
	_ = l.Data(content)
	return manifest.List{Size: int64(len(content)), Blocks: l.Blocks()}.Hash()
}
