// Package powercut makes disks that lose power as real ones do. A Disk is ext4 on a loop device over a file that
// this process serves by FUSE, and this process is the disk's cache: what is written is kept in memory until the file
// system asks for it to be durable (a flush of the loop device, which arrives here as fsync). At a cut, any part of what was not
// flushed yet reaches the disk, in any order and torn into sectors; the rest is lost, and nothing is read or written
// any more. The kernel's own cache above it, and ext4's journal, are the real ones.
//
// It is for tests alone, and needs root, /dev/fuse, loop devices and e2fsprogs; Unavailable tells. Mounts are made in the mount namespace of
// the process: Alone runs a test in one of its own, so that nothing is left over however the test ends.
//
// Start reading at Disk.
package powercut
