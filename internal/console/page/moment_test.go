package page_test

import (
	"bufio"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"baton/internal/admin/admintest"
	"baton/internal/console/consoletest"
	"baton/internal/console/page"
	"baton/internal/pair"
)

func TestAnOpenPageIsToldWhenTheRoleChanges(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t).SignIn(pair.Viewer)
	seen := page.Moment(pair.Status{Appliance: pair.ApplianceStatus{ID: admintest.ID, Name: "alpha"}}, time.Now())
	r := b.Request(http.MethodGet, page.Root+"/live?page=status&seen="+seen, nil)
	r.Header.Set("Accept", "text/event-stream")
	response, err := b.Client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	lines := bufio.NewScanner(response.Body)
	await := func(text string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), text) {
				return
			}
		}
		t.Fatalf("the stream ended before %q: %v", text, lines.Err())
	}
	await("live-head")
	b.Appliance.Change(func(s *pair.Status) { s.Role, s.Epoch.Counter = pair.Backup, 4 })
	await("alpha is the backup of a pair now; it stood alone when you opened this page.")
	await("event: changed")
}

// A backup gets the epoch of its primary shortly after pairing: nobody has served anew.
func TestWhatMovedIsToldAsItWas(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t).SignIn(pair.Viewer)
	b.Appliance.Change(func(s *pair.Status) { s.Role, s.Epoch.Counter = pair.Backup, 4 })
	at := func(role string, epoch int) string {
		return fmt.Sprintf("%s/status?seen=%s.%s.%d.1000.alpha", page.Root, admintest.ID, role, epoch)
	}
	b.Get(at("standalone", 4)).Has(t, "alpha is the backup of a pair now; it stood alone when you opened this page.")
	b.Get(at("backup", 3)).Has(t, "The site has been served anew since you opened this page: alpha is the backup.")
	b.Get(at("backup", 0)).Lacks(t, "since you opened this page")
}

func TestWhatAnEarlierPageSawIsComparedWithThePresent(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t).SignIn(pair.Viewer)
	b.Get(page.Root+"/status?seen=0bad.backup.2.1000.beta").Has(t, "You were looking at beta. This is alpha, standalone.")
	for _, seen := range []string{"nonsense", "0bad.backup.2.1000.Your+session+has+ended", "0bad.backup.2.1000." + strings.Repeat("x", 65)} {
		if p := b.Get(page.Root + "/status?seen=" + seen); strings.Contains(p.Body, "You were looking") {
			t.Errorf("%q is taken for an earlier look", seen)
		}
	}
}

// A page that asks anew on its own is led to the sign-in where its session is not known, as on the other appliance.
func TestWhatAnEarlierPageSawIsToldAtTheSignIn(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t)
	b.Get(page.Root+"/status?seen=0bad.backup.2.1000.beta").Has(t, "Sign in", "You were looking at beta. This is alpha, standalone.")
	b.Get(page.Root+"/status").Lacks(t, "You were looking")
}

func TestAMovedPageTellsOfWhatCameAfterIt(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t).SignIn(pair.Viewer)
	drawn := admintest.Start().Add(time.Hour)
	for after, text := range map[time.Duration]string{-time.Minute: "Paired with beta.", time.Minute: "The relationship was broken here."} {
		b.Appliance.Happened(pair.Event{Time: drawn.Add(after), Appliance: admintest.ID, Kind: pair.KindUnpaired, Text: text})
	}
	earlier := pair.Status{Appliance: pair.ApplianceStatus{ID: "0bad", Name: "beta"}, Role: pair.Backup, Epoch: pair.Epoch{Counter: 2}}
	p := b.Get(page.Root + "/account?seen=" + page.Moment(earlier, drawn))
	p.Has(t, "You were looking at beta.", "The relationship was broken here.")
	p.Lacks(t, "Paired with beta.")
}
