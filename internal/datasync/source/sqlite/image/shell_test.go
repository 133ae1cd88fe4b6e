package image

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"
)

// TestTwoProgramsOfDebian has two processes of Debian's sqlite3 write, checkpoint, and close the database, while it is read: the
// versions from 3.7.0 to 3.51.2 have a race between checkpoints (https://www.sqlite.org/wal.html#walreset), to which a reader that never
// checkpoints adds nothing.
func TestTwoProgramsOfDebian(t *testing.T) {
	for seed := range uint64(seeds()) {
		d, path := opened(t)
		shell(t, path, "pragma journal_mode=wal; create table account (id integer primary key, amount integer, filler blob); create table number (n integer); create table counter (writer integer primary key, n integer)")
		var writers sync.WaitGroup
		end := time.Now().Add(5 * time.Second)
		for writer := range 2 {
			writers.Go(func() { typeInto(t, path, rand.New(rand.NewPCG(seed, uint64(writer))), writer, end) })
		}
		var shadow []byte
		looks, known := 0, 0
		for time.Now().Before(end) {
			var is bool
			if shadow, is = look(t, d, shadow); is {
				known++
			}
			if looks++; looks%5 == 0 {
				isSound(t, shadow)
			}
			time.Sleep(5 * time.Millisecond)
		}
		writers.Wait()
		shadow, _ = look(t, d, shadow)
		if verdict := shell(t, path, "pragma integrity_check"); verdict != "ok" {
			t.Fatalf("the original: %s", verdict)
		}
		want := shell(t, path, "select count(*) from number")
		if n := isSound(t, shadow); strconv.Itoa(n) != want {
			t.Errorf("%d transactions, not %s", n, want)
		}
		t.Log("transactions", want, "looks", looks, "known", known)
	}
}

// typeInto types transactions into processes of sqlite3, each of which ends after a while.
func typeInto(t *testing.T, path string, r *rand.Rand, writer int, end time.Time) {
	t.Helper()
	for time.Now().Before(end) {
		var script bytes.Buffer
		fmt.Fprintf(&script, ".timeout 20000\n.output /dev/null\npragma synchronous=off; pragma wal_autocheckpoint=%d;\n", []int{5, 100, 1000}[r.IntN(3)])
		for range 1 + r.IntN(300) {
			amount := r.IntN(1000)
			fmt.Fprintf(&script, "begin immediate; insert into number values (%d);", writer)
			for _, sign := range []int{1, -1} {
				fmt.Fprintf(&script, "insert into account values (%d, %d, randomblob(%d)) on conflict do update set amount = amount + excluded.amount, filler = excluded.filler;",
					r.IntN(2000), sign*amount, r.IntN(3000))
			}
			script.WriteString([]string{"commit;", "commit;", "commit;", "rollback;"}[r.IntN(4)] + "\n")
			if r.IntN(20) == 0 {
				fmt.Fprintf(&script, "pragma wal_checkpoint(%s);\n", []string{"passive", "full", "restart", "truncate"}[r.IntN(4)])
			}
		}
		cmd := exec.Command("sqlite3", "-batch", "-bail", path)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Error(err)
			return
		}
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Error(err)
			return
		}
		if r.IntN(5) == 0 {
			kill := time.AfterFunc(time.Duration(r.IntN(500))*time.Millisecond, func() { _ = cmd.Process.Kill() })
			defer kill.Stop()
		}
		_, _ = io.Copy(in, &script)
		_ = in.Close()
		_ = cmd.Wait()
		if text := out.String(); text != "" {
			t.Errorf("sqlite3: %.300s", text)
			return
		}
	}
}
