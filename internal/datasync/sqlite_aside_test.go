package datasync

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"baton/internal/kept"
	"baton/internal/pair"
)

// asideOf is what the next program finds in the database of each diverged copy of an appliance.
func asideOf(t *testing.T, a *appliance) (found []string) {
	t.Helper()
	copies, err := a.Diverged.All()
	must(t, err)
	for _, one := range copies {
		path, err := a.Diverged.Path(one.ID)
		must(t, err)
		found = append(found, opened(t, filepath.Join(path, "files/app/app.db")))
	}
	return found
}

// TestWhatOnlyTheLogHasIsSetAside has a transaction that the file of the database does not have.
func TestWhatOnlyTheLogHasIsSetAside(t *testing.T) {
	p := withDatabase(t)
	sqliteSays(t, p.primary.app(), "pragma journal_mode=wal;"+numberTable+"insert into number values (1,'a')")
	p.mustPull(t)
	former := p.primary
	_, err := former.SetAside(t.Context(), p.epoch, pair.AnySnapshot)
	must(t, err)
	p.switchRoles(t)
	killedProgram(t, former.app(), "insert into number values (2,'late')")
	p.mustPull(t)
	if found := asideOf(t, former); len(found) != 1 || found[0] != "ok\n2|2|a" {
		t.Fatalf("set aside: %q", found)
	}
	copies, err := former.Diverged.All()
	must(t, err)
	report, err := former.Report(copies[0].ID)
	must(t, err)
	for _, f := range report.Files {
		if f.Same || f.Here != kept.Changed || f.There == kept.Changed {
			t.Errorf("told of it: %+v", f)
		}
	}
}

// TestNoCopyOfADatabaseThatHoldsTheSame has all that a killed program left in the log, which the other side has as a file.
func TestNoCopyOfADatabaseThatHoldsTheSame(t *testing.T) {
	p := withDatabase(t)
	sqliteSays(t, p.primary.app(), "pragma journal_mode=wal;"+numberTable+"insert into number values (1,'a')")
	killedProgram(t, p.primary.app(), "insert into number values (2,'b')")
	p.mustPull(t)
	former := p.primary
	if files, _, err := former.Unsynced(t.Context()); files != 0 || err != nil {
		t.Errorf("%d files are unsynced, %v", files, err)
	}
	made, err := former.SetAside(t.Context(), p.epoch, pair.AnySnapshot)
	must(t, err)
	if made.ID != "" {
		t.Errorf("set aside %+v", made)
	}
	p.switchRoles(t)
	sqliteSays(t, p.primary.app(), "insert into number values (3,'c')")
	p.mustPull(t)
	if found := asideOf(t, former); len(found) > 0 {
		t.Errorf("nothing was newer here, and it is set aside: %q", found)
	}
	if got, want := opened(t, former.app()), opened(t, p.primary.app()); got != want || want != "ok\n3|3|a" {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestADatabaseOfAFormerPrimaryIsSetAside in all that it can be after a power cut.
func TestADatabaseOfAFormerPrimaryIsSetAside(t *testing.T) {
	for mode, write := range map[string]func(t *testing.T, path string){
		"wal": func(t *testing.T, path string) {
			t.Helper()
			killedProgram(t, path, "insert into number values (2,'former')")
		},
		"delete": func(t *testing.T, path string) {
			t.Helper()
			sqliteSays(t, path, "insert into number values (2,'former')")
		},
		"truncate": func(t *testing.T, path string) { // a hot journal
			t.Helper()
			sqliteSays(t, path, "insert into number values (2,'former')")
			killedProgram(t, path, "pragma cache_size=1; begin; insert into number select value, 'half' from generate_series(10,20000)")
		},
	} {
		t.Run(mode, func(t *testing.T) {
			p := withDatabase(t)
			sqliteSays(t, p.primary.app(), "pragma journal_mode="+mode+";"+numberTable+"insert into number values (1,'a')")
			p.mustPull(t)
			former := p.primary
			write(t, former.app())
			made, err := former.SetAside(t.Context(), p.epoch, pair.AnySnapshot)
			must(t, err)
			p.switchRoles(t)
			sqliteSays(t, p.primary.app(), "insert into number values (3,'new')")
			p.mustPull(t)
			if found := asideOf(t, former); len(found) != 1 || found[0] != "ok\n2|2|a" {
				t.Errorf("set aside: %q", found)
			}
			report, err := former.Report(made.ID)
			must(t, err)
			if len(report.Files) != 1 || report.Files[0].Here != kept.Changed || report.Files[0].There != kept.Changed || report.Files[0].Same {
				t.Errorf("told of it: %+v", report.Files)
			}
			if got, want := opened(t, former.app()), opened(t, p.primary.app()); got != want || want != "ok\n2|3|a" {
				t.Errorf("%q, want %q", got, want)
			}
			if _, err := p.primary.Restore(t.Context(), former.pack(t, made.ID), kept.KeepBeside, atOnce); err == nil || !strings.Contains(err.Error(), "stop its program") {
				t.Errorf("put back under a program: %v", err)
			}
		})
	}
}

// TestWhatIsNoDatabaseOnTheBackupIsSetAsideAsItLies has what nobody can read as a database, at its path and beside it.
func TestWhatIsNoDatabaseOnTheBackupIsSetAsideAsItLies(t *testing.T) {
	for name, one := range map[string]struct {
		make func(t *testing.T, path string)
		kept string // in the copy
	}{
		"empty": {func(t *testing.T, path string) { t.Helper(); must(t, os.WriteFile(path, nil, 0o600)) }, "app.db"},
		"text": {func(t *testing.T, path string) {
			t.Helper()
			must(t, os.WriteFile(path, []byte("no database at all"), 0o600))
		}, "app.db"},
		"link":          {func(t *testing.T, path string) { t.Helper(); must(t, os.Symlink("/etc/hostname", path)) }, "app.db"},
		"directory":     {func(t *testing.T, path string) { t.Helper(); write(t, path+"/sub/letter", "the only one") }, "app.db/sub/letter"},
		"log directory": {func(t *testing.T, path string) { t.Helper(); write(t, path+"-wal/sub/letter", "the only one") }, "app.db-wal/sub/letter"},
		"log alone":     {func(t *testing.T, path string) { t.Helper(); must(t, os.WriteFile(path+"-wal", []byte("x"), 0o600)) }, "app.db-wal"},
		"pages of another size": {func(t *testing.T, path string) {
			t.Helper()
			killedProgram(t, path, "pragma page_size=8192; pragma journal_mode=wal;"+numberTable+"insert into number select value, 'x' from generate_series(1,9000)")
			must(t, os.Remove(path))
			must(t, os.Remove(path+"-shm"))
			sqliteSays(t, path+"x", "pragma page_size=4096; pragma journal_mode=wal;"+numberTable)
			must(t, os.Rename(path+"x", path))
		}, "app.db-wal"},
	} {
		t.Run(name, func(t *testing.T) {
			p := withDatabase(t)
			sqliteSays(t, p.primary.app(), "pragma journal_mode=wal;"+numberTable+"insert into number values (1,'a')")
			one.make(t, p.backup.app())
			p.mustPull(t)
			if got := opened(t, p.backup.app()); got != "ok\n1|1|a" || namesIn(t, filepath.Dir(p.backup.app())) != "app.db" {
				t.Errorf("on the backup lies %s: %q", namesIn(t, filepath.Dir(p.backup.app())), got)
			}
			copies, err := p.backup.Diverged.All()
			must(t, err)
			if len(copies) != 1 {
				t.Fatalf("%d copies", len(copies))
			}
			path, err := p.backup.Diverged.Path(copies[0].ID)
			must(t, err)
			if _, err := os.Lstat(filepath.Join(path, "files/app", one.kept)); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestADatabaseThatItsProgramMadeAnewIsHeldBack has a program that finds none, as if a disk were not mounted. One that is made smaller is no such case.
func TestADatabaseThatItsProgramMadeAnewIsHeldBack(t *testing.T) {
	p := withDatabase(t)
	sqliteSays(t, p.primary.app(), numberTable+"insert into number select value, hex(randomblob(200)) from generate_series(1,20000)")
	p.mustPull(t)
	sqliteSays(t, p.primary.app(), "delete from number where n > 10; vacuum")
	p.mustPull(t)
	sqliteSays(t, p.primary.app(), "insert into number select value, hex(randomblob(200)) from generate_series(11,20000)")
	p.mustPull(t)
	must(t, os.Remove(p.primary.app()))
	sqliteSays(t, p.primary.app(), numberTable)
	if _, err := p.tryPull(t, Request{}); err == nil || !strings.Contains(err.Error(), "is another file on the primary than before") {
		t.Errorf("%v", err)
	}
	_, err := p.tryPull(t, Request{AcceptShrink: true})
	must(t, err)
	p.mustPull(t)
}

// TestADatabaseMadeAnewAfterATakeoverIsHeldBack has the new primary's program find none: nothing is known of its disk yet.
func TestADatabaseMadeAnewAfterATakeoverIsHeldBack(t *testing.T) {
	p := withDatabase(t)
	sqliteSays(t, p.primary.app(), numberTable+"insert into number select value, hex(randomblob(200)) from generate_series(1,20000)")
	p.mustPull(t)
	former := p.primary
	_, err := former.SetAside(t.Context(), p.epoch, pair.AnySnapshot)
	must(t, err)
	p.switchRoles(t)
	must(t, os.Remove(p.primary.app()))
	sqliteSays(t, p.primary.app(), numberTable)
	if _, err := p.tryPull(t, Request{}); err == nil || opened(t, former.app()) == "ok\n0|0|" {
		t.Errorf("the last copy is replaced by an empty one: %v", err)
	}
}

// TestWhatLiesBesideADatabaseIsSetAside though the database itself is the same, and is no part of it.
func TestWhatLiesBesideADatabaseIsSetAside(t *testing.T) {
	for suffix, mode := range map[string]string{"-journal": "wal", "-wal": "delete", "-shm": "delete"} {
		for _, below := range []string{"/sub/letter", ""} {
			t.Run(suffix+below, func(t *testing.T) {
				p := withDatabase(t)
				sqliteSays(t, p.primary.app(), "pragma journal_mode="+mode+";"+numberTable+"insert into number values (1,'a')")
				must(t, copyFile(p.primary.app(), p.backup.app()))
				write(t, p.backup.app()+suffix+below, "the only one")
				p.mustPull(t)
				copies, err := p.backup.Diverged.All()
				must(t, err)
				if len(copies) != 1 {
					t.Fatalf("%d copies; there lie %s", len(copies), namesIn(t, filepath.Dir(p.backup.app())))
				}
				path, err := p.backup.Diverged.Path(copies[0].ID)
				must(t, err)
				if _, err := os.Stat(filepath.Join(path, "files/app/app.db"+suffix+below)); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestALogBesideADatabaseThatSaysItHasNone is read by the next program all the same.
func TestALogBesideADatabaseThatSaysItHasNone(t *testing.T) {
	p := withDatabase(t)
	sqliteSays(t, p.primary.app(), "pragma journal_mode=wal;"+numberTable+"insert into number values (1,'a')")
	p.mustPull(t)
	former := p.primary
	killedProgram(t, former.app(), "insert into number values (2,'here')")
	f, err := os.OpenFile(former.app(), os.O_RDWR, 0)
	must(t, err)
	_, err = f.WriteAt([]byte{1, 1}, 18)
	must(t, err)
	must(t, f.Close())
	next := opened(t, former.app())
	_, err = former.SetAside(t.Context(), p.epoch, pair.AnySnapshot)
	must(t, err)
	if found := asideOf(t, former); len(found) != 1 || found[0] != next {
		t.Errorf("the next program finds %q, set aside %q", next, found)
	}
}

// TestAHotJournalOfARestoreIsSetAside was left by a program that put a database with a log in the place of one without, and was killed before it ended.
func TestAHotJournalOfARestoreIsSetAside(t *testing.T) {
	p := withDatabase(t)
	sqliteSays(t, p.primary.app(), "pragma journal_mode=delete;"+numberTable+"insert into number select value, 'first' from generate_series(1,300000)")
	p.mustPull(t)
	former := p.primary
	sqliteSays(t, former.app(), "insert into number values (900000,'only here')")
	other, keep := filepath.Join(t.TempDir(), "other"), former.app()+".keep"
	sqliteSays(t, other, "pragma journal_mode=wal;"+numberTable+"insert into number select value, 'other' from generate_series(1,301000)")
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for os.Link(former.app()+"-journal", keep) != nil {
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	sqliteSays(t, former.app(), ".restore "+other)
	close(stop)
	<-ended
	if err := os.Rename(keep, former.app()+"-journal"); err != nil {
		t.Skip("the journal was gone before it was seen:", err)
	}
	next := opened(t, former.app())
	_, err := former.SetAside(t.Context(), p.epoch, pair.AnySnapshot)
	must(t, err)
	p.switchRoles(t)
	sqliteSays(t, p.primary.app(), "insert into number values (800000,'there')")
	p.mustPull(t)
	if found := asideOf(t, former); !slices.Contains(found, next) {
		t.Errorf("the next program finds %q, set aside %q", next, found)
	}
}

// TestAFormerPrimaryWhoseDatabaseCannotBeRead has everything set aside all the same.
func TestAFormerPrimaryWhoseDatabaseCannotBeRead(t *testing.T) {
	for what, content := range map[string]string{"empty": "", "text": "no database at all"} {
		t.Run(what, func(t *testing.T) {
			p := withDatabase(t)
			sqliteSays(t, p.primary.app(), numberTable+"insert into number values (1,'a')")
			p.mustPull(t)
			former := p.primary
			write(t, former.tree+"/order", "the only one")
			must(t, os.WriteFile(former.app(), []byte(content), 0o600))
			made, err := former.SetAside(t.Context(), p.epoch, pair.AnySnapshot)
			must(t, err)
			if len(made.Files) != 2 {
				t.Errorf("%+v", made.Files)
			}
		})
	}
}
