package directory

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/datasync/source"
	"baton/internal/datasync/source/directory/changes"
	"baton/internal/pair"
)

// helped serves a helper at a socket until the function that it returns is called.
func (f *followed) helped(socket string, allowed func(string) string) (end func()) {
	f.Helper()
	listener, err := changes.Listen(socket)
	f.must(err)
	ctx, stop := context.WithCancel(f.Context())
	served := make(chan error)
	go func() { served <- changes.Serve(ctx, listener, allowed, slog.New(slog.DiscardHandler)) }()
	return sync.OnceFunc(func() {
		stop()
		f.must(<-served)
	})
}

func anything(string) string { return "" }

// followedBy is by what the directory is followed: "", "inotify", "helper".
func (f *followed) followedBy() string {
	watch := f.kind.indexAt(f.dir).watch
	switch {
	case watch == nil:
		return ""
	case watch.Helped():
		return "helper"
	}
	return "inotify"
}

func (f *followed) wantFollowedBy(want string) {
	f.Helper()
	if by := f.followedBy(); by != want {
		f.Errorf("it is followed by %q, want %q", by, want)
	}
}

// newHelped returns a directory that is followed by a helper, its socket, and what ends it.
func newHelped(t *testing.T) (f *followed, socket string, end func()) {
	t.Helper()
	f = newFollowed(t)
	socket = filepath.Join(t.TempDir(), "socket")
	serving := f.helped(socket, anything)
	t.Cleanup(serving)
	end = func() {
		serving()
		for helper := f.kind.helper; helper != nil && !helper.Lost(); { // that is noticed a moment later
			time.Sleep(time.Millisecond)
		}
	}
	f.kind.opt.Helper = socket
	f.write("a", "1")
	f.scan(source.Serve)
	if f.followedBy() != "helper" {
		t.Skip("file systems cannot be followed here")
	}
	return f, socket, end
}

// TestTheHelperComesAndGoes ends the helper between a write and the scan: inotify goes on, and nothing is missed.
func TestTheHelperComesAndGoes(t *testing.T) {
	f, socket, end := newHelped(t)
	first := f.looked()
	f.now = f.now.Add(time.Second)
	f.write("a", "22")
	f.must(os.MkdirAll(filepath.Join(f.dir, "deep", "er"), 0o755))
	f.write("deep/er/b", "3")
	scan := f.scan(source.Serve)
	f.wantHash(scan, "a", "22")
	f.wantHash(scan, "deep/er/b", "3")
	if !f.looked().Equal(first) {
		t.Error("the whole was looked at")
	}

	f.write("a", "333")
	end()
	f.wantHash(f.scan(source.Serve), "a", "333")
	f.wantFollowedBy("inotify")
	f.now = f.now.Add(time.Second)
	f.write("a", "4444")
	f.wantHash(f.scan(source.Serve), "a", "4444")

	defer f.helped(socket, anything)()
	f.now = f.now.Add(wholeLate)
	f.scan(source.Serve)
	f.wantFollowedBy("helper")
}

// silent is a helper that follows as many trees as are given, and answers nothing from then on.
func (f *followed) silent(socket string, trees int) (end func()) {
	f.Helper()
	return f.fake(socket, func(conn *changes.Conn) {
		for range trees {
			if m, err := conn.Receive(); err == nil {
				_ = conn.Send(changes.Message{Kind: changes.Follows, ID: m.ID})
			}
		}
	})
}

// fake is a helper that serves each connection in a way of its own, until the function that it returns is called.
func (f *followed) fake(socket string, serve func(*changes.Conn)) (end func()) {
	f.Helper()
	listener, err := changes.Listen(socket)
	f.must(err)
	go func() {
		for {
			unixConn, err := listener.AcceptUnix()
			if err != nil {
				return
			}
			conn, err := changes.NewConn(unixConn)
			if err != nil {
				return
			}
			serve(conn)
		}
	}()
	return func() { f.must(listener.Close()) }
}

// TestAHelperThatHangsIsDoneWithout has a helper that follows, and answers nothing from then on.
func TestAHelperThatHangsIsDoneWithout(t *testing.T) {
	f := newFollowed(t)
	f.kind.opt.Helper = filepath.Join(t.TempDir(), "socket")
	defer f.silent(f.kind.opt.Helper, 1)()
	f.write("a", "1")
	scan := f.scan(source.Serve)
	f.wantFollowedBy("helper")
	f.write("a", "22")
	if changed, follows := f.kind.Changed(f.data(), scan.Listing); follows {
		select {
		case <-changed:
		default:
			t.Error("it says that nothing has changed")
		}
	}
	f.wantHash(f.scan(source.Serve), "a", "22")
}

// TestAHelperThatHungIsTriedAgain after a pause: until then no directory waits for it.
func TestAHelperThatHungIsTriedAgain(t *testing.T) {
	f, socket, end := newHelped(t)
	end()
	var asked atomic.Int32
	end = f.fake(socket, func(conn *changes.Conn) {
		if _, err := conn.Receive(); err == nil {
			asked.Add(1)
		}
	})
	top := f.dir
	f.now = f.now.Add(wholeSoon)
	for i := range 3 {
		f.dir = fmt.Sprintf("%s/%d", top, i)
		f.must(os.Mkdir(f.dir, 0o755))
		f.scan(source.Serve)
		f.wantFollowedBy("inotify")
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("a helper that hangs was asked %d times, want once", n)
	}
	end()
	defer f.helped(socket, anything)()
	f.now = f.now.Add(hangPause)
	f.scan(source.Serve)
	f.wantFollowedBy("helper")
}

// TestTheFinalSyncAsksTheHelperForNothing, as the site is closed meanwhile; what follows goes on.
func TestTheFinalSyncAsksTheHelperForNothing(t *testing.T) {
	f := newFollowed(t)
	asked := make(chan changes.Kind, 100)
	f.kind.opt.Helper = filepath.Join(t.TempDir(), "socket")
	defer f.fake(f.kind.opt.Helper, func(conn *changes.Conn) {
		for m, err := conn.Receive(); err == nil; m, err = conn.Receive() {
			asked <- m.Kind
			if m.Kind == changes.Follow {
				_ = conn.Send(changes.Message{Kind: changes.Follows, ID: m.ID})
			}
		}
	})()
	f.write("a", "1")
	f.scan(source.Serve)
	f.wantFollowedBy("helper")
	<-asked
	f.write("a", "22")
	f.wantHash(f.scan(source.Final), "a", "22")
	f.wantFollowedBy("helper")
	select {
	case kind := <-asked:
		t.Errorf("it was asked %v", kind)
	case <-time.After(100 * time.Millisecond):
	}
}

// TestWhatFollowsGoesOnAfterTheFinalSync, also in what was made before it and not noticed yet.
func TestWhatFollowsGoesOnAfterTheFinalSync(t *testing.T) {
	f, _, _ := newHelped(t)
	for _, by := range []string{"helper", "inotify"} {
		f.wantFollowedBy(by)
		f.must(os.MkdirAll(filepath.Join(f.dir, by, "deep"), 0o755))
		f.write(by+"/deep/b", "1")
		f.must(os.Rename(filepath.Join(f.dir, by), filepath.Join(f.dir, by+"-renamed")))
		f.wantHash(f.scan(source.Final), by+"-renamed/deep/b", "1")
		f.now = f.now.Add(time.Second)
		final := f.looked()
		f.write(by+"-renamed/deep/b", "22")
		f.wantHash(f.scan(source.Serve), by+"-renamed/deep/b", "22")
		if !f.looked().Equal(final) {
			t.Errorf("by %s: the whole was looked at again", by)
		}
		f.kind.opt.Helper = ""
		f.kind.helper = nil
		f.now = f.now.Add(wholeLate)
		f.scan(source.Serve)
	}
}

// TestARefusalOfTheHelperStandsForAWhile, and a directory that it refuses is not asked for in each look at the whole.
func TestARefusalOfTheHelperStandsForAWhile(t *testing.T) {
	f, _, end := newHelped(t)
	end()
	asked := 0
	f.kind.opt.Helper = filepath.Join(t.TempDir(), "other")
	defer f.helped(f.kind.opt.Helper, func(string) string { asked++; return "root does not allow it" })()
	for _, want := range []int{1, 1, 2} {
		f.now = f.now.Add(askAgain / 2)
		f.scan(source.Serve)
		f.wantFollowedBy("inotify")
		if asked != want {
			t.Errorf("it was asked %d times, want %d", asked, want)
		}
	}
}

// TestADiskThatIsAwayIsNoConcernOfTheOthers, but for one look at the whole.
func TestADiskThatIsAwayIsNoConcernOfTheOthers(t *testing.T) {
	f, _, _ := newHelped(t)
	first, other := f.dir, t.TempDir()
	if err := unix.Mount("none", other, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("nothing can be mounted here: %v", err)
	}
	f.dir = other
	f.write("b", "1")
	f.scan(source.Serve)
	f.must(unix.Unmount(other, 0))
	f.dir = first
	f.scan(source.Serve)
	f.wantFollowedBy("helper")
	before := f.looked()
	for range 3 {
		f.now = f.now.Add(time.Second)
		f.scan(source.Serve)
	}
	if !f.looked().Equal(before) {
		t.Error("the whole is looked at all the time")
	}
}

// TestWhatIsLostOnceIsNotRefused: the helper is tried at the next look again, and twice in a row is a refusal.
func TestWhatIsLostOnceIsNotRefused(t *testing.T) {
	f := newFollowed(t)
	var asked atomic.Int32
	f.kind.opt.Helper = filepath.Join(t.TempDir(), "socket")
	defer f.fake(f.kind.opt.Helper, func(conn *changes.Conn) {
		for m, err := conn.Receive(); err == nil; m, err = conn.Receive() {
			if m.Kind == changes.Follow {
				asked.Add(1)
				_ = conn.Send(changes.Message{Kind: changes.Lost, ID: m.ID})
				_ = conn.Send(changes.Message{Kind: changes.Follows, ID: m.ID})
			}
		}
	})()
	for _, want := range []string{"", "", "inotify"} {
		f.scan(source.Serve)
		f.wantFollowedBy(want)
	}
	if n := asked.Load(); n != 2 {
		t.Errorf("it was asked %d times", n)
	}
}

// TestHowADirectoryIsFollowedIsTold, for doctor.
func TestHowADirectoryIsFollowedIsTold(t *testing.T) {
	f, _, end := newHelped(t)
	want := func(follows bool, text string) {
		t.Helper()
		if got, is := f.kind.Following(f.data()); is != follows || got != text {
			t.Errorf("%v: %q, want %q", is, got, text)
		}
	}
	want(true, "Directory files is followed by baton-changes.service.")
	end()
	f.scan(source.Serve)
	want(true, "Directory files is followed by inotify, as baton-changes.service does not answer.")
	other := pair.Data{Name: "other", Spec: pair.Directory{Path: "/srv/files"}}
	f.dir += "-other"
	if got, is := f.kind.Following(other); !is || got != "Directory other is followed once it has been looked at." {
		t.Errorf("%v: %q", is, got)
	}
}

// TestWhatTheHelperDoesNotFollow is followed by inotify.
func TestWhatTheHelperDoesNotFollow(t *testing.T) {
	f, _, end := newHelped(t)
	end()
	f.kind.opt.Helper = filepath.Join(t.TempDir(), "other")
	defer f.helped(f.kind.opt.Helper, func(path string) string { return "root does not allow " + path })()
	f.now = f.now.Add(wholeLate)
	f.scan(source.Serve)
	f.wantFollowedBy("inotify")
}

// TestADirectoryThatIsMountedInATree is one that the helper would not notice.
func TestADirectoryThatIsMountedInATree(t *testing.T) {
	f, _, _ := newHelped(t)
	elsewhere, at := t.TempDir(), filepath.Join(f.dir, "mounted")
	f.must(os.Mkdir(at, 0o755))
	if err := unix.Mount(elsewhere, at, "", unix.MS_BIND, ""); err != nil {
		t.Skipf("nothing can be mounted here: %v", err)
	}
	defer func() { _ = unix.Unmount(at, unix.MNT_DETACH) }()
	f.now = f.now.Add(wholeLate)
	f.scan(source.Serve)
	f.scan(source.Serve)
	f.wantFollowedBy("inotify")
	f.must(os.WriteFile(filepath.Join(elsewhere, "c"), []byte("5"), 0o644))
	f.wantHash(f.scan(source.Serve), "mounted/c", "5")
}
