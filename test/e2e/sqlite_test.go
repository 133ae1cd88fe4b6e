//go:build e2e

package e2e

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"baton/internal/api"
)

// TestADatabaseFailsOver has an application number its transactions in a database in the public site, and looks for each number after a power cut,
// after the return of the old primary, and after a planned switch.
func TestADatabaseFailsOver(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{timeout: fast})
	w.alpha.makeDatabase()
	if told := w.alpha.run("", "doctor"); !strings.Contains(told.Out, "data add sqlite NAME "+w.alpha.OnHost(database)) {
		t.Errorf("the database in the directory is not told of:\n%s", told.Out)
	}
	w.alpha.baton("data add sqlite app " + w.alpha.OnHost(database))
	if told := w.alpha.run("", "doctor"); strings.Contains(told.Out, "data add sqlite") {
		t.Errorf("the database is protected, and told of:\n%s", told.Out)
	}
	stop := w.alpha.transactions(1)
	w.beta.baton("sync --wait")
	rest(3 * time.Second)
	acknowledged := stop()
	at := w.fault(w.lab.PowerCut(w.alpha.Host))
	w.tookOver(w.alpha, w.beta, at, 10*time.Second)
	has := w.beta.newest()
	t.Logf("%d transactions, %d are on beta", len(acknowledged), has)
	for n, when := range acknowledged {
		if n+1 > has && at.Sub(when) > 2*time.Second {
			t.Errorf("number %d was acknowledged %s before the power cut and is lost", n+1, at.Sub(when))
		}
	}
	stop = w.beta.transactions(has + 1)
	w.returns(w.alpha, w.beta)
	rest(2 * time.Second)
	w.alpha.setAside("app.db")
	w.alpha.baton("become primary --final-sync --wait") // the application is no service of Baton's: what it writes from now on is late
	closed := w.alpha.newest()
	w.beta.refused(1, "is open in a program on this machine", "sync --wait")
	after := stop()
	t.Logf("%d more transactions, alpha has %d", len(after), closed)
	if closed <= has {
		t.Errorf("alpha has no transaction of beta's: %d", closed)
	}
	w.alpha.transactions(closed + 1)()
	w.beta.baton("sync --wait")
	if alpha, beta := w.alpha.newest(), w.beta.newest(); alpha != beta {
		t.Errorf("alpha has %d transactions, beta %d", alpha, beta)
	}
	w.beta.setAside("app.db") // what was written late
}

// database is where the application's is.
var database = site("app/app.db")

func (a *appliance) opened() *sql.DB {
	a.t.Helper()
	db, err := sql.Open("sqlite", a.Path(database)+"?_pragma=busy_timeout(20000)&_pragma=synchronous(full)")
	if err != nil {
		a.t.Fatal(err)
	}
	return db
}

func (a *appliance) makeDatabase() {
	a.t.Helper()
	if err := os.MkdirAll(filepath.Dir(a.Path(database)), 0o755); err != nil {
		a.t.Fatal(err)
	}
	db := a.opened()
	defer func() { _ = db.Close() }()
	if _, err := db.Exec("pragma journal_mode=wal; create table number (n integer primary key, b blob)"); err != nil {
		a.t.Fatal(err)
	}
}

// transactions writes transactions with numbers until it is stopped, and returns when each was acknowledged.
func (a *appliance) transactions(from int) (stop func() []time.Time) {
	a.t.Helper()
	db := a.opened()
	var acknowledged []time.Time
	ended := make(chan struct{})
	var working sync.WaitGroup
	working.Go(func() {
		for n := from; !isClosed(ended); n++ {
			if _, err := db.Exec("insert into number values (?, randomblob(2000))", n); err != nil {
				a.t.Errorf("number %d: %v", n, err)
				return
			}
			acknowledged = append(acknowledged, time.Now())
			rest(2 * time.Millisecond)
		}
	})
	return func() []time.Time {
		close(ended)
		working.Wait()
		_ = db.Close()
		return acknowledged
	}
}

// newest returns the newest number, below which there is every one, in a database that is whole.
func (a *appliance) newest() int {
	a.t.Helper()
	db := a.opened()
	defer func() { _ = db.Close() }()
	var verdict string
	var count, newest int
	if err := db.QueryRow("pragma integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		a.t.Fatalf("%s: %s %v", a.Name(), verdict, err)
	}
	if err := db.QueryRow("select count(*), coalesce(max(n), 0) from number").Scan(&count, &newest); err != nil || count != newest {
		a.t.Fatalf("%s has %d numbers, the newest is %d: %v", a.Name(), count, newest, err)
	}
	return newest
}

// setAside checks that a diverged copy has a file.
func (a *appliance) setAside(name string) {
	a.t.Helper()
	copies, err := api.ListDiverged().Call(a.t.Context(), a.API, api.None{})
	if err != nil {
		a.t.Fatal(err)
	}
	for _, one := range copies {
		for _, file := range one.Files {
			if file.Path == name {
				return
			}
		}
	}
	a.t.Errorf("no diverged copy of %s has %s: %s", a.Name(), name, fmt.Sprint(copies))
}
