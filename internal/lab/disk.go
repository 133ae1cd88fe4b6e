package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// The ioctl that ends a file system where it stands (EXT4_IOC_SHUTDOWN, XFS_IOC_GOINGDOWN),
	// and the way in which it does: nothing more is written, the journal neither.
	ioctlShutdown = 0x8004587d
	shutdownNow   = 2

	ballastName = "ballast" // what Fill fills a disk with
)

// FileSystem is what a host's own disk is formatted with.
type FileSystem string

// The file systems.
const (
	Ext4 FileSystem = "ext4"
	XFS  FileSystem = "xfs" // files may share blocks
)

// format returns the program that formats a disk, and its arguments before the name of that.
func (f FileSystem) format() []string {
	if f == XFS {
		return []string{"mkfs.xfs", "-q", "-f"}
	}
	return []string{"mkfs.ext4", "-q", "-F", "-m", "0", "-b", "4096", "-E", "lazy_itable_init=0"}
}

// disk is a host's own file system, on a loop device over a file in memory:
// other programs that use the machine's disk do not slow it. It is mounted in the
// host's own mount namespace only; this process reaches it by an open descriptor,
// to which a symbolic link leads. All of it vanishes with this process.
type disk struct {
	name  string // of the file, unlike any other's
	image *os.File
	size  int64
	with  FileSystem
	link  string   // what Host.Dir names
	root  *os.File // nil while the host is off
	minor uint32   // number of the loop device that it is on
}

// newDisk makes an empty file system.
func newDisk(dir, host string, size int64, with FileSystem) (*disk, error) {
	d := &disk{name: filepath.Base(dir) + "-" + host, size: size, with: with, link: filepath.Join(dir, host)}
	fd, err := unix.MemfdCreate(d.name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make the disk's image: %w", err)
	}
	d.image = os.NewFile(uintptr(fd), d.name)
	if err := d.format(); err != nil {
		return nil, errors.Join(err, d.image.Close())
	}
	return d, nil
}

func (d *disk) format() error {
	if err := d.image.Truncate(d.size); err != nil {
		return fmt.Errorf("make the disk's image: %w", err)
	}
	words := d.with.format()
	program, err := exec.LookPath(words[0])
	if err != nil {
		return fmt.Errorf("a disk of its own needs %s: install e2fsprogs or xfsprogs: %w", words[0], err)
	}
	format := exec.Command(program, append(words[1:], "/proc/self/fd/3")...) //nolint:gosec,noctx // a moment; its own file
	format.ExtraFiles = []*os.File{d.image}                                  // the program's descriptor 3
	if text, err := format.CombinedOutput(); err != nil {
		return fmt.Errorf("make the disk's file system: %w: %s", err, strings.TrimSpace(string(text)))
	}
	return nil
}

// mount is called on the host's own thread, whose mounts are its own.
func (d *disk) mount(target string) error {
	device, release, err := d.attach()
	if err != nil {
		return fmt.Errorf("attach the disk to a loop device (this needs root, and /dev/loop-control): %w", err)
	}
	defer release()
	// What is removed takes no memory any more.
	if err := unix.Mount(device, target, string(d.with), unix.MS_NOATIME, "discard"); err != nil {
		return fmt.Errorf("mount the host's disk: %w", err)
	}
	root, err := os.Open(target) //nolint:gosec // the mount point
	if err != nil {
		return fmt.Errorf("open the host's disk: %w", err)
	}
	var stat unix.Stat_t
	if err := unix.Fstat(int(root.Fd()), &stat); err != nil { // once its power is cut, not every file system tells
		return errors.Join(fmt.Errorf("find the disk's device: %w", err), root.Close())
	}
	d.minor = unix.Minor(stat.Dev)
	link := filepath.Join("/proc", strconv.Itoa(os.Getpid()), "fd", strconv.Itoa(int(root.Fd())))
	if err := os.Symlink(link, d.link); err != nil {
		return errors.Join(fmt.Errorf("name the host's disk: %w", err), root.Close())
	}
	d.root = root
	return nil
}

// attach finds a free loop device. It is freed by itself once nothing uses it:
// the caller releases its own use when the disk is mounted.
func (d *disk) attach() (device string, release func(), err error) {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return "", nil, err
	}
	defer func() { _ = control.Close() }()
	for range 100 { // another program may take the device in between
		number, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return "", nil, err
		}
		device = "/dev/loop" + strconv.Itoa(number)
		loop, err := os.OpenFile(device, os.O_RDWR, 0) //nolint:gosec // a loop device
		if err != nil {
			return "", nil, err
		}
		err = unix.IoctlLoopConfigure(int(loop.Fd()), &unix.LoopConfig{
			Fd:   uint32(d.image.Fd()), //nolint:gosec // a descriptor
			Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR},
		})
		if err == nil {
			return device, func() { _ = loop.Close() }, nil
		}
		_ = loop.Close()
		if !errors.Is(err, unix.EBUSY) {
			return "", nil, err
		}
	}
	return "", nil, errors.New("every loop device is taken")
}

// cut ends the file system where it stands: what was not made durable is lost.
func (d *disk) cut() error {
	if d.root == nil {
		return nil
	}
	if err := unix.IoctlSetPointerInt(int(d.root.Fd()), ioctlShutdown, shutdownNow); err != nil {
		return fmt.Errorf("cut the disk's power: %w", err)
	}
	return nil
}

// leave lets go of the file system, and waits until the kernel has, so that the
// next mount reads what is on the disk. The host's namespaces are gone.
func (d *disk) leave() error {
	if d == nil || d.root == nil { // the host has no disk of its own, or is off
		return nil
	}
	_ = os.Remove(d.link)
	_ = d.root.Close()
	d.root = nil
	mounted := fmt.Sprintf("/sys/fs/%s/loop%d", d.with, d.minor)
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if _, err := os.Stat(mounted); errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if d.free() {
			return nil
		}
	}
	return errors.New("the host's disk is still mounted: something holds it")
}

// free reports whether the loop device serves another file by now, or none.
func (d *disk) free() bool {
	text, err := os.ReadFile(fmt.Sprintf("/sys/block/loop%d/loop/backing_file", d.minor))
	return err != nil || !strings.Contains(string(text), d.name)
}

// fill takes all the room that is left, and returns when nothing is.
func (d *disk) fill() error {
	ballast, err := os.OpenFile(filepath.Join(d.link, ballastName), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("fill the disk: %w", err)
	}
	defer func() { _ = ballast.Close() }()
	var end int64
	for piece := d.size; piece >= 4096; {
		err := unix.Fallocate(int(ballast.Fd()), 0, end, piece)
		switch {
		case err == nil:
			end += piece
		case errors.Is(err, unix.ENOSPC):
			piece /= 2
		default:
			return fmt.Errorf("fill the disk: %w", err)
		}
	}
	return nil
}

// drain gives the room back.
func (d *disk) drain() error {
	if err := os.Remove(filepath.Join(d.link, ballastName)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("drain the disk: %w", err)
	}
	return nil
}

// scrap lets go of the disk for good.
func (d *disk) scrap() error {
	if d == nil {
		return nil
	}
	return d.image.Close()
}
