package cgroup

import "golang.org/x/sys/unix"

// inode is that of a directory; of a control group it is also its id.
func inode(path string) (number uint64, ok bool) {
	var stat unix.Stat_t
	err := unix.Stat(path, &stat)
	return stat.Ino, err == nil
}
