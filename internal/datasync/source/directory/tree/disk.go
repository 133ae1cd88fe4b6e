package tree

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"baton/internal/datasync/source"
	"baton/internal/pair"
)

// Top says which directory a tree is, whatever its name. It implements source.Place.
type Top struct {
	Path, Real string
	dev, ino   uint64
}

// Same reports whether two are one directory.
func (t Top) Same(other Top) bool { return t.dev == other.dev && t.ino == other.ino }

// Apart implements source.Place.
func (t Top) Apart(other source.Place) error {
	o, is := other.(Top)
	if !is || (!t.Same(o) && !pair.Overlap(t.Real, o.Real)) {
		return nil
	}
	return source.Sentence(source.ErrUnsafe, "Protected directories %s and %s are one directory, or one inside the other (%s, %s): protect the outer one only.",
		t.Path, o.Path, t.Real, o.Real)
}

// Top says which directory the tree is.
func (t *Tree) Top() (Top, error) {
	stamp, err := t.stat(".")
	return Top{Path: t.path, Real: t.root.Real(), dev: stamp.Dev, ino: stamp.Ino}, err
}

// Disk returns what tells the tree's file system from every other, also after it
// was mounted anew; empty if that cannot be known.
func (t *Tree) Disk() string {
	id := ""
	_ = t.withDir(".", func(fd int) error {
		var about unix.Statfs_t
		var stat unix.Stat_t
		if err := errors.Join(unix.Fstatfs(fd, &about), unix.Fstat(fd, &stat)); err != nil {
			return err
		}
		switch int64(about.Type) { //nolint:unconvert // 32 bits on some machines
		case unix.EXT4_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, zfsMagic: // made of the UUID
			id = fmt.Sprintf("%08x%08x", uint32(about.Fsid.Val[0]), uint32(about.Fsid.Val[1])) //nolint:gosec // bits
		default:
			id = byUUID(stat.Dev)
		}
		return nil
	})
	return id
}

const zfsMagic = 0x2fc12fc1

// KeepsNumbers reports whether the tree's file system is one on which a file keeps its number for good, also by another
// name and after a power cut, and a directory can be renamed wherever it is.
func (t *Tree) KeepsNumbers() bool {
	_, about, err := t.About()
	if err != nil {
		return false
	}
	switch int64(about.Type) { //nolint:unconvert // 32 bits on some machines
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC, unix.TMPFS_MAGIC, zfsMagic:
		return true
	}
	return false
}

// byUUID asks what the system knows of a block device.
func byUUID(device uint64) string {
	const dir = "/dev/disk/by-uuid"
	names, err := os.ReadDir(dir)
	if err != nil {
		return ""
	}
	for _, name := range names {
		var s unix.Stat_t
		if unix.Stat(filepath.Join(dir, name.Name()), &s) == nil && s.Rdev == device {
			return name.Name()
		}
	}
	return ""
}

// MountPoint returns where the file system is mounted that an open directory is on;
// empty if that cannot be known.
func MountPoint(dir int) string {
	id, err := mountOf(dir)
	if err != nil || id == 0 {
		return ""
	}
	return mountWith(id)
}

// mountWith looks a mount up by its id.
func mountWith(id uint64) string {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	start := append(strconv.AppendUint(nil, id, 10), ' ')
	for lines.Scan() {
		if !bytes.HasPrefix(lines.Bytes(), start) {
			continue
		}
		if fields := strings.Fields(lines.Text()); len(fields) > 4 {
			return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(fields[4])
		}
	}
	return ""
}
