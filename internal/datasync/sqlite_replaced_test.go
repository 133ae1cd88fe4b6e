package datasync

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"baton/internal/pair"
)

// ways are the ways in which a database of the backup is replaced: as a whole, and in its place, as most of it stays.
var ways = map[string]struct {
	rows   int
	change string
}{
	"whole":    {300, "delete from number where n%7=0; insert into number select 100000+value, 'two' || hex(randomblob(20)) from generate_series(1,15); vacuum"},
	"in place": {200000, "insert into number select 500000+value, 'two' from generate_series(1,1000); update number set b='two' where n between 7000 and 7100"},
}

// changedPair is a pair whose backup has a database that has changed on the primary in one of the ways.
func changedPair(t *testing.T, mode, way string) *pairOf {
	t.Helper()
	p := withDatabase(t)
	sqliteSays(t, p.primary.app(), fmt.Sprintf("pragma journal_mode=%s;%sinsert into number select value, 'one' from generate_series(1,%d)", mode, numberTable, ways[way].rows))
	p.mustPull(t)
	sqliteSays(t, p.primary.app(), ways[way].change)
	return p
}

// leftBehind is what a program does on the backup that is killed: its log, or a hot journal, is left.
var leftBehind = map[string]string{
	"wal":    "insert into number select 1000000+value, 'here' from generate_series(1,40)",
	"delete": "pragma cache_size=1; pragma cache_spill=1; begin; update number set b = 'here'; insert into number select 1000000+value, 'here' from generate_series(1,4000)",
}

// TestALogThatAppearsIsNotCombinedWithANewDatabase has a program start on the backup and die, at each step of a data sync.
func TestALogThatAppearsIsNotCombinedWithANewDatabase(t *testing.T) {
	for mode, statements := range leftBehind {
		for way := range ways {
			t.Run(mode+" "+way, func(t *testing.T) {
				refused := 0
				for n := 1; ; n++ {
					p := changedPair(t, mode, way)
					want := opened(t, p.primary.app())
					also := filepath.Join(t.TempDir(), "also") // with what a program writes once it is there
					sqliteSays(t, p.primary.app(), ".backup "+also)
					killedProgram(t, also, statements)
					count, hit := 0, ""
					p.backup.opt.Hook = func(step string) {
						if count++; count == n {
							hit = step
							killedProgram(t, p.backup.app(), statements)
						}
					}
					p.backup.reopen(t)
					_, err := p.tryPull(t, Request{})
					got := opened(t, p.backup.app())
					if err != nil {
						refused++
					} else if got != want && got != opened(t, also) {
						t.Errorf("step %d %s: the data sync succeeded, and the backup has %.200q, want %q", n, hit, got, want)
					}
					if hit == "" {
						break
					}
				}
				t.Logf("%d data syncs failed, as they should", refused)
			})
		}
	}
}

// TestAPowerCutWhileADatabaseIsReplaced leaves the old database or the new one, with what a program had left beside the old one before.
func TestAPowerCutWhileADatabaseIsReplaced(t *testing.T) {
	for mode, statements := range leftBehind {
		for way := range ways {
			t.Run(mode+" "+way, func(t *testing.T) {
				seen := map[string]int{}
				for n := 1; ; n++ {
					p := changedPair(t, mode, way)
					killedProgram(t, p.backup.app(), statements)
					old, want := opened(t, p.backup.app()), opened(t, p.primary.app())
					hit := p.cutAt(t, n)
					p.backup.opt.Hook = nil
					p.backup.reopen(t)
					must(t, p.backup.Settle(t.Context()))
					switch got := opened(t, p.backup.app()); got {
					case want:
						seen["new"]++
					case old:
						seen["old"]++
					default:
						t.Errorf("step %d %s: %.200q (%s), old %q, new %q", n, hit, got, namesIn(t, filepath.Dir(p.backup.app())), old, want)
					}
					p.mustPull(t)
					if got := opened(t, p.backup.app()); got != want {
						t.Errorf("step %d: the next data sync ends with %q", n, got)
					}
					if hit == "" {
						break
					}
				}
				if seen["old"] == 0 || seen["new"] == 0 {
					t.Error("it was cut on one side only")
				}
				t.Log(seen)
			})
		}
	}
}

// cutAt ends a data sync before a step of it, and returns the step; empty: it ended before.
func (p *pairOf) cutAt(t *testing.T, n int) (hit string) {
	t.Helper()
	type cut struct{}
	count := 0
	p.backup.opt.Hook = func(step string) {
		if count++; count == n {
			hit = step
			panic(cut{})
		}
	}
	p.backup.reopen(t)
	defer func() {
		if r := recover(); r != nil && r != (cut{}) {
			panic(r)
		}
	}()
	p.mustPull(t)
	return hit
}

// TestAProgramThatHasTheDatabaseOpenOnTheBackup writes to no file that is replaced under it without being told, or without a copy.
func TestAProgramThatHasTheDatabaseOpenOnTheBackup(t *testing.T) {
	for _, mode := range []string{"delete", "wal", "truncate", "persist"} {
		for way := range ways {
			t.Run(mode+" "+way, func(t *testing.T) {
				p := changedPair(t, mode, way)
				cmd := exec.Command("sqlite3", "-batch", p.backup.app())
				in, err := cmd.StdinPipe()
				must(t, err)
				var out bytes.Buffer
				cmd.Stdout, cmd.Stderr = &out, &out
				must(t, cmd.Start())
				done := filepath.Join(t.TempDir(), "done")
				say := func(statements string) {
					_, _ = fmt.Fprintf(in, "%s;\n.shell touch %s\n", statements, done)
					waitFor(t, statements, func() bool { _, err := os.Stat(done); return err == nil })
					must(t, os.Remove(done))
				}
				say("select count(*) from number")
				_, first := p.tryPull(t, Request{})
				say("insert into number values (999999, 'here')")
				must(t, in.Close())
				_ = cmd.Wait()
				if mode == "wal" && first == nil {
					t.Error("it was replaced under a program")
				}
				p.mustPull(t)
				if got, want := opened(t, p.backup.app()), opened(t, p.primary.app()); got != want {
					t.Errorf("after the program: %q, want %q; the program says %q", got, want, out.String())
				}
			})
		}
	}
}

// TestAProgramThatWritesWhileADatabaseIsPatched opens it, writes and closes it, as PHP does, at each part that is written.
func TestAProgramThatWritesWhileADatabaseIsPatched(t *testing.T) {
	for mode := range leftBehind {
		for n := range 3 {
			p := changedPair(t, mode, "in place")
			want, count, out := opened(t, p.primary.app()), 0, []byte(nil)
			p.backup.opt.Hook = func(step string) {
				if step == "part" || step == "apply" {
					if count == n {
						out, _ = exec.Command("sqlite3", p.backup.app(), "insert into number select 1000000+value, 'here' from generate_series(1,4000)").CombinedOutput()
					}
					count++
				}
			}
			p.backup.reopen(t)
			_, err := p.tryPull(t, Request{})
			if got := opened(t, p.backup.app()); err == nil && got != want {
				t.Errorf("%s, part %d: %.200q, want %q; the program says %q", mode, n, got, want, out)
			}
		}
	}
}

// TestWhatLiesAtBatonsOwnNames is made room for, whoever put it there.
func TestWhatLiesAtBatonsOwnNames(t *testing.T) {
	for what, put := range map[string]func(t *testing.T, dir string){
		"link": func(t *testing.T, dir string) { t.Helper(); must(t, os.Symlink(t.TempDir(), dir)) },
		"other's": func(t *testing.T, dir string) {
			t.Helper()
			must(t, os.MkdirAll(dir+"/x", 0o777))
			must(t, os.Chown(dir, 1234, 1234))
		},
		"file":      func(t *testing.T, dir string) { t.Helper(); must(t, os.WriteFile(dir, []byte("x"), 0o600)) },
		"directory": func(t *testing.T, dir string) { t.Helper(); write(t, dir+"/deep/x", "x") },
	} {
		for _, own := range []string{".app.db.baton-staging", ".app.db.baton-points"} {
			t.Run(what+own, func(t *testing.T) {
				p := withDatabase(t)
				sqliteSays(t, p.primary.app(), "pragma journal_mode=wal;"+numberTable+"insert into number values (1,'a')")
				put(t, filepath.Join(filepath.Dir(p.backup.app()), own))
				for range 3 {
					p.mustPull(t)
					sqliteSays(t, p.primary.app(), "insert into number select max(n)+1, 'b' from number")
				}
				if got := opened(t, p.backup.app()); got != "ok\n3|3|a" {
					t.Error(got)
				}
			})
		}
	}
}

// TestACompanionThatCannotBeMoved is in the way of a data sync, which is taken back.
func TestACompanionThatCannotBeMoved(t *testing.T) {
	for _, suffix := range []string{"-wal", "", "-shm"} {
		p := withDatabase(t)
		sqliteSays(t, p.primary.app(), "pragma journal_mode=wal;"+numberTable+"insert into number select value, 'one' from generate_series(1,300)")
		p.mustPull(t)
		killedProgram(t, p.backup.app(), "insert into number values (5000,'here')")
		sqliteSays(t, p.primary.app(), "delete from number where n % 2 = 0; vacuum; insert into number values (7000,'new')")
		blocked := p.backup.app() + suffix
		p.backup.opt.Hook = func(step string) {
			if step == "recorded" {
				setImmutable(t, blocked, true)
			}
		}
		t.Cleanup(func() { setImmutable(t, blocked, false) })
		p.backup.reopen(t)
		old := opened(t, p.backup.app())
		if _, err := p.tryPull(t, Request{}); err == nil {
			t.Error("what cannot be moved was moved")
		}
		p.backup.opt.Hook = nil
		p.backup.reopen(t)
		if got := opened(t, p.backup.app()); got != old {
			t.Errorf("%q is blocked: %q, want %q", suffix, got, old)
		}
		setImmutable(t, blocked, false)
		p.mustPull(t)
		if got, want := opened(t, p.backup.app()), opened(t, p.primary.app()); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestAForcedPromotionKeepsADatabaseWhole though it cannot be replaced: its log, or its journal, stays with it.
func TestAForcedPromotionKeepsADatabaseWhole(t *testing.T) {
	for mode, statements := range leftBehind {
		for way := range ways {
			t.Run(mode+" "+way, func(t *testing.T) {
				p := changedPair(t, mode, way)
				killedProgram(t, p.backup.app(), statements)
				old, want := opened(t, p.backup.app()), opened(t, p.primary.app())
				p.backup.opt.Hook = func(step string) {
					if step == "recorded" {
						setImmutable(t, p.backup.app(), true)
						panic("power cut")
					}
				}
				t.Cleanup(func() { setImmutable(t, p.backup.app(), false) })
				p.backup.reopen(t)
				func() {
					defer func() { _ = recover() }()
					_, err := p.tryPull(t, Request{})
					t.Error("it was not cut off:", err)
				}()
				p.backup.opt.Hook, p.backup.opt.Missing = nil, func(pair.Snapshot, string) {}
				p.backup.reopen(t)
				_ = p.backup.Settle(t.Context())
				must(t, p.backup.SettleForced(t.Context()))
				setImmutable(t, p.backup.app(), false)
				if got := opened(t, p.backup.app()); got != old && got != want {
					t.Errorf("%.300q (%s)\nold %q\nnew %q", got, namesIn(t, filepath.Dir(p.backup.app())), old, want)
				}
			})
		}
	}
}

// setImmutable sets the flag by which nobody may change a file, or skips the test if the file system has none.
func setImmutable(t *testing.T, path string, to bool) {
	t.Helper()
	sign := "-"
	if to {
		sign = "+"
	}
	if out, err := exec.Command("chattr", "-f", sign+"i", path).CombinedOutput(); err != nil && to {
		t.Skipf("no file can be made immutable here: %s", out)
	}
}
