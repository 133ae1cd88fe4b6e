package console

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"baton/internal/api"
	"baton/internal/pair"
)

// seen is what a page was drawn from, and when: which appliance, in which role and
// epoch. A page that stays open compares.
type seen struct {
	id    pair.ApplianceID
	name  string
	role  pair.Role
	epoch uint64
	at    time.Time
}

func seenOf(s pair.Status, at time.Time) seen {
	return seen{id: s.Appliance.ID, name: s.Appliance.Name, role: s.Role, epoch: s.Epoch.Counter, at: at}
}

// String is the inverse of parseSeen.
func (s seen) String() string {
	return fmt.Sprintf("%s.%s.%d.%d.%s", s.id, s.role, s.epoch, s.at.UnixMilli(), s.name)
}

func parseSeen(text string) (seen, bool) {
	parts := strings.SplitN(text, ".", 5)
	if len(parts) != 5 || !pair.IsName(parts[4]) {
		return seen{}, false // a link from elsewhere must not put its own words into a page
	}
	role, err := pair.ParseRole(parts[1])
	if err != nil {
		return seen{}, false
	}
	epoch, err := strconv.ParseUint(parts[2], 10, 64)
	if err != nil {
		return seen{}, false
	}
	ms, err := strconv.ParseInt(parts[3], 10, 64)
	return seen{id: pair.ApplianceID(parts[0]), name: parts[4], role: role, epoch: epoch, at: time.UnixMilli(ms)}, err == nil
}

// moved says what happened since an earlier look.
type moved struct {
	Text  string   // what is now
	Why   []string // what happened, newest last; only for somebody signed in
	Links []link   // where the site, and its primary, are now
}

type link struct{ Label, Href string }

// moved compares an earlier look with the present; nil if nothing moved.
func (v *visit) moved(earlier string) *moved {
	then, ok := parseSeen(earlier)
	now := seenOf(v.status, v.console.now())
	if !ok || then.stillTrue(now) {
		return nil
	}
	made := &moved{Text: movedText(then, now), Links: v.whereNow()}
	if v.signedIn() {
		made.Why = v.whatHappened(then.at)
	}
	return made
}

// stillTrue reports whether nothing has moved until now. Who knew of no epoch has
// learned its first: nobody has served anew.
func (s seen) stillTrue(now seen) bool {
	return s.id == now.id && s.role == now.role && (s.epoch == now.epoch || s.epoch == 0)
}

func movedText(then, now seen) string {
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
func (v *visit) whatHappened(since time.Time) []string {
	const most = 3
	events, err := v.console.backend.Overview.History(v.ctx(), api.HistoryFilter{
		Since: since, Limit: most,
		Kinds: []string{pair.KindTakeover, pair.KindHandover, pair.KindSteppedDown, pair.KindPaired, pair.KindUnpaired},
	})
	if err != nil {
		return nil // the page itself will say that the history cannot be read
	}
	texts := []string{}
	for _, event := range events {
		texts = append(texts, clock(v.zone, event.Time)+" "+v.happening(event).Head)
	}
	return slices.Compact(texts)
}

// whereNow leads to the primary if that is the peer.
func (v *visit) whereNow() []link {
	if v.status.Role != pair.Backup || v.status.Peer == nil {
		return nil
	}
	return []link{peerLink(v.status)}
}

// peerLink leads to the peer's console.
func peerLink(s pair.Status) link {
	host, port, err := net.SplitHostPort(s.Peer.Address)
	if err != nil {
		host, port = s.Peer.Address, ""
	}
	return link{Label: cmp.Or(s.Peer.Name, host), Href: "https://" + consoleHost(host, port) + Root}
}
