//go:build e2e

package e2e

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/lab/daemon"
	"baton/internal/pair"
)

// A reload of the primary's daemon costs no request, moves nothing, and loses nothing.
func TestAReloadCostsNoRequest(t *testing.T) {
	w := steadyPair(t, plan{timeout: byDefault})
	for _, a := range w.both() {
		a.stranger()
	}
	c := w.count()
	eventually(t, "alpha acknowledges", 5*time.Second, func() bool { return c.answeredBy("alpha") })
	began := time.Now()
	pid := w.alpha.Daemon().PID()
	for range 5 {
		w.alpha.baton("reload")
		w.settled(w.alpha, w.beta)
		rest(500 * time.Millisecond)
	}
	for _, started := range w.alpha.events(pair.KindStarted)[2:] { // after the first of both
		if !strings.Contains(started.Text, "It goes on where the process before left off.") {
			t.Errorf("a process began anew: %s", started.Text)
		}
	}
	if w.alpha.Daemon().PID() != pid {
		t.Error("another process runs")
	}
	if epoch := w.alpha.status().Epoch; epoch.Counter != 1 {
		t.Errorf("the epoch is %s", epoch)
	}
	report := w.client.Report().Between(began, time.Now())
	failed := 0
	for _, a := range report.Attempts {
		if a.Status != http.StatusOK {
			failed++
			t.Errorf("a request was not answered: %+v", a)
		}
	}
	t.Logf("%d requests, %d failed; longest answer gap %s; another server: longest gap %s", len(report.Attempts), failed, report.Longest().Duration().Round(time.Millisecond), longest(c.stop()).Round(time.Millisecond))
}

// A program that does not start takes nobody's place.
func TestABrokenProgramIsNotReloaded(t *testing.T) {
	program := filepath.Join(t.TempDir(), "baton")
	text, err := os.ReadFile(os.Getenv(daemon.ProgramName))
	if err != nil {
		t.Fatal(err)
	}
	install := func(text []byte) {
		t.Helper()
		if err := errors.Join(os.WriteFile(program+".new", text, 0o755), os.Rename(program+".new", program)); err != nil {
			t.Fatal(err)
		}
	}
	install(text)
	w := steadyPair(t, plan{timeout: byDefault, programs: [2]string{program, ""}})
	began := time.Now()
	install([]byte("#!/bin/false\n"))
	if err := w.alpha.Daemon().Signal(unix.SIGHUP); err != nil { // baton reload is the broken program itself
		t.Fatal(err)
	}
	eventually(t, "the history says so", 10*time.Second, func() bool { return len(w.alpha.events(pair.KindReloadFailed)) == 1 })
	w.undisturbed(w.alpha, began, quietly)
	w.settled(w.alpha, w.beta)
}
