// Package image reads an SQLite database as its newest transaction left it, while the program that it belongs to has it open.
//
// It is a reader in SQLite's own locking protocol, and writes nothing: neither the database nor its -wal or -shm, of which it
// opens all for reading only. So it never checkpoints, never recovers, and is never the one that closes a database last. Its locks belong
// to its open files (F_OFD_SETLK), not to the process, so no other file that this process closes drops them.
//
// A database in WAL mode is its file with the frames of its log laid over it. While an Image has one of the log's read locks, no
// checkpoint may put newer pages into the file, and the log may not begin anew; so what is in an Image stays as it is.
// A database with a rollback journal is its file alone, as long as nobody may write to it; a journal that a killed program left is laid over it.
//
// Sources: https://www.sqlite.org/fileformat2.html, https://www.sqlite.org/walformat.html, and os_unix.c, wal.c and pager.c of SQLite.
//
// Start reading at Database.Read.
package image
