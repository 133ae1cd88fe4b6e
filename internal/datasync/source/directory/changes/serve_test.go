package changes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// daemon is the other end of a helper.
type daemon struct {
	*testing.T

	conn *Conn
}

func newDaemon(t *testing.T, allowed func(string) string) daemon {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "socket")
	listener, err := Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error)
	go func() { served <- Serve(ctx, listener, allowed, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	unixConn, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: socket, Net: "unixpacket"})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := NewConn(unixConn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return daemon{t, conn}
}

func anything(string) string { return "" }

// follow asks for a tree, the first, and returns why it is not followed.
func (d daemon) follow(path string) string {
	d.Helper()
	return d.followAs(1, path, topOf(d.T, path))
}

func (d daemon) followAs(id uint32, path string, top Top) string {
	d.Helper()
	d.send(Message{Kind: Follow, ID: id, Text: path, Top: top})
	for {
		switch m := d.receive(); m.Kind {
		case Follows:
			return ""
		case Refused:
			return m.Text
		case 0:
			return "ended"
		case Follow, Leave, Ask, Changed, Lost, Told:
		}
	}
}

func (d daemon) mustFollow(path string) {
	d.Helper()
	if why := d.follow(path); why != "" {
		d.Skipf("file systems cannot be followed here: %s", why)
	}
}

func (d daemon) send(m Message) {
	d.Helper()
	if err := d.conn.Send(m); err != nil {
		d.Fatal(err)
	}
}

func (d daemon) receive() Message {
	d.Helper()
	if err := d.conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		d.Fatal(err)
	}
	m, err := d.conn.Receive()
	if errors.Is(err, io.EOF) || errors.Is(err, unix.ECONNRESET) {
		return Message{}
	}
	if err != nil {
		d.Fatal(err)
	}
	return m
}

// told is what has happened up to now: each path once; "lost" of a tree of which that cannot be told, "ended" if the
// helper has ended the connection.
func (d daemon) told(question uint32) (paths []string) {
	d.Helper()
	d.send(Message{Kind: Ask, ID: question})
	for {
		switch m := d.receive(); m.Kind {
		case 0:
			return []string{"ended"}
		case Told:
			slices.Sort(paths)
			return slices.Compact(paths)
		case Lost:
			paths = append(paths, "lost")
		case Changed:
			for _, n := range m.Names {
				paths = append(paths, strings.TrimSuffix(m.Dir+"/"+n.Name, "/"))
			}
		case Follow, Leave, Ask, Follows, Refused:
		}
	}
}

func (d daemon) must(errs ...error) {
	d.Helper()
	if err := errors.Join(errs...); err != nil {
		d.Fatal(err)
	}
}

func (d daemon) wantTold(question uint32, want ...string) {
	d.Helper()
	if got := d.told(question); !slices.Equal(got, want) {
		d.Errorf("told were %q, want %q", got, want)
	}
}

func write(path string) error { return os.WriteFile(path, []byte("1"), 0o600) }

func TestNothingOutsideIsTold(t *testing.T) {
	d := newDaemon(t, anything)
	top := t.TempDir()
	inside, beside := filepath.Join(top, "tree"), filepath.Join(top, "tree beside")
	d.must(os.Mkdir(inside, 0o700), os.Mkdir(beside, 0o700), os.Mkdir(beside+"/sub", 0o700), write(beside+"/sub/secret"))
	d.mustFollow(inside)
	d.must(write(inside+"/a"), write(beside+"/b"), write(beside+"/sub/c"), write(top+"/d"))
	d.wantTold(1, "./a")
	d.must(os.Rename(beside+"/sub", inside+"/sub"), write(inside+"/sub/c")) // from now on it is inside
	d.wantTold(2, "./sub", "sub", "sub/c")
	d.must(os.Rename(inside+"/sub", beside+"/sub"), write(beside+"/sub/c")) // and outside again
	if got := d.told(3); slices.ContainsFunc(got, func(path string) bool { return strings.Contains(path, "/c") }) {
		t.Errorf("told were %q", got)
	}
	d.must(os.Rename(inside, top+"/elsewhere"), write(top+"/elsewhere/a")) // the tree itself
	d.wantTold(4, "lost")
}

func TestWhatIsNotFollowed(t *testing.T) {
	top := t.TempDir()
	d := newDaemon(t, func(path string) string {
		if path == top+"/no" {
			return "root does not allow it"
		}
		return ""
	})
	d.must(os.Mkdir(top+"/no", 0o700), os.Mkdir(top+"/yes", 0o700), os.Symlink(top+"/yes", top+"/link"), write(top+"/file"))
	d.mustFollow(top + "/yes")
	for i, path := range []string{top + "/no", top + "/link", top + "/file", top + "/yes/../yes", "yes"} {
		if why := d.followAs(uint32(10+i), path, Top{}); why == "" {
			t.Errorf("%s is followed", path)
		}
	}
	if why := d.followAs(30, top+"/yes", Top{1, 1}); why == "" {
		t.Error("another directory than was meant is followed")
	}
}

// TestADiskThatIsFollowedCanBeUnmounted, and that it was is told, as what happens once it is mounted again is not.
func TestADiskThatIsFollowedCanBeUnmounted(t *testing.T) {
	disk := t.TempDir()
	if err := unix.Mount("none", disk, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("nothing can be mounted here: %v", err)
	}
	mounted := true
	defer func() {
		if mounted {
			_ = unix.Unmount(disk, unix.MNT_DETACH)
		}
	}()
	d := newDaemon(t, anything)
	d.must(os.Mkdir(disk+"/tree", 0o700))
	d.mustFollow(disk + "/tree")
	d.must(write(disk + "/tree/a"))
	d.wantTold(1, "./a")
	d.must(unix.Unmount(disk, 0))
	mounted = false
	d.wantTold(2, "ended")
}

// TestADiskThatWasMountedAgainEndsTheConnection, also if another tree on it is followed before anybody asks.
func TestADiskThatWasMountedAgainEndsTheConnection(t *testing.T) {
	disk := newDisk(t)
	d := newDaemon(t, anything)
	d.must(os.Mkdir(disk.at+"/a", 0o700), os.Mkdir(disk.at+"/b", 0o700))
	d.mustFollow(disk.at + "/a")
	disk.unmount()
	disk.mount(disk.image, disk.at)
	d.must(write(disk.at + "/a/unseen"))
	if why := d.followAs(2, disk.at+"/b", topOf(t, disk.at+"/b")); why != "ended" {
		t.Errorf("it is followed: %q", why)
	}
}

// TestATreeThatWasRemovedHidesNoUnmountedDisk: its mark is left when the daemon leaves it.
func TestATreeThatWasRemovedHidesNoUnmountedDisk(t *testing.T) {
	disk := newDisk(t)
	d := newDaemon(t, anything)
	gone := filepath.Join(t.TempDir(), "gone")
	d.must(os.Mkdir(gone, 0o700), os.Mkdir(disk.at+"/a", 0o700))
	d.mustFollow(gone)
	d.must(os.Remove(gone))
	d.wantTold(1, "lost")
	d.send(Message{Kind: Leave, ID: 1})
	if why := d.followAs(2, disk.at+"/a", topOf(t, disk.at+"/a")); why != "ended" {
		t.Errorf("it is followed: %q", why)
	}
}

// TestTwoDisksOfOneNumber has a copy of a disk: what happens on the two cannot be told apart.
func TestTwoDisksOfOneNumber(t *testing.T) {
	disk := newDisk(t)
	d := newDaemon(t, anything)
	d.must(os.Mkdir(disk.at+"/a", 0o700))
	disk.unmount()
	image, err := os.ReadFile(disk.image)
	d.must(err)
	other := t.TempDir()
	d.must(os.WriteFile(disk.image+"-copy", image, 0o600))
	disk.mount(disk.image, disk.at)
	disk.mount(disk.image+"-copy", other)
	d.mustFollow(disk.at + "/a")
	if why := d.followAs(2, other+"/a", topOf(t, other+"/a")); !strings.Contains(why, "same number") {
		t.Errorf("it is followed: %q", why)
	}
}

// TestWhatIsMountedForAMomentIsNotForgotten has a program that goes on below it.
func TestWhatIsMountedForAMomentIsNotForgotten(t *testing.T) {
	disk := newDisk(t)
	d := newDaemon(t, anything)
	d.must(os.MkdirAll(disk.at+"/tree/sub/deep", 0o700))
	d.mustFollow(disk.at + "/tree")
	deep, err := os.OpenRoot(disk.at + "/tree/sub/deep")
	d.must(err)
	defer func() { _ = deep.Close() }()
	d.must(unix.Mount("none", disk.at+"/tree/sub", "tmpfs", 0, "size=1m"), deep.WriteFile("hidden", nil, 0o600))
	if got := d.told(1); !slices.Contains(got, "lost") {
		t.Errorf("told were %q", got)
	}
	d.must(unix.Unmount(disk.at+"/tree/sub", 0), deep.WriteFile("seen", nil, 0o600))
	d.wantTold(2, "sub/deep/seen")
}

// TestDirectoriesThatComeAndGoBeside: the kernel gives their numbers to others at once.
func TestDirectoriesThatComeAndGoBeside(t *testing.T) {
	disk := newDisk(t)
	d := newDaemon(t, anything)
	d.must(os.Mkdir(disk.at+"/tree", 0o700), os.Mkdir(disk.at+"/beside", 0o700))
	d.mustFollow(disk.at + "/tree")
	var busy sync.WaitGroup
	ctx, stop := context.WithTimeout(t.Context(), 3*time.Second)
	defer stop()
	for w := range 2 {
		busy.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				name := filepath.Join(disk.at, "beside", strconv.Itoa(w)+"-"+strconv.Itoa(n))
				_, _, _ = os.Mkdir(name, 0o700), write(name+"/f"), os.RemoveAll(name)
				time.Sleep(time.Millisecond)
			}
		})
	}
	for question := uint32(1); ctx.Err() == nil; question++ {
		began := time.Now()
		if got := d.told(question); len(got) > 0 {
			t.Errorf("told were %q", got)
			break
		}
		if took := time.Since(began); took > 500*time.Millisecond {
			t.Errorf("an answer takes %s", took)
		}
		time.Sleep(20 * time.Millisecond)
	}
	stop()
	busy.Wait()
}

// TestDeepDirectoriesBesideAndInside: the kernel says no path of them.
func TestDeepDirectoriesBesideAndInside(t *testing.T) {
	disk := newDisk(t)
	d := newDaemon(t, anything)
	d.must(os.Mkdir(disk.at+"/tree", 0o700), os.Mkdir(disk.at+"/beside", 0o700))
	tree, err := os.OpenRoot(disk.at + "/tree")
	d.must(err)
	inside := deep(d, tree, 5000, "x")
	beside, err := os.OpenRoot(disk.at + "/beside")
	d.must(err)
	outside := deep(d, beside, 9000, "x")
	d.mustFollow(disk.at + "/tree")
	began := time.Now()
	for _, dir := range outside {
		d.must(dir.WriteFile("f", nil, 0o600))
	}
	if got := d.told(1); len(got) > 0 && !slices.Equal(got, []string{"lost"}) { // if there are too many on a slow machine
		t.Errorf("told were %q", got)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("an answer takes %s", took)
	}
	d.must(inside[len(inside)-1].WriteFile("f", nil, 0o600))
	d.wantTold(2, "lost")
}

// deep makes directories, each in the one before, and returns the last hundred.
func deep(d daemon, at *os.Root, levels int, name string) (last []*os.Root) {
	d.Helper()
	for range levels {
		d.must(at.Mkdir(name, 0o700))
		next, err := at.OpenRoot(name)
		d.must(err)
		if last = append(last, next); len(last) > 100 {
			d.must(last[0].Close())
			last = last[1:]
		}
		at = next
	}
	d.Cleanup(func() {
		for _, dir := range last {
			_ = dir.Close()
		}
	})
	return last
}

// TestTheAnswerComesLast, after all that happened before the question.
func TestTheAnswerComesLast(t *testing.T) {
	d := newDaemon(t, anything)
	top := t.TempDir()
	var files []*os.File
	for i := range 3000 {
		file, err := os.Create(filepath.Join(top, strconv.Itoa(i)))
		d.must(err)
		defer func() { _ = file.Close() }()
		files = append(files, file)
	}
	d.mustFollow(top)
	for question := range uint32(20) {
		for _, file := range files {
			_, err := file.WriteAt([]byte("x"), 0)
			d.must(err)
		}
		if got := d.told(question); !slices.Contains(got, "./2999") {
			t.Fatalf("question %d was answered before the last of %d names was told", question, len(got))
		}
		d.told(100 + question)
	}
}

func TestManyLongNamesAreTold(t *testing.T) {
	disk := newDisk(t)
	d := newDaemon(t, anything)
	d.must(os.Mkdir(disk.at+"/tree", 0o700))
	d.mustFollow(disk.at + "/tree")
	for i := range 600 {
		d.must(write(fmt.Sprintf("%s/tree/%03d%s", disk.at, i, strings.Repeat("\xff", 252))))
	}
	if got := d.told(1); len(got) != 600 {
		t.Errorf("told were %d names", len(got))
	}
}

func topOf(t *testing.T, path string) Top {
	t.Helper()
	var s unix.Stat_t
	if err := unix.Stat(path, &s); err != nil {
		t.Fatal(err)
	}
	return Top{s.Dev, s.Ino}
}

// disk is one of its own, with ext4.
type disk struct {
	*testing.T

	image, at string
}

func newDisk(t *testing.T) disk {
	t.Helper()
	d := disk{T: t, image: filepath.Join(t.TempDir(), "image"), at: t.TempDir()}
	if err := os.WriteFile(d.image, make([]byte, 128<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", "-N", "25000", d.image).CombinedOutput(); err != nil {
		t.Skipf("no file system can be made here: %v: %s", err, out)
	}
	d.mount(d.image, d.at)
	return d
}

func (d disk) mount(image, at string) {
	d.Helper()
	if out, err := exec.Command("mount", "-o", "loop", image, at).CombinedOutput(); err != nil {
		d.Skipf("nothing can be mounted here: %v: %s", err, out)
	}
	d.Cleanup(func() { _ = exec.Command("umount", "-l", at).Run() })
}

func (d disk) unmount() {
	d.Helper()
	if out, err := exec.Command("umount", d.at).CombinedOutput(); err != nil {
		d.Fatalf("%v: %s", err, out)
	}
}

func TestMoreThanTheQueueHoldsIsLost(t *testing.T) {
	s := &session{trees: map[uint32]*tree{1: {id: 1}, 2: {id: 2}}}
	b := s.newBatch()
	b.add(event{mask: unix.FAN_Q_OVERFLOW})
	if !b.lost[1] || !b.lost[2] {
		t.Error("nothing is lost")
	}
}

func FuzzMessage(f *testing.F) {
	f.Add(Message{Kind: Changed, ID: 7, Dir: "a/b", Names: []Name{{"c", true}, {"", false}}}.bytes())
	f.Add(Message{Kind: Follow, ID: 1, Text: "/srv", Top: Top{1, 2}}.bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := readMessage(b)
		if err != nil {
			return
		}
		again, err := readMessage(m.bytes())
		if err != nil || again.Kind != m.Kind || again.ID != m.ID || again.Text != m.Text || again.Dir != m.Dir || !slices.Equal(again.Names, m.Names) {
			t.Errorf("%v is read as %v (%v)", m, again, err)
		}
	})
}
