// Package disk tells of the file system on which an open directory is: which one it is, what can
// be relied on there, and where it is mounted.
package disk

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
)

// ID returns what tells the file system from every other, also after it
// was mounted anew; empty if that cannot be known.
func ID(dir int) string {
	var about unix.Statfs_t
	var stat unix.Stat_t
	if err := errors.Join(unix.Fstatfs(dir, &about), unix.Fstat(dir, &stat)); err != nil {
		return ""
	}
	switch int64(about.Type) { //nolint:unconvert // 32 bits on some machines
	case unix.EXT4_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, zfsMagic: // made of the UUID
		return fmt.Sprintf("%08x%08x", uint32(about.Fsid.Val[0]), uint32(about.Fsid.Val[1])) //nolint:gosec // bits
	}
	return byUUID(stat.Dev)
}

const zfsMagic = 0x2fc12fc1

// KeepsNumbers reports whether a file keeps its number for good there, also by another
// name and after a power cut, and a directory can be renamed wherever it is.
func KeepsNumbers(dir int) bool {
	var about unix.Statfs_t
	if unix.Fstatfs(dir, &about) != nil {
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
	id, err := Mount(dir)
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

// Mount tells mounts apart; 0: this kernel does not tell.
func Mount(fd int) (uint64, error) {
	var s unix.Statx_t
	if err := unix.Statx(fd, ".", unix.AT_NO_AUTOMOUNT, unix.STATX_MNT_ID, &s); err != nil {
		return 0, err
	}
	return s.Mnt_id, nil
}
