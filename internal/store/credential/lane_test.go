package credential

import (
	"testing"
	"testing/synctest"
	"time"

	"baton/internal/pair"
)

func TestASignInWaitsABoundedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lane, enough := StrangersLane(), make(chan struct{})
		go func() { _ = lane.Run(t.Context(), func() { <-enough }) }()
		synctest.Wait()
		began := time.Now()
		err := lane.Run(t.Context(), func() { t.Error("it was not its turn") })
		if pair.CodeOf(err) != pair.TooMany || time.Since(began) != mostWait {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		close(enough)
		synctest.Wait()
	})
}
