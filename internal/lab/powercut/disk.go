package powercut

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// Disk is one disk that can lose power, with an ext4 file system on it.
type Disk struct {
	Dir string // where it is mounted

	image  *image
	server *fuse.Server
	file   string // the image, as the loop device finds it
}

// Unavailable says why there can be no such disk here; nil: there can.
func Unavailable() error {
	for _, device := range []string{"/dev/fuse", "/dev/loop-control"} {
		if err := unix.Access(device, unix.R_OK|unix.W_OK); err != nil {
			return fmt.Errorf("a disk that loses power needs root, FUSE and loop devices: %s: %w", device, err)
		}
	}
	for _, program := range []string{"mkfs.ext4", "fsck.ext4"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("a disk that loses power needs e2fsprogs: %w", err)
		}
	}
	return nil
}

// Alone returns a command that runs one test of this test binary by itself, in a mount namespace of its own; all of it
// ends with this process, once it has let go of its disks. The variable of the environment, as NAME=value, tells the test that it does.
func Alone(test, variable string) *exec.Cmd {
	command := exec.Command(os.Args[0], "-test.run=^"+test+"$", "-test.v") //nolint:gosec,noctx // this test binary; it ends with this process
	command.Env = append(os.Environ(), variable)
	command.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGTERM}
	return command
}

// Format makes an empty ext4 file system of so many bytes, for New.
func Format(size int64, options ...string) ([]byte, error) {
	fd, err := unix.MemfdCreate("powercut", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make the disk's image: %w", err)
	}
	image := os.NewFile(uintptr(fd), "powercut")
	defer func() { _ = image.Close() }()
	if err := image.Truncate(size); err != nil {
		return nil, fmt.Errorf("make the disk's image: %w", err)
	}
	arguments := append([]string{"-q", "-F", "-m", "0", "-b", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0"}, options...)
	format := exec.Command("mkfs.ext4", append(arguments, "/proc/self/fd/3")...) //nolint:gosec,noctx // a moment; its own file
	format.ExtraFiles = []*os.File{image}
	if text, err := format.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("make the disk's file system: %w: %s", err, strings.TrimSpace(string(text)))
	}
	content := make([]byte, size)
	if _, err := image.ReadAt(content, 0); err != nil {
		return nil, fmt.Errorf("read the disk's image: %w", err)
	}
	return content, nil
}

// New makes a disk of a file system, which it takes over. It works below a directory, which must be empty. What a
// cut leaves depends on the seed, and on what was written when.
func New(dir string, content []byte, seed uint64) (*Disk, error) {
	d := &Disk{Dir: filepath.Join(dir, "disk"), image: newImage(content, seed), file: filepath.Join(dir, "fuse", imageName)}
	if err := errors.Join(os.Mkdir(d.Dir, 0o755), os.Mkdir(filepath.Dir(d.file), 0o700)); err != nil { //nolint:gosec // a mount point
		return nil, fmt.Errorf("make the disk: %w", err)
	}
	server, err := serve(filepath.Dir(d.file), d.image)
	if err != nil {
		return nil, err
	}
	d.server = server
	d.letGoAtTheEnd()
	return d, nil
}

// letGoAtTheEnd has SIGTERM end the process without anybody who waits for its disk. One that is killed while it waits itself for the disk that it serves
// would never end, and neither would any sync of the machine.
func (d *Disk) letGoAtTheEnd() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, unix.SIGTERM)
	go func() {
		<-ended
		_ = unix.Unmount(filepath.Dir(d.file), unix.MNT_FORCE) // it is in use; but no request is waited for any more
		_ = unix.Kill(os.Getpid(), unix.SIGKILL)
	}()
}

// Mount turns the disk on: ext4 replays its journal. Options are those of ext4, as "data=writeback".
func (d *Disk) Mount(options string) error {
	device, release, err := d.attach()
	if err != nil {
		return fmt.Errorf("attach the disk to a loop device: %w", err)
	}
	defer release()
	if err := unix.Mount(device, d.Dir, "ext4", 0, options); err != nil {
		return fmt.Errorf("mount the disk: %w", err)
	}
	return nil
}

// attach finds a free loop device, which is freed by itself once nothing uses it.
func (d *Disk) attach() (device string, release func(), err error) {
	control, err := unix.Open("/dev/loop-control", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", nil, err
	}
	defer func() { _ = unix.Close(control) }()
	backing, err := unix.Open(d.file, unix.O_RDWR|unix.O_CLOEXEC, 0) // not by os, which would poll what this process serves
	if err != nil {
		return "", nil, err
	}
	defer func() { _ = unix.Close(backing) }()
	for range 100 { // another program may take the device in between
		number, err := unix.IoctlRetInt(control, unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return "", nil, err
		}
		device = fmt.Sprintf("/dev/loop%d", number)
		loop, err := unix.Open(device, unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			return "", nil, err
		}
		err = unix.IoctlLoopConfigure(loop, &unix.LoopConfig{
			Fd:   uint32(backing), //nolint:gosec // a descriptor
			Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR | unix.LO_FLAGS_DIRECT_IO},
		})
		if err == nil {
			return device, func() { _ = unix.Close(loop) }, nil
		}
		_ = unix.Close(loop)
		if !errors.Is(err, unix.EBUSY) {
			return "", nil, err
		}
	}
	return "", nil, errors.New("every loop device is taken")
}

// Flushes counts how often the file system asked for what it wrote to be durable.
func (d *Disk) Flushes() int {
	d.image.mu.Lock()
	defer d.image.mu.Unlock()
	return d.image.flushes
}

// CutAfter has the power fail by itself after so many more writes to the disk, of any size. The channel is closed
// then; Cut has still to be called.
func (d *Disk) CutAfter(writes int) <-chan struct{} {
	d.image.mu.Lock()
	defer d.image.mu.Unlock()
	d.image.left = writes
	return d.image.off
}

// Cut cuts the power: every access to the disk fails from now on. Whoever still uses the disk has to let go of it
// before it is turned off.
func (d *Disk) Cut() { d.image.cut() }

// Off unmounts the disk. Without a cut before, all that was written is durable then.
func (d *Disk) Off() error {
	err := unix.Unmount(d.Dir, 0)
	for deadline := time.Now().Add(10 * time.Second); errors.Is(err, unix.EBUSY) && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
		err = unix.Unmount(d.Dir, 0)
	}
	if err != nil {
		return fmt.Errorf("unmount the disk: %w", err)
	}
	return nil
}

// Check has fsck look at the disk, which must be off after an orderly Off, and returns what it finds wrong.
func (d *Disk) Check() error {
	if text, err := exec.Command("fsck.ext4", "-f", "-n", d.file).CombinedOutput(); err != nil { //nolint:gosec,noctx // its own file
		return fmt.Errorf("fsck: %w: %s", err, text)
	}
	return nil
}

// Close throws the disk away. It must be off.
func (d *Disk) Close() error { return d.server.Unmount() }
