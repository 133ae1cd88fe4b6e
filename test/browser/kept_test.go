//go:build e2e

package browser

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the driver

	"baton/internal/api"
	"baton/internal/lab/daemon"
)

// TestWhatIsKept takes a file out of a restore point after a takeover, and puts one of a diverged copy back.
func TestWhatIsKept(t *testing.T) {
	full(t)
	w := pairedWorld(t)
	write := func(a *daemon.Appliance, name, text string) {
		t.Helper()
		w.must(os.WriteFile(filepath.Join(a.Path(daemon.SiteDir), name), []byte(text), 0o600))
	}
	shop := func(a *daemon.Appliance, statements string) {
		t.Helper()
		db, err := sql.Open("sqlite", a.Path("srv/shop.db"))
		w.must(err)
		_, err = db.ExecContext(t.Context(), statements)
		w.must(errors.Join(err, db.Close()))
	}
	shop(w.alpha, "PRAGMA journal_mode=WAL; CREATE TABLE orders (id INTEGER PRIMARY KEY, what TEXT); INSERT INTO orders VALUES (15, 'tea'), (16, 'milk')")
	w.must(w.alpha.Do(t.Context(), "", "data", "add", "sqlite", "shop", w.alpha.OnHost("srv/shop.db")))
	w.must(w.alpha.Do(t.Context(), "", "settings", "set", "sync_schedule=daily"))
	write(w.alpha, "price list.txt", "as it was")
	w.must(w.beta.Do(t.Context(), "", "sync", "--wait"))
	write(w.alpha, "price list.txt", "a mistake")
	w.must(w.beta.Do(t.Context(), "", "sync", "--wait"))
	write(w.alpha, "order 17.txt", "no snapshot has it")
	shop(w.alpha, "INSERT INTO orders VALUES (17, 'sugar'); UPDATE orders SET what = 'cream' WHERE id = 16")
	write(w.beta, "price list.txt", "changed on the backup")
	sides := w.visit(w.alpha.Addr4())
	sides.signIn(administrator)
	sides.open("/login/protection")
	sides.follow(sides.linkTo("Compare"))
	sides.sees("order 17.txt", "price list.txt")
	sides.state("compare-differs")
	sides.close()
	w.must(w.alpha.Do(t.Context(), "", "data", "set", "site", "--exclude", "cache/"))
	w.fault(w.lab.PowerCut(w.alpha.Host))
	eventually(t, "beta is primary", time.Minute, func() bool { return serves(w.beta) })

	p := w.visit(w.beta.Addr4())
	p.forgive(lost()...)
	p.signIn(administrator)
	p.open("/login/protection")
	p.sees("Restore points")
	p.state("protection-restore-points")
	p.follow(p.linkTo("Take out files of snapshot "))
	p.fill("Files and directories", "site/nothing")
	p.state("restore-point")

	shop(w.beta, "INSERT INTO orders VALUES (18, 'salt')")
	w.fault(w.lab.PowerOn(w.alpha.Host))
	w.must(w.alpha.Serve(context.Background()))
	back := w.visit(w.alpha.Addr4())
	back.forgive(lost()...)
	eventually(t, "alpha has a diverged copy", time.Minute, func() bool {
		copies, err := api.ListDiverged().Call(t.Context(), w.alpha.API, api.None{})
		return err == nil && len(copies) > 0
	})
	back.signIn(administrator)
	back.open("/login/status")
	back.state("status-diverged")
	back.follow(back.linkTo("Look at the copy of "))
	back.sees("order 17.txt")
	back.state("diverged-copy")
	eventually(t, "alpha has beta's orders", patience, func() bool {
		report, err := api.ReportDiverged().Call(t.Context(), w.alpha.API, copyOf(t, w.alpha))
		return err == nil && len(report.Databases) > 0
	})
	back.open(back.path())
	back.follow("Compare the rows")
	back.sees("orders", "1: 17", "1: 18", "1: 16")
	back.state("diverged-rows")
	back.open(strings.TrimSuffix(back.path(), "/rows"))
	back.tick("site/order 17.txt")
	back.submit("Put the chosen files back")
	back.state("diverged-copy-restored")
	eventually(t, "beta has the file", patience, func() bool {
		text, err := os.ReadFile(filepath.Join(w.beta.Path(daemon.SiteDir), "order 17.txt"))
		return err == nil && string(text) == "no snapshot has it"
	})
}

// copyOf is the id of the only diverged copy of an appliance.
func copyOf(t *testing.T, a *daemon.Appliance) string {
	t.Helper()
	copies, err := api.ListDiverged().Call(t.Context(), a.API, api.None{})
	if err != nil || len(copies) != 1 {
		t.Fatalf("%d copies, %v", len(copies), err)
	}
	return copies[0].ID
}

// linkTo is the name of the first link that begins so.
func (p *tab) linkTo(begins string) string {
	p.t.Helper()
	for _, name := range p.all("link") {
		if strings.HasPrefix(name, begins) {
			return name
		}
	}
	p.t.Fatalf("%s has no link %s...", p.path(), begins)
	return ""
}
