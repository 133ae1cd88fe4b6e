package tick

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestTickersTickTogether starts some at different moments.
func TestTickersTickTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const interval = 3 * time.Second
		began := time.Now()
		for _, after := range []time.Duration{0, time.Second, 500 * time.Millisecond, 4 * time.Second} {
			time.Sleep(after)
			at := time.Now()
			ticker := Every(interval)
			for n := range 3 {
				now := <-ticker.C
				if now.Sub(began)%interval != 0 {
					t.Errorf("begun at %v, it ticks at %v", at.Sub(began), now.Sub(began))
				}
				if waited := now.Sub(at); waited < time.Duration(n+1)*interval || waited >= time.Duration(n+2)*interval {
					t.Errorf("tick %d came after %v", n+1, waited)
				}
			}
			ticker.Stop()
		}
	})
}
