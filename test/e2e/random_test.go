//go:build e2e

package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"baton/internal/api"
	"baton/internal/pair"
)

// seedName is the environment variable that repeats a random run.
const seedName = "BATON_E2E_SEED"

// Whatever happens to the two appliances: when all is mended, one is primary and
// the other its backup, and everything that a visitor has seen is in the site or
// in a diverged copy.
func TestRandomFaults(t *testing.T) {
	full(t)
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv(seedName); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("repeat it with %s=%d", seedName, seed)
	w := steadyPair(t, plan{timeout: 500 * time.Millisecond})
	w.bothAllowed = 5 * time.Second // partitions are among the faults
	c := &chaos{world: w, random: rand.New(rand.NewPCG(seed, 0)), acknowledged: map[string]string{}, ended: make(chan struct{})}
	var writing sync.WaitGroup
	writing.Go(c.write)
	for end := time.Now().Add(time.Minute); time.Now().Before(end); rest(time.Duration(c.random.IntN(1500)) * time.Millisecond) {
		c.act()
	}
	c.mend()
	close(c.ended)
	writing.Wait()
	primary, backup := w.settledEither()
	backup.baton("sync --wait")
	c.accounted(primary)
}

// chaos does things to a pair, and keeps what its visitors saw.
type chaos struct {
	*world
	random       *rand.Rand
	acknowledged map[string]string
	ended        chan struct{}
}

// act does one thing at random.
func (c *chaos) act() {
	c.t.Helper()
	a, b := c.alpha, c.beta
	if c.random.IntN(2) == 0 {
		a, b = b, a
	}
	acts := []struct {
		name string
		do   func()
	}{
		{"cut the cable of", func() { c.fault(c.lab.CutCable(a.Host)) }},
		{"silence", func() { c.fault(c.lab.Silence(a.Host)) }},
		{"part both, seen from", func() { c.fault(c.lab.Partition(a.Host, b.Host)) }},
		{"nothing reaches the other from", func() { c.fault(c.lab.OneWay(a.Host, b.Host)) }},
		{"lose a third of the frames of", func() { c.fault(c.lab.Loss(a.Host, 33)) }},
		{"cut the power of", func() { c.fault(c.lab.PowerCut(a.Host)) }},
		{"hang", func() { c.fault(c.lab.Pause(a.Host)) }},
		{"kill the daemon of", func() { c.killed(a) }},
		{"make primary", func() { c.t.Logf("exit code %d", a.run("", "become", "primary", "--final-sync", "--wait").Code) }},
		{"force to be primary", func() { c.t.Logf("exit code %d", a.run("", "become", "primary", "--force", "--wait").Code) }},
	}
	chosen := acts[c.random.IntN(len(acts))]
	c.t.Logf("%s: %s %s", time.Now().Format("05.000"), chosen.name, a.Name())
	chosen.do()
	rest(time.Duration(c.random.IntN(2500)) * time.Millisecond)
	c.mend()
}

// mend ends every fault.
func (c *chaos) mend() {
	c.t.Helper()
	c.fault(c.lab.Heal())
	for _, a := range c.both() {
		if !a.On() {
			c.fault(c.lab.PowerOn(a.Host))
		}
		c.fault(c.lab.PlugCable(a.Host))
		c.fault(c.lab.Resume(a.Host))
		select {
		case <-a.Daemon().Done():
			a.serve()
		default:
		}
		a.run("", "resume") // so that damping does not end the play
	}
}

// write writes files on whoever serves, and keeps those that a visitor has seen there.
func (c *chaos) write() {
	for i := 0; ; i++ {
		select {
		case <-c.ended:
			return
		case <-time.After(20 * time.Millisecond):
		}
		by, _, err := c.get("")
		if err != nil {
			continue
		}
		a := c.alpha
		if by == c.beta.Name() {
			a = c.beta
		}
		name, text := fmt.Sprintf("seen-%d.txt", i), fmt.Sprintf("number %d on %s", i, by)
		if a.put(site(name), text) != nil {
			continue
		}
		if now, body, err := c.get(name); err == nil && now == by && body == text {
			c.acknowledged[name] = text
		}
	}
}

// accounted checks that every file that a visitor has seen is in the site or in a
// diverged copy.
func (c *chaos) accounted(primary *appliance) {
	c.t.Helper()
	kept := map[string]bool{}
	for _, a := range c.both() {
		copies, err := api.ListDiverged().Call(c.t.Context(), a.API, api.None{})
		if err != nil {
			c.t.Fatal(err)
		}
		for _, one := range copies {
			for _, file := range one.Files {
				kept[file.Path+" "+file.SHA256] = true
			}
		}
	}
	active, aside := 0, 0
	for name, text := range maps.All(c.acknowledged) {
		sum := sha256.Sum256([]byte(text))
		switch {
		case primary.has(site(name), text):
			active++
		case kept[name+" "+hex.EncodeToString(sum[:])]:
			aside++
		default:
			c.t.Errorf("%s (%s) is neither in the site nor in a diverged copy", name, text)
		}
	}
	c.t.Logf("files that visitors have seen: %d in the site, %d in diverged copies; takeovers: %d, switches: %d", active, aside,
		len(primary.events(pair.KindTakeover)), len(primary.events(pair.KindHandover)))
}
