package page

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"baton/internal/api"
	"baton/internal/pair"
)

// moment is what a page was drawn from, and when: which appliance, in which role and
// epoch. A page that stays open compares it with the present.
type moment struct {
	id    pair.ApplianceID
	name  string
	role  pair.Role
	epoch uint64
	at    time.Time
}

func momentOf(s pair.Status, at time.Time) moment {
	return moment{id: s.Appliance.ID, name: s.Appliance.Name, role: s.Role, epoch: s.Epoch.Counter, at: at}
}

// String is the inverse of parseMoment.
func (m moment) String() string {
	return fmt.Sprintf("%s.%s.%d.%d.%s", m.id, m.role, m.epoch, m.at.UnixMilli(), m.name)
}

func parseMoment(text string) (moment, bool) {
	parts := strings.SplitN(text, ".", 5)
	if len(parts) != 5 || !pair.IsName(parts[4]) {
		return moment{}, false // a link from elsewhere must not put its own words into a page
	}
	role, err := pair.ParseRole(parts[1])
	if err != nil {
		return moment{}, false
	}
	epoch, err := strconv.ParseUint(parts[2], 10, 64)
	if err != nil {
		return moment{}, false
	}
	ms, err := strconv.ParseInt(parts[3], 10, 64)
	return moment{id: pair.ApplianceID(parts[0]), name: parts[4], role: role, epoch: epoch, at: time.UnixMilli(ms)}, err == nil
}

// change says what has moved since an earlier page.
type change struct {
	Text  string   // what is true now
	Why   []string // what happened, newest last; only for somebody signed in
	Links []Link   // where the site, and its primary, are now
}

// Link leads to an address.
type Link struct{ Label, Href string }

// moved compares the moment of an earlier page with the present; nil if nothing moved.
func (v *Visit) moved(earlier string) *change {
	then, ok := parseMoment(earlier)
	now := momentOf(v.Status, v.Now())
	if !ok || then.stillTrue(now) {
		return nil
	}
	change := &change{Text: movedText(then, now), Links: v.whereNow()}
	if v.SignedIn() {
		change.Why = v.whatHappened(then.at)
	}
	return change
}

// stillTrue reports whether nothing has moved until now. A first epoch after none is no
// move: the appliance has heard of one, and nobody has served anew.
func (m moment) stillTrue(now moment) bool {
	return m.id == now.id && m.role == now.role && (m.epoch == now.epoch || m.epoch == 0)
}

func movedText(then, now moment) string {
	switch {
	case then.id != now.id:
		return fmt.Sprintf("You were looking at %s. This is %s, %s.", then.name, now.name, roleText(now.role))
	case then.role == pair.Standalone && now.role != pair.Standalone:
		return fmt.Sprintf("%s is %s of a pair now; it stood alone when you opened this page.", now.name, roleText(now.role))
	case then.role != now.role:
		return fmt.Sprintf("%s is %s now; it was %s when you opened this page.", now.name, roleText(now.role), roleText(then.role))
	}
	return fmt.Sprintf("The site has been served anew since you opened this page: %s is %s.", now.name, roleText(now.role))
}

func roleText(role pair.Role) string {
	if role == pair.Standalone {
		return "standalone"
	}
	return "the " + role.String()
}

// whatHappened returns the last sentences of the history about roles.
func (v *Visit) whatHappened(since time.Time) []string {
	const most = 3
	events, err := v.server.backend.Overview.History(v.Context(), api.HistoryFilter{
		Since: since, Limit: most,
		Kinds: []string{pair.KindTakeover, pair.KindHandover, pair.KindSteppedDown, pair.KindPaired, pair.KindUnpaired},
	})
	if err != nil {
		return nil // the page itself will say that the history cannot be read
	}
	texts := []string{}
	for _, event := range events {
		texts = append(texts, Clock(v.Zone, event.Time)+" "+v.Explain(event).Head)
	}
	return slices.Compact(texts)
}

// whereNow leads to the primary if that is the peer.
func (v *Visit) whereNow() []Link {
	if v.Status.Role != pair.Backup || v.Status.Peer == nil {
		return nil
	}
	return []Link{peerLink(v.Status)}
}
