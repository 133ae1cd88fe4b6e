package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"baton/internal/pair"
	"baton/internal/store/local"
	"baton/internal/store/schema"

	"golang.org/x/sys/unix"
)

func TestACopyIsConsistentWhileTheDatabaseIsInUse(t *testing.T) {
	s := openSite(t, alpha)
	ctx, stop := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	writing.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			if _, err := s.History.Append(t.Context(), pair.Event{Kind: "started", Text: strconv.Itoa(i)}); err != nil {
				t.Error(err)
				return
			}
		}
	})
	dir := t.TempDir()
	for i := range 5 {
		path := filepath.Join(dir, fmt.Sprint(i, " a?b%20.db"))
		if err := s.Copy(t.Context(), path); err != nil {
			t.Fatal(err)
		}
		checkCopy(t, path)
	}
	stop()
	writing.Wait()
	wantErr := s.Copy(t.Context(), filepath.Join(dir, "0 a?b%20.db"))
	if pair.CodeOf(wantErr) != pair.Refused {
		t.Errorf("wrote over a file: %v", wantErr)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 5 {
		t.Errorf("files left: %v, %v", entries, err)
	}
}

// checkCopy opens a copy where nothing can be written.
func checkCopy(t *testing.T, path string) {
	t.Helper()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	db, err := sql.Open("sqlite", dsn(path, "mode=ro"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var verdict string
	var same bool
	row := db.QueryRowContext(t.Context(), `SELECT (SELECT * FROM pragma_integrity_check), (SELECT count(*) FROM event) = coalesce(max(complete), 0) FROM event_head`)
	if err := row.Scan(&verdict, &same); err != nil || verdict != "ok" || !same {
		t.Errorf("%s: %s %v %v", path, verdict, same, err)
	}
}

func TestALostForeignOrDamagedDatabaseIsNotBegunAnew(t *testing.T) {
	foreign := func(t *testing.T, path string) {
		t.Helper()
		db, err := sql.Open("sqlite", dsn(path, ""))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.ExecContext(t.Context(), `CREATE TABLE theirs (x)`); err != nil {
			t.Fatal(err)
		}
		_ = db.Close()
	}
	write := func(t *testing.T, path string) {
		t.Helper()
		if err := os.WriteFile(path, bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	newer := func(t *testing.T, path string) {
		t.Helper()
		s := reopenSite(t, path, alpha)
		if _, err := s.db.writer.ExecContext(t.Context(), `PRAGMA user_version = 99`); err != nil {
			t.Fatal(err)
		}
	}
	lost := func(t *testing.T, path string) {
		t.Helper()
		s, err := OpenSite(t.Context(), path, alpha, quiet())
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.Close(), os.Remove(path)); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		damage func(*testing.T, string)
		words  string
	}{
		"foreign": {foreign, "not a site database"},
		"damaged": {write, "is damaged: stop baton and put it back"},
		"newer":   {newer, fmt.Sprintf("has version 99 and this baton knows %d: install the version that wrote it", schema.Version())},
		"lost":    {lost, "is missing, but was here before"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "site.db")
			test.damage(t, path)
			_, err := OpenSite(t.Context(), path, alpha, quiet())
			if err == nil || !strings.Contains(err.Error(), test.words) {
				t.Errorf("got %v, want %q", err, test.words)
			}
		})
	}
}

// TestAFullOrReadOnlyDiskLosesNothing fills a small disk of its own, in a child
// with a mount namespace of its own.
func TestAFullOrReadOnlyDiskLosesNothing(t *testing.T) {
	const variable = "BATON_TEST_DISK"
	if os.Getenv(variable) != "" {
		onSmallDisk(t, t.TempDir())
		return
	}
	child := exec.Command(os.Args[0], "-test.run=^TestAFullOrReadOnlyDiskLosesNothing$", "-test.v")
	child.Env = append(os.Environ(), variable+"=1")
	child.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		child.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		child.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		child.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	out, err := child.CombinedOutput()
	if errors.Is(err, syscall.EPERM) {
		t.Skip("no mount namespace can be made here: run as root, or turn user namespaces on")
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func onSmallDisk(t *testing.T, disk string) {
	t.Helper()
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(disk, unix.MNT_DETACH) })
	filler := filepath.Join(disk, "filler") // its room is given back at the end
	if err := os.WriteFile(filler, make([]byte, 128<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := local.Open(filepath.Join(disk, "local"), alpha, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	s := reopenSite(t, filepath.Join(disk, "site.db"), alpha)
	if err := s.Users.Add(t.Context(), pair.NewUser{Name: "ann", Role: pair.Administrator, Password: "correct horse"}); err != nil {
		t.Fatal(err)
	}
	kept, full := appendUntilFull(t, s)
	if full == nil || !strings.Contains(full.Error(), "free some space") && !strings.Contains(full.Error(), "is full") {
		t.Errorf("a full disk is not told: %v", full)
	}
	fill(t, filler)
	if err := l.Save(t.Context(), func(s *local.State) { s.Record.Epoch = s.Record.Epoch.Next(s.ID) }); err != nil {
		t.Errorf("the role cannot change on a full disk: %v", err)
	}
	if _, err := s.Users.Authenticate(t.Context(), "ann", "correct horse"); err != nil {
		t.Errorf("a full disk locks the administrator out: %v", err)
	}
	if err := s.Copy(t.Context(), filepath.Join(disk, "copy.db")); err == nil {
		t.Error("a copy on a full disk")
	}
	if _, err := os.Stat(filepath.Join(disk, "copy.db")); err == nil {
		t.Error("half a copy is left")
	}

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if err := l.Save(t.Context(), func(s *local.State) { s.Record.Epoch = s.Record.Epoch.Next(s.ID) }); err != nil {
		t.Errorf("save once there is room: %v", err)
	}
	if got := history(t, s, Filter{}); len(got) != kept {
		t.Errorf("%d events of %d", len(got), kept)
	}

	onReadOnlyDisk(t, disk)
}

func appendUntilFull(t *testing.T, s *Site) (kept int, full error) {
	t.Helper()
	for ; kept < 5000; kept++ {
		if _, err := s.History.Append(t.Context(), pair.Event{Kind: "started", Text: strings.Repeat("x", 4000)}); err != nil {
			return kept, err
		}
	}
	return kept, nil
}

// fill appends to a file until the disk is full to the last block.
func fill(t *testing.T, path string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = file.Write(make([]byte, 512))
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

// onReadOnlyDisk sees the same files through a mount that cannot be written.
func onReadOnlyDisk(t *testing.T, disk string) {
	t.Helper()
	seen := t.TempDir()
	if err := unix.Mount(disk, seen, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", seen, "", unix.MS_REMOUNT|unix.MS_RDONLY|unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Unmount(seen, unix.MNT_DETACH) }()
	if _, err := local.Open(filepath.Join(seen, "local"), alpha, quiet()); !errors.Is(err, unix.EROFS) {
		t.Errorf("state on a read-only disk: %v", err)
	}
	s, err := OpenSite(t.Context(), filepath.Join(seen, "site.db"), alpha, quiet())
	if err != nil {
		t.Fatalf("a database on a read-only disk cannot even be read: %v", err)
	}
	_, err = s.History.Append(t.Context(), pair.Event{Kind: "started", Text: "a"})
	if err == nil || !strings.Contains(err.Error(), "cannot be written: make its disk and file writable") {
		t.Errorf("a database on a read-only disk: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
