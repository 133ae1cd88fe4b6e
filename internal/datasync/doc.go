// Package datasync keeps the backup's copy of the protected data: the backup
// pulls, the primary serves, and every pull delivers one snapshot that is
// complete and verified, or absent.
//
// A pull scans both sides against their indexes, receives what differs into a
// staging directory beside each target, checks every hash, makes it durable,
// writes a record, and only then renames. Without the record a crash leaves the
// old snapshot; with it, Open (or the next Pull or Settle) finishes the new one.
//
// It never decides who is primary, when a sync is due (package schedule) or what
// is protected; it takes the epoch it is given and refuses a lower one. It never
// reads a path that the peer names, and never writes outside the protected
// directories and its own.
//
// Start reading at Engine, then Engine.Pull for the backup's side and Engine.Handler
// for the primary's. The guarantees are explained in docs/data.md.
package datasync
