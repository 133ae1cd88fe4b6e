// Package datasync keeps the backup's copy of the protected data: the backup
// pulls, the primary serves, and every pull delivers one snapshot that is
// complete and verified, or absent.
//
// It knows no kind of data: what it needs of one is the contract of package source, and
// every kind is a package below that.
//
// A pull scans both sides, receives what differs into a staging beside the data, checks
// every hash, makes it durable, writes a record, and only then puts it into place.
// Without the record a crash leaves the old snapshot; with it, Open (or the next Pull or
// Settle) finishes the new one.
//
// It never decides who is primary, when a sync is due (package schedule) or what
// is protected; it takes the epoch it is given and refuses a lower one.
//
// Start reading at Engine; then pull.go, stage.go and commit.go for the backup's side,
// package offer for the primary's. What the engine remembers is package ledger,
// the copies that it sets aside are package diverged. The guarantees are explained in
// docs/data.md.
package datasync
