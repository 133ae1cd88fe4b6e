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
				if waited := now.Sub(at); waited <= time.Duration(n)*interval || waited > time.Duration(n+1)*interval {
					t.Errorf("tick %d came after %v", n+1, waited)
				}
			}
			ticker.Stop()
			ticker.Stop()
			time.Sleep(2 * interval)
			select {
			case <-ticker.C:
				t.Error("it ticks after its end")
			default:
			}
		}
	})
}

// TestWhoIsLateMissesTicks takes no tick for a while.
func TestWhoIsLateMissesTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ticker := Every(time.Second)
		defer ticker.Stop()
		time.Sleep(10*time.Second + time.Millisecond)
		<-ticker.C
		before := time.Now()
		if now := <-ticker.C; now.Sub(before) != 999*time.Millisecond {
			t.Errorf("the next one came after %v", now.Sub(before))
		}
	})
}
