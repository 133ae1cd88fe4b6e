package app

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestAChoreThatHangsDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		hangs, asked, times := make(chan struct{}), make(chan struct{}, 1), 0
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			keepUp(ctx, []chore{
				{every: time.Second, do: func(context.Context) { <-hangs }},
				{every: time.Second, now: asked, do: func(context.Context) { times++ }},
			})
		}()
		time.Sleep(3500 * time.Millisecond)
		asked <- struct{}{}
		synctest.Wait()
		if times != 4 {
			t.Errorf("done %d times in 3.5 s, one of them asked for", times)
		}
		close(hangs)
		stop()
		<-ended
	})
}
