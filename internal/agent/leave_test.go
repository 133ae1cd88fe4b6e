package agent

import (
	"testing"
	"time"

	"baton/internal/pair"
)

// A primary that leaves the site to another process ends at once, keeps what clients come by,
// and keeps nobody waiting who tells it something afterwards.
func TestAPrimaryThatLeavesTheSiteKeepsNobodyWaiting(t *testing.T) {
	eachWay(t, func(room *room) {
		t := room.t
		room.pairUp()
		left := room.side[alpha].agent.Leave(t.Context())
		if left == nil || left.Epoch.Counter != 1 || left.Epoch.Holder != alpha {
			t.Fatalf("it leaves %+v", left)
		}
		<-room.side[alpha].ended
		room.expectOwner(alpha)
		told := make(chan struct{})
		go func() {
			defer close(told)
			for range 2 * cap(room.side[alpha].agent.inbox.messages) {
				room.side[alpha].agent.SiteChecked(pair.HealthCheck{}, nil)
			}
		}()
		select {
		case <-told:
		case <-time.After(time.Minute):
			t.Error("who tells it something waits for ever")
		}
	})
}

// A backup has nothing to leave, and goes on.
func TestABackupHasNothingToLeave(t *testing.T) {
	eachWay(t, func(room *room) {
		room.pairUp()
		if left := room.side[beta].agent.Leave(room.t.Context()); left != nil {
			room.t.Errorf("it leaves %+v", left)
		}
		time.Sleep(3 * timeout)
		room.expect(beta, pair.Backup, pair.Steady)
	})
}
