//go:build e2e

package systemd

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the database is looked at from outside
)

func TestExamplePocketBase(t *testing.T) {
	full(t)
	e := newExample(t, "pocketbase", "http://198.51.100.10", "/api/health")
	e.front = true
	var notes *notebook
	e.before = func() { notes = e.writes() }
	e.after = func(what string, _ time.Duration) {
		e.runs("pocketbase", "[p]ocketbase serve")
		notes.check(what)
	}
	e.run()
	for range 3 {
		from := e.primary
		e.types(from, "pull the plug")
		e.types(from, "give it power")
		from.ready()
	}
}

// notebook writes numbers into PocketBase, one after the other.
type notebook struct {
	e           *example
	wrote       []note
	stop, ended chan struct{}
}

type note struct {
	number       int
	acknowledged time.Time
}

// writes begins to write, for some data syncs.
func (e *example) writes() *notebook {
	e.t.Helper()
	const notes = "/api/collections/notes/records"
	if _, _, err := e.ask("GET", notes, ""); err != nil {
		var account struct{ Token string }
		out, _, err := e.ask("POST", "/api/collections/_superusers/auth-with-password", `{"identity":"admin@example.org","password":"Change.this.1"}`, "Content-Type", "application/json")
		if err == nil {
			err = json.Unmarshal([]byte(out), &account)
		}
		if err == nil {
			_, _, err = e.ask("POST", "/api/collections", `{"name":"notes","type":"base","listRule":"","createRule":"","fields":[{"name":"n","type":"number"}]}`,
				"Content-Type", "application/json", "Authorization", account.Token)
		}
		if err != nil {
			e.t.Fatal(err)
		}
	}
	n := &notebook{e: e, stop: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(n.ended)
		for number := int(time.Now().UnixMilli()); ; number++ {
			select {
			case <-n.stop:
				return
			case <-time.After(50 * time.Millisecond): // a file that is written to all the time is not copied
			}
			if _, _, err := e.ask("POST", notes, fmt.Sprintf(`{"n":%d}`, number), "Content-Type", "application/json"); err == nil {
				n.wrote = append(n.wrote, note{number, time.Now()})
			}
		}
	}()
	rest(6 * time.Second)
	return n
}

// check ends the writing, and checks what the new primary has of it: all after a planned switch; after a power cut
// all but what was written last.
func (n *notebook) check(what string) {
	t := n.e.t
	t.Helper()
	close(n.stop)
	<-n.ended
	db, err := sql.Open("sqlite", "file:"+filepath.Join(n.e.primary.root, "/srv/pocketbase/pb_data/data.db")+"?mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var whole string
	if err := db.QueryRow("pragma integrity_check").Scan(&whole); err != nil || whole != "ok" {
		t.Errorf("after %s the database is damaged: %v: %s", what, err, whole)
	}
	var lost []note
	for _, one := range n.wrote {
		var count int
		if err := db.QueryRow("select count(*) from notes where n = ?", one.number).Scan(&count); err != nil {
			t.Fatal(err)
		}
		switch {
		case count == 0:
			lost = append(lost, one)
		case len(lost) > 0 && one.acknowledged.Before(n.e.moved):
			t.Errorf("after %s record %d is there, and %d before it is not", what, one.number, lost[0].number)
		}
	}
	t.Logf("%s: %d records were acknowledged, and %d of them are lost", what, len(n.wrote), len(lost))
	if len(lost) > 0 && (what == "a planned switch" || n.e.moved.Sub(lost[0].acknowledged) > 10*time.Second) {
		t.Errorf("after %s record %d is lost, acknowledged %s before", what, lost[0].number, n.e.moved.Sub(lost[0].acknowledged))
	}
}
