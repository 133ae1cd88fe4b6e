package notify

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"baton/internal/pair"
)

// two is a pair: alpha leads, beta is its backup.
func two(t *testing.T) (alpha, beta *machine) {
	t.Helper()
	history := newPast()
	history.record(self, event(pair.KindStarted, "started"))
	history.record(peer, event(pair.KindStarted, "started"))
	alpha, beta = newMachine(t, self, history), newMachine(t, peer, history)
	beta.set(func(m *machine) { m.situation.Role, m.situation.Led = pair.Backup, true })
	return alpha, beta
}

// become changes a role.
func become(m *machine, role pair.Role, led bool) {
	m.set(func(m *machine) { m.situation.Role, m.situation.Led = role, led })
}

func TestAFactThatBothRecordIsToldByThePrimary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		alpha, beta := two(t)
		defer func() { alpha.stop(); beta.stop() }()
		beta.note(raised(0, "no-test-ips", pair.Warning, time.Now())) // the backup is first
		wait(5 * time.Second)
		alpha.note(raised(0, "no-test-ips", pair.Warning, time.Now()))
		beta.note(event(pair.KindSyncFailed, "the sync failed"))
		wait(time.Minute)
		alpha.want("mail | The no-test-ips is there.")
		beta.want("mail | the sync failed")
	})
}

func TestABackupWhosePrimaryIsSilentTellsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		alpha, beta := two(t)
		defer func() { alpha.stop(); beta.stop() }()
		alpha.set(func(m *machine) { m.apart, m.hang["mail"] = true, true })
		become(beta, pair.Backup, false)
		beta.set(func(m *machine) { m.apart = true })
		beta.note(raised(0, "peer-unreachable", pair.Warning, time.Now()))
		wait(gather + time.Second)
		beta.want("mail | The peer-unreachable is there.")
	})
}

func TestAHandoverIsToldByTheNewPrimaryOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		alpha, beta := two(t)
		defer func() { alpha.stop(); beta.stop() }()
		become(alpha, pair.Backup, true)
		alpha.note(event(pair.KindHandover, "primary → backup"))
		become(beta, pair.Primary, false)
		beta.note(event(pair.KindHandover, "backup → primary"))
		wait(time.Hour)
		alpha.want()
		beta.want("mail | backup → primary")
	})
}

func TestThePeerTellsOfAnApplianceThatCannot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		alpha, beta := two(t)
		defer func() { alpha.stop(); beta.stop() }()
		alpha.set(func(m *machine) { m.hang["mail"] = true })
		alpha.note(raised(0, SilentCondition, pair.Warning, time.Now()))
		wait(time.Minute)
		beta.want("mail | The notifications-silent is there.")
		alpha.want()
	})
}

func TestTheDailyNoticeComesOnceADayFromThePrimary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		alpha, beta := two(t)
		defer func() { alpha.stop(); beta.stop() }()
		wait(3 * 24 * time.Hour)
		alpha.want("mail | daily", "mail | daily", "mail | daily")
		beta.want()
		alpha.stop() // alpha dies; beta takes over at once, and has nothing to make up for
		become(beta, pair.Primary, false)
		wait(time.Hour)
		beta.want()
		wait(23 * time.Hour)
		beta.want("mail | daily")
		if at := beta.deliveries()[0].at; at.Hour() != 8 || at.Sub(alpha.deliveries()[2].at) != 24*time.Hour {
			t.Errorf("beta's came at %s, alpha's at %s", at, alpha.deliveries()[2].at)
		}
		alpha.start()
	})
}

// TestADailyNoticeThatTheOldPrimaryDidNotSendIsSent tries a change of roles around
// the hour.
func TestADailyNoticeThatTheOldPrimaryDidNotSendIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		alpha, beta := two(t)
		defer func() { alpha.stop(); beta.stop() }()
		alpha.set(func(m *machine) { m.hang["mail"] = true })
		wait(8*time.Hour + time.Minute) // due, and stuck
		alpha.want()
		become(alpha, pair.Backup, true)
		become(beta, pair.Primary, false)
		wait(time.Minute)
		beta.want("mail | daily")
		alpha.set(func(m *machine) { m.hang["mail"] = false })
		alpha.stop()
		alpha.start()
		wait(time.Hour)
		alpha.want()
		become(beta, pair.Backup, true) // and back: it has been sent
		become(alpha, pair.Primary, false)
		wait(time.Hour)
		alpha.want()
		beta.want("mail | daily")
	})
}

func TestTheDailyNoticeHasOneIDOnBothAppliances(t *testing.T) {
	at := time.Date(2030, 3, 31, 6, 0, 0, 0, time.UTC)
	a := Situation{Self: self, PairID: "0123456789abcdef", Zone: berlin()}
	b := Situation{Self: peer, PairID: "0123456789abcdef", Zone: berlin()}
	if got := dailyID(a, at); got != dailyID(b, at) || got != "daily-2030-03-31-01234567" {
		t.Errorf("the ids are %s and %s", got, dailyID(b, at))
	}
}

func TestANewHourCountsFromNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, self, newPast())
		defer func() { m.stop() }()
		wait(12 * time.Hour)
		m.want("mail | daily")
		m.set(func(m *machine) { m.settings.DailyAt = pair.TimeOfDay{Hour: 9} }) // has passed today
		wait(time.Hour)
		m.want("mail | daily")
		m.set(func(m *machine) { m.settings.DailyAt = pair.TimeOfDay{Hour: 14} })
		wait(2 * time.Hour)
		m.want("mail | daily", "mail | daily")
	})
}

func TestALongSleepIsFollowedByOneDailyNotice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, self, newPast())
		m.stop()
		wait(10*24*time.Hour + 12*time.Hour)
		m.start()
		defer func() { m.stop() }()
		wait(time.Minute)
		m.want("mail | daily")
	})
}

func TestAHistoryThatIsNewHereIsNotTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		history := newPast()
		m := newMachine(t, self, history)
		defer func() { m.stop() }()
		for i := range 3 {
			history.record(peer, raised(0, SilentCondition, pair.Warning, time.Now()))
			history.record(peer, event(pair.KindTakeover, fmt.Sprint("of the peer ", i)))
		}
		m.set(func(m *machine) { m.situation.Role, m.situation.Led = pair.Backup, true })
		wait(time.Hour)
		m.want()
	})
}
