package notifications

import (
	"strconv"

	"baton/internal/console/page"
	"baton/internal/pair"
)

// tellForm is a form that also says of what a channel tells.
type tellForm struct{ *page.Form }

// kindField is the name of the check box of a kind of events.
func kindField(kind string) string { return "kind-" + kind }

// show fills in what is saved.
func (f tellForm) show(tell pair.Tell) {
	f.Values.Set("tell.conditions", string(tell.Conditions))
	f.Values.Set("tell.cleared", strconv.FormatBool(tell.Cleared))
	f.Values.Set("tell.daily", strconv.FormatBool(tell.Daily))
	for _, kind := range tell.Kinds {
		f.Values.Set(kindField(kind), "true")
	}
}

// tell reads what was typed.
func (f tellForm) tell() pair.Tell {
	tell := pair.Tell{
		Conditions: pair.Severity(f.Get("tell.conditions")), Cleared: f.On("tell.cleared"), Daily: f.On("tell.daily"), Kinds: []string{},
	}
	for _, kind := range pair.ToldKinds() {
		if f.On(kindField(kind)) {
			tell.Kinds = append(tell.Kinds, kind)
		}
	}
	return tell
}

// Kinds are the check boxes of the kinds of events, for the template.
func (f tellForm) Kinds() []page.Field {
	labels := map[string]string{
		pair.KindTakeover: "Takeover", pair.KindHandover: "Handover (planned switch)", pair.KindSteppedDown: "Stepped down",
		pair.KindRoleChanged: "Any other change of role or state", pair.KindObserved: "Observe only: would have taken over",
		pair.KindDiverged: "Diverged copy set aside", pair.KindSyncFailed: "Data sync failed", pair.KindSyncDone: "Data sync done",
		pair.KindPaired: "Relationship established", pair.KindUnpaired: "Relationship broken", pair.KindPairingFailed: "Relationship not established",
		pair.KindSettingChanged: "Settings changed", pair.KindSignedIn: "Sign-in", pair.KindSignedOut: "Sign-out", pair.KindSignInFailed: "Failed sign-in",
		pair.KindStarted: "Baton started", pair.KindStopped: "Baton stopped",
		pair.KindReloaded: "Baton restarted or reloaded", pair.KindReloadFailed: "Baton not reloaded",
		pair.KindServiceFailed: "Service failed", pair.KindServiceRestarted: "Service ended and was started again",
		pair.KindServiceStarted: "Service started", pair.KindServiceStopped: "Service stopped",
		pair.KindNotificationFailed: "Notification given up",
	}
	kinds := make([]page.Field, 0, len(labels))
	for _, kind := range pair.ToldKinds() {
		label, known := labels[kind]
		if !known {
			label = kind
		}
		kinds = append(kinds, f.Field(kindField(kind), label))
	}
	return kinds
}
