//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A pair on which nothing happens costs next to nothing.
func TestIdleDaemon(t *testing.T) {
	full(t)
	const watched = 12 * time.Second
	w := twoDaemons(t, plan{timeout: byDefault})
	w.pair()
	rest(8 * time.Second)
	var before [2]time.Duration
	for i, a := range w.both() {
		before[i] = a.cpu()
	}
	rest(watched)
	for i, a := range w.both() {
		share := 100 * float64(a.cpu()-before[i]) / float64(watched)
		memory := a.resident()
		t.Logf("%s: %.1f MB resident, %.2f %% of a core", a.Name(), float64(memory)/(1<<20), share)
		if memory > 40<<20 || share > 1 {
			t.Errorf("wanted at most 40 MB and 1 %%")
		}
	}
}

// A daemon that has to ask nobody serves within a second of its start.
func TestStartToServing(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{timeout: moderate})
	w.alpha.baton("unpair")
	w.killed(w.alpha)
	w.alpha.baton("cleanup")
	at := time.Now()
	w.alpha.start()
	w.reached(w.alpha, at, 10*time.Second)
	gap, _ := w.client.Report().GapAfter(at, "alpha")
	t.Logf("serving %s after the start", gap.Round(time.Millisecond))
	if gap > time.Second {
		t.Errorf("wanted at most 1 s")
	}
}

// resident is the memory of the daemon, in bytes.
func (a *appliance) resident() int64 {
	a.t.Helper()
	return int64(a.figures("statm")[1]) * int64(os.Getpagesize())
}

// cpu is the time that the daemon has used so far.
func (a *appliance) cpu() time.Duration {
	a.t.Helper()
	const user, system, ticks = 13 - 2, 14 - 2, 100 // proc(5): fields 14 and 15; the first two are cut off; USER_HZ
	figures := a.figures("stat")
	return time.Duration(figures[user]+figures[system]) * time.Second / ticks
}

// figures reads the numbers of a file of the daemon below /proc, after the name
// in brackets if there is one.
func (a *appliance) figures(file string) (numbers []uint64) {
	a.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", a.Daemon().PID(), file))
	if err != nil {
		a.t.Fatal(err)
	}
	line := string(text)
	line = line[strings.LastIndexByte(line, ')')+1:]
	for field := range strings.FieldsSeq(line) {
		number, _ := strconv.ParseUint(field, 10, 64) // a letter or a negative number is none of ours
		numbers = append(numbers, number)
	}
	return numbers
}
