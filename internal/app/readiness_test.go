package app

import (
	"testing"
	"time"

	"baton/internal/pair"
)

func primaryOf(t *testing.T, record pair.Record) *Appliance {
	t.Helper()
	record.Role, record.Epoch = pair.Primary, pair.Epoch{Counter: 1, Holder: other}
	return pairedAs(t, other, record)
}

func TestChangesThatOnlyADataSyncBringsAreCountedAsLost(t *testing.T) {
	a := primaryOf(t, pair.Record{})
	before := time.Now().Add(-time.Minute)
	a.wrote(t, time.Hour, pair.KindSettingChanged, "added user old.", pair.DetailBySync, "true") // is in the snapshot
	a.wrote(t, 0, pair.KindSettingChanged, "added user ann.", pair.DetailBySync, "true")
	a.wrote(t, 0, pair.KindSettingChanged, "set title.") // told at once
	a.merged(t, pair.Event{Time: time.Now(), Kind: pair.KindSettingChanged, Text: "added user bob.", Detail: map[string]string{pair.DetailBySync: "true"}})
	for of, want := range map[pair.ApplianceID]int64{a.identity.ID(): 1, other: 1} {
		if got, err := a.acts.roles.SiteChanges(t.Context(), of, pair.Snapshot{TakenAt: before.UnixMilli()}); got != want || err != nil {
			t.Errorf("%d changes of %s, %v, want %d", got, of.Short(), err, want)
		}
	}
	known, err := a.acts.roles.CountUnsynced(t.Context()) // since ever: nothing was synced
	if err != nil || known.Changes != 2 {
		t.Errorf("%+v, %v", known, err)
	}
}

func TestWhoLeadsMarksWhatADataSyncBrings(t *testing.T) {
	a := runningAppliance(t)
	if err := a.tested().AddUser(asAnn(t), pair.NewUser{Name: "bob", Password: "correct horse battery", Role: pair.Viewer}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the change is counted", func() bool {
		n, err := a.acts.roles.SiteChanges(t.Context(), a.identity.ID(), pair.Snapshot{})
		return err == nil && n == 1
	})
}
