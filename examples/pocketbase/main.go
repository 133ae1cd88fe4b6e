// Command pocketbase is PocketBase as it is, with its data in /srv/pocketbase: see README.md.
package main

import (
	"log"

	"github.com/pocketbase/pocketbase"
)

func main() {
	app := pocketbase.NewWithConfig(pocketbase.Config{DefaultDataDir: "/srv/pocketbase/pb_data"})
	if err := app.Start(); err != nil {
		log.Fatal(err)
	}
}
