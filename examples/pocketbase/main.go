// Command pocketbase is PocketBase, set up so that its database may be copied file by file while
// it runs, as Baton does until it knows SQLite: see README.md.
package main

import (
	"log"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase"
)

func main() {
	app := pocketbase.NewWithConfig(pocketbase.Config{DefaultDataDir: "/srv/pocketbase/pb_data", DBConnect: connect})
	if err := app.Start(); err != nil {
		log.Fatal(err)
	}
}

// connect opens a database as PocketBase does by itself, with two differences. With wal_autocheckpoint(0)
// the database file stays as it is while PocketBase runs, and what changes is added at the end of the log beside it:
// copies of the two fit together whichever is taken first. With synchronous(FULL) what was answered is on the disk.
func connect(path string) (*dbx.DB, error) {
	return dbx.Open("sqlite", path+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=wal_autocheckpoint(0)"+
		"&_pragma=synchronous(FULL)&_pragma=foreign_keys(ON)&_pragma=temp_store(MEMORY)&_pragma=cache_size(-32000)")
}
