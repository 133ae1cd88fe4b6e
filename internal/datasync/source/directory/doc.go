// Package directory makes a directory, with all that is in it, a source of the data sync.
//
// It decides what of a directory is synced and remembers what scans found; the work on the
// file system is done by package tree, and what there is to do is decided by package plan.
//
// Sockets and device nodes are skipped and reported; named pipes are kept. Extended
// attributes of users, POSIX ACLs and file capabilities are kept; those of symlinks and of
// security modules belong to the machine.
//
// Start reading at Kind.Open, then protected.go and target.go.
package directory
