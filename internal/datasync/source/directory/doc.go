// Package directory reads and replaces one protected directory: it scans the
// tree against an index, streams a file with its holes, stages new content
// beside the old, and puts it into place.
//
// It decides nothing about what to sync (package plan) and knows no peer
// (package datasync). The directory is opened once, by package pinned, and every
// access goes by that descriptor: no name and no symlink leads out of it.
//
// Sockets and device nodes are skipped and reported; named pipes are kept.
// Extended attributes of the user and POSIX ACL kind and file capabilities are
// kept; those of symlinks and of security modules belong to the machine.
//
// Start reading at Tree.Scan, then Staging and Tree.Apply.
package directory
