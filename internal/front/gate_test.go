package front

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const maxHold = 10 * time.Second

// enter has a small request ask at a gate.
func enter(ctx context.Context, g *gate) verdict {
	return g.enter(ctx, new(answer), func() int { return 1 })
}

func TestHeldRequestsPassWhenTheGateOpens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate(maxHold)
		g.move(holding)
		var got verdict = 99
		go func() { got = enter(t.Context(), g) }()
		time.Sleep(9 * time.Second)
		synctest.Wait()
		if got != 99 {
			t.Fatalf("verdict %d while held", got)
		}
		g.move(open)
		synctest.Wait()
		if count, _, _ := g.running(); got != pass || count != 1 {
			t.Errorf("verdict %d, %d running, want it to pass", got, count)
		}
	})
}

func TestHeldRequestsAreCutOffWhenTheGateCloses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate(maxHold)
		g.move(holding)
		got := pass
		go func() { got = enter(t.Context(), g) }()
		synctest.Wait()
		g.move(closed)
		synctest.Wait()
		if got != cutOff {
			t.Errorf("verdict %d, want cut off", got)
		}
	})
}

func TestRequestsAreHeldForABoundedTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate(maxHold)
		g.move(holding)
		begun := time.Now()
		if got := enter(t.Context(), g); got != turnAway || time.Since(begun) != maxHold {
			t.Errorf("verdict %d after %s, want turned away after %s", got, time.Since(begun), maxHold)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun = time.Now()
		if got := enter(ctx, g); got != turnAway || time.Since(begun) != time.Second {
			t.Errorf("client gone: verdict %d after %s", got, time.Since(begun))
		}
		if g.held != 0 {
			t.Errorf("%d still counted as held", g.held)
		}
	})
}

func TestABoundedNumberOfRequestsIsHeld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate(maxHold)
		g.move(holding)
		verdicts := make([]verdict, maxHeld)
		var waiting sync.WaitGroup
		for i := range verdicts {
			waiting.Go(func() { verdicts[i] = enter(t.Context(), g) })
		}
		synctest.Wait()
		if got := enter(t.Context(), g); got != turnAway {
			t.Errorf("one more: verdict %d, want turned away", got)
		}
		g.move(open)
		waiting.Wait()
		for i, got := range verdicts {
			if got != pass {
				t.Fatalf("request %d: verdict %d, want pass", i, got)
			}
		}
		if count, _, _ := g.running(); count != maxHeld {
			t.Errorf("%d running", count)
		}
	})
}

func TestHoldingAgainKeepsThoseHeldWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate(maxHold)
		g.move(holding)
		g.move(holding)
		go enter(t.Context(), g)
		synctest.Wait()
		if g.held != 1 {
			t.Errorf("%d held, want 1", g.held)
		}
		g.move(closed)
	})
}

// Requests whose heads take much are held as far as there is room for them.
func TestABoundedAmountIsHeld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const large = 1 << 20
		g := newGate(maxHold)
		g.move(holding)
		verdicts := make(chan verdict, maxHeldBytes/large)
		for range cap(verdicts) {
			go func() { verdicts <- g.enter(t.Context(), new(answer), func() int { return large }) }()
		}
		synctest.Wait()
		if got := enter(t.Context(), g); got != turnAway {
			t.Errorf("one more: verdict %d, want turned away", got)
		}
		g.move(open)
		for range cap(verdicts) {
			if got := <-verdicts; got != pass {
				t.Errorf("verdict %d, want pass", got)
			}
		}
		if g.bytes != 0 {
			t.Errorf("%d bytes are still counted", g.bytes)
		}
	})
}

// A hold that begins late must not undo what came after it was called off.
func TestAHoldThatWasCalledOffHoldsNothing(t *testing.T) {
	t.Parallel()
	g := newGate(maxHold)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	g.move(open)
	g.moveFor(ctx, holding)
	if now := g.now(); now != open {
		t.Errorf("the gate is %s", now)
	}
	late, end := context.WithDeadline(t.Context(), time.Now())
	defer end()
	g.moveFor(late, holding)
	if now := g.now(); now != holding {
		t.Errorf("its time is over, and it was not called off: the gate is %s", now)
	}
}
