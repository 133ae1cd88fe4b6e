// Package sqlite makes the SQLite database of an application a source of the data sync, while the application uses it.
//
// On the primary it is read as its newest transaction left it, by package image, which writes nothing and takes no lock for longer than a
// second; what changed from one transaction to the next is known from its log. On the backup, where nobody uses it, it is a file with
// its companions (-wal, -shm, -journal), which package directory replaces as a part of the directory in which it lies.
//
// Start reading at Kind.Open, then served.go and follower.go.
package sqlite
