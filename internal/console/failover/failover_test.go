package failover_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"baton/internal/admin/admintest"
	"baton/internal/api"
	"baton/internal/console/consoletest"
	"baton/internal/console/failover"
	"baton/internal/console/page"
	"baton/internal/pair"
)

// atFailover is the address of Management > Failover.
const atFailover = page.Root + "/management/failover"

// administer opens a console whose appliance has a key, signed in as an
// administrator.
func administer(t *testing.T) *consoletest.Browser {
	t.Helper()
	b := consoletest.Open(t)
	if _, err := b.Appliance.Backend().Keys.SetKey(t.Context(), "a key that is long enough"); err != nil {
		t.Fatal(err)
	}
	return b.SignIn(pair.Administrator)
}

// paired is administer with a relationship; this appliance has the role.
func paired(t *testing.T, role pair.Role) *consoletest.Browser {
	t.Helper()
	b := administer(t)
	if _, err := b.Appliance.Backend().Relationship.Pair(t.Context(), api.PairRequest{Address: "beta.example"}); err != nil {
		t.Fatal(err)
	}
	b.Appliance.Change(func(s *pair.Status) {
		s.Role, s.Peer.Role = role, pair.Primary
		if role == pair.Primary {
			s.Peer.Role = pair.Backup
		}
	})
	return b
}

func pairWith(b *consoletest.Browser, path, host string, more ...string) consoletest.Page {
	b.T.Helper()
	fields := append([]string{"host", host, "port", "443", "reverse_host", "198.51.100.1", "reverse_port", "443"}, more...)
	return b.Post(atFailover+path, fields...)
}

func TestUnpairedPageAsksForTheNewBackup(t *testing.T) {
	t.Parallel()
	b := administer(t)
	p := b.Get(atFailover)
	p.Has(t, "New Backup Site Connection Details", "TLS Port", "Reverse connection details to this primary site", "Establish Relationship",
		`value="198.51.100.1"`, `value="443"`)
	p.Lacks(t, "Sync Now", "Break Relationship", "No Inter-appliance Communication Pre-shared Key")
	consoletest.Open(t).SignIn(pair.Administrator).Get(atFailover).Has(t, "No Inter-appliance Communication Pre-shared Key is saved here")
}

func TestRelationshipIsEstablishedAfterNamingBoth(t *testing.T) {
	t.Parallel()
	b := administer(t)
	p := pairWith(b, "/pair", "beta.example")
	p.Has(t, "All site data on beta will be replaced by that of alpha.", "beta.example:443", "198.51.100.1:443", `value="beta.example"`)
	if status, _ := b.Appliance.Backend().Overview.Status(t.Context()); status.Role != pair.Standalone {
		t.Fatal("asking has established the relationship")
	}
	p = pairWith(b, "/establish", "beta.example")
	if p.Path != atFailover {
		t.Fatalf("led to %s", p.Path)
	}
	p.Has(t, "The relationship with beta is established.", "This host&#39;s status", "Peer host&#39;s status", "Status history", "Sync Now", "Become Backup", "Break Relationship")
}

// While nothing is protected, the page says so before the relationship, and one click
// protects the public site.
func TestThePublicSiteIsProtectedWithTheRelationship(t *testing.T) {
	t.Parallel()
	b := administer(t)
	public := b.Appliance.Tree() + "/public"
	pairWith(b, "/pair", "beta.example").Has(t, "no directory yet", "Protect "+public+" as well", "a takeover would serve an empty site")
	b.Get(page.Root+"/protection").Has(t, "The public site is not protected", "Protect "+public)
	pairWith(b, "/establish", "beta.example", "protect", "true")
	if data, err := b.Appliance.Backend().Data.Data(t.Context()); err != nil || len(data) != 1 || data[0].Path != public {
		t.Fatalf("%+v, %v", data, err)
	}
	b.Get(page.Root+"/protection").Lacks(t, "The public site is not protected")
}

func TestEveryPairingErrorIsShownInPlace(t *testing.T) {
	t.Parallel()
	b := administer(t)
	for host, want := range map[string]string{
		admintest.SilentHost:  "does not answer: check its address and TLS port",
		admintest.KeyHost:     "save the same key on both",
		admintest.ChangedHost: "if it was reinstalled, break the relationship and pair again",
		admintest.OldHost:     "bring both to the same release",
		admintest.PairedHost:  "break that relationship there first",
		admintest.ReverseHost: "under the reverse connection details: correct them",
	} {
		p := pairWith(b, "/pair", host)
		if p.Status < 400 {
			t.Errorf("%s: %d", host, p.Status)
		}
		p.Has(t, want, `value="`+host+`"`)
	}
	pairWith(b, "/pair", admintest.ClockHost).Has(t, "The clocks of the two appliances differ by 1 h.", "Set both clocks.")
}

func TestPairingRefusesNonsenseAndKeepsWhatWasTyped(t *testing.T) {
	t.Parallel()
	b := administer(t)
	p := b.Post(atFailover+"/pair", "host", `"><script>`, "port", "70000", "reverse_host", "", "reverse_port", "0")
	if p.Status != http.StatusUnprocessableEntity {
		t.Errorf("status %d", p.Status)
	}
	p.Has(t, "is no host: write a host name or an IP address", "Write a port from 1 to 65535", `value="70000"`, `&#34;&gt;&lt;script&gt;`)
}

func TestAWrongKeyLeadsToSecurity(t *testing.T) {
	t.Parallel()
	b := administer(t)
	pairWith(b, "/pair", admintest.KeyHost).Has(t, `<a href="`+page.Root+`/management/security">Look at the key of this appliance under Security</a>`)
}

func TestPairingTakesHostAndPortOfAURL(t *testing.T) {
	t.Parallel()
	b := administer(t)
	pairWith(b, "/pair", " https://Beta.example:8443/login ").Has(t, "beta.example:8443", `name="host" value="beta.example"`, `name="port" value="8443"`)
	pairWith(b, "/pair", "https://beta.example/").Has(t, "beta.example:443", `name="host" value="beta.example"`)
	p := b.Post(atFailover+"/pair", "host", "beta.example:8443", "port", "9443", "reverse_host", "198.51.100.1", "reverse_port", "443")
	p.Has(t, "This names port 8443, and the field for the port 9443: write the port once")
}

func TestNewerDataIsAskedForTwice(t *testing.T) {
	t.Parallel()
	b := administer(t)
	pairWith(b, "/pair", admintest.NewerHost).Has(t, "2 pieces of protected data, epoch 7", "It may be newer than the data here.")
	pairWith(b, "/establish", admintest.NewerHost).Has(t, "Asked once more", "Write beta to replace its data")
	pairWith(b, "/establish", admintest.NewerHost, "confirm", "alpha").Has(t, "This is not the name of the other appliance")
	if status, _ := b.Appliance.Backend().Overview.Status(t.Context()); status.Role != pair.Standalone {
		t.Fatal("established without the second yes")
	}
	pairWith(b, "/establish", admintest.NewerHost, "confirm", "beta").Has(t, "The relationship with beta is established.")
}

func TestRelationshipBreaks(t *testing.T) {
	t.Parallel()
	b := paired(t, pair.Primary)
	b.Get(atFailover+"/break").Has(t, "alpha and beta will no longer be a pair.")
	b.Appliance.Change(func(s *pair.Status) { s.Peer.Reachable = false })
	b.Post(atFailover+"/break").Has(t, "It does not answer, so it would not learn of this: bring it back", "Break it here although beta does not answer")
	b.Post(atFailover+"/break", "force", "true").Has(t, "The relationship is broken.", "New Backup Site Connection Details")
	if p := b.Get(atFailover + "/break"); p.Path != atFailover {
		t.Errorf("standalone, and led to %s", p.Path)
	}
}

func TestSyncIsStartedShownAndCancelled(t *testing.T) {
	t.Parallel()
	b := paired(t, pair.Backup)
	b.Appliance.Change(func(s *pair.Status) {
		s.Sync = pair.SyncStatus{Number: 18, State: pair.SyncRunning, BytesDone: 1_500_000, BytesTotal: 3_000_000, FilesDone: 5, FilesTotal: 9, Speed: 250_000, LeftMS: 6000, DataAgeMS: -1}
	})
	defer b.Appliance.HoldSwitches()()
	p := b.Post(atFailover + "/sync")
	p.Has(t, "50 %", "1.50 MB of 3.00 MB", "5 of 9 files", "250 kB/s", "6.0 s left", ">Cancel</button>")
	b.Post(atFailover+"/cancel").Has(t, "The data sync is cancelled.")
	b.Post(atFailover+"/cancel").Has(t, "No data sync is running: there is nothing to cancel.")
	b.Appliance.Change(func(s *pair.Status) { s.Sync.State, s.Sync.Error = pair.SyncFailed, "the disk is full" })
	b.Get(atFailover).Has(t, "The last data sync failed. The disk is full.")
}

func TestSwitchShowsItsPreflightFirst(t *testing.T) {
	t.Parallel()
	b := paired(t, pair.Backup)
	p := b.Get(atFailover + "/switch?role=primary&final=true")
	p.Has(t, "Pre-flight", "beta answers.", "Nothing is lost: the final data sync carries everything over.", ">Become Primary</button>")
	p.Lacks(t, "to confirm the loss")
	release := b.Appliance.HoldSwitches()
	p = b.Post(atFailover+"/switch", "role", "primary", "final", "true")
	if !strings.HasPrefix(p.Path, atFailover+"?task=") {
		t.Fatalf("led to %s", p.Path)
	}
	p.Has(t, "is under way. You may close this page: it goes on.")
	release()
	for ended := time.Now().Add(10 * time.Second); !strings.Contains(p.Body, "is done.") && time.Now().Before(ended); {
		p = b.Get(p.Path)
	}
	p.Has(t, "is done.")
}

func TestWhatWouldBeLostHasToBeConfirmedByName(t *testing.T) {
	t.Parallel()
	b := paired(t, pair.Backup)
	b.Get(atFailover+"/switch?role=primary").Has(t, "What beta changed in the last 12 s is not carried over: 3 files, 12.3 kB, and 2 changes of users, tokens or protected data.", "Write beta to confirm the loss")
	for _, typed := range []string{"", "alpha"} {
		p := b.Post(atFailover+"/switch", "role", "primary", "confirm", typed)
		if p.Status != http.StatusUnprocessableEntity {
			t.Errorf("confirmed with %q: %d", typed, p.Status)
		}
		p.Has(t, "Changes would be lost: write beta to confirm that.")
	}
	if p := b.Post(atFailover+"/switch", "role", "primary", "confirm", "beta"); !strings.Contains(p.Path, "task=") {
		t.Errorf("confirmed, and led to %s", p.Path)
	}
	paired(t, pair.Primary).Get(atFailover+"/switch?role=backup").Has(t, "What alpha changed", "Write alpha to confirm the loss", ">Become Backup</button>")
}

func TestForceIsForAdministrators(t *testing.T) {
	t.Parallel()
	b := paired(t, pair.Backup)
	b.Appliance.Change(func(s *pair.Status) { s.Peer.Reachable = false })
	p := b.Get(atFailover + "/switch?role=primary")
	p.Has(t, "beta does not answer.", "As asked, the switch would be refused.", "look at the switch by force")
	p.Lacks(t, ">Become Primary</button>")
	b.Post(atFailover+"/switch", "role", "primary", "confirm", "beta").Has(t, "The peer does not answer: look at it")
	b.Get(atFailover+"/switch?role=primary&force=true").Has(t, "is not known", "Write beta to confirm the loss")
	if p := b.Post(atFailover+"/switch", "role", "primary", "force", "true", "confirm", "beta"); !strings.Contains(p.Path, "task=") {
		t.Errorf("forced, and led to %s: %d", p.Path, p.Status)
	}
	o := b.Another().SignIn(pair.Operator)
	o.Get(atFailover+"/switch?role=primary").Lacks(t, "by force")
	for _, p := range []consoletest.Page{
		o.Get(atFailover + "/switch?role=primary&force=true"),
		o.Post(atFailover+"/switch", "role", "primary", "force", "true", "confirm", "beta"),
	} {
		if p.Status != http.StatusForbidden {
			t.Errorf("an operator forces: %d", p.Status)
		}
	}
}

func TestViewerOnlyLooks(t *testing.T) {
	t.Parallel()
	v := paired(t, pair.Primary).Another().SignIn(pair.Viewer)
	p := v.Get(atFailover)
	p.Has(t, "This host&#39;s status", "Enable Automatic Failover", "disabled")
	p.Lacks(t, "Sync Now", "Save Changes", ">Become Backup</button>", "Break Relationship", ">Test</button>")
	for _, path := range []string{"/pair", "/establish", "/break", "/sync", "/cancel", "/switch", "/settings", "/test"} {
		if p := v.Post(atFailover + path); p.Status != http.StatusForbidden {
			t.Errorf("a viewer posts to %s: %d", path, p.Status)
		}
	}
	for _, path := range []string{"/maintenance", "/maintenance/end", "/resume", "/diverged/x/delete"} {
		if p := v.Post(page.Root + "/status" + path); p.Status != http.StatusForbidden {
			t.Errorf("a viewer posts to %s: %d", path, p.Status)
		}
	}
}

// configured is what the form sends when nothing was changed.
func configured(b *consoletest.Browser, changes ...string) []string {
	b.T.Helper()
	saved, err := b.Appliance.Backend().Settings.Settings(b.T.Context())
	if err != nil {
		b.T.Fatal(err)
	}
	values := map[string]string{"version": strconv.FormatInt(saved.Version, 10)}
	for _, key := range failover.ConfigKeys() {
		values[key] = failover.FieldText(saved.Values, key)
	}
	for i := 0; i < len(changes); i += 2 {
		values[changes[i]] = changes[i+1]
	}
	var fields []string
	for name, value := range values {
		if value != "" { // as a browser leaves out a box that is not checked
			fields = append(fields, name, value)
		}
	}
	return fields
}

func TestConfigurationIsSaved(t *testing.T) {
	t.Parallel()
	b := paired(t, pair.Primary)
	p := b.Post(atFailover+"/settings", configured(b,
		"automatic_failover", "true", "primary_timeout", "2.5", "sync_schedule", "weekly", "sync_day", "sunday", "sync_time", "02:30",
		"bandwidth_limit", "20", "max_data_age", "90", "test_ips", "198.51.100.254\r\n2001:db8::1", "test_ips_required", "majority",
		"ip-198.51.100.10/24", "true")...)
	p.Has(t, "The changes are saved.", `value="2.5"`, `value="20"`, `value="90"`, "198.51.100.254\n2001:db8::1")
	saved, _ := b.Appliance.Backend().Settings.Settings(t.Context())
	s := saved.Values
	if !s.AutomaticFailover || s.PrimaryTimeout != 2500*time.Millisecond || s.BandwidthLimit != 2_500_000 || s.MaxDataAge != 90*time.Minute ||
		len(s.TestIPs) != 2 || s.SyncSchedule != pair.ScheduleWeekly || s.SyncDay != time.Sunday || s.SyncTime.String() != "02:30" {
		t.Errorf("saved %+v", s)
	}
	if status, _ := b.Appliance.Backend().Overview.Status(t.Context()); !status.SharedIPs[0].Shared {
		t.Error("the shared IP is not enabled")
	}
	b.Post(atFailover+"/settings", configured(b, "was-ip-198.51.100.10/24", "true")...)
	after, _ := b.Appliance.Backend().Settings.Settings(t.Context())
	if status, _ := b.Appliance.Backend().Overview.Status(t.Context()); status.SharedIPs[0].Shared || after.Values.PrimaryTimeout != s.PrimaryTimeout {
		t.Error("unchecking the shared IP did not disable it, or changed more")
	}
}

func TestConfigurationRefusesNonsenseAndKeepsIt(t *testing.T) {
	t.Parallel()
	b := paired(t, pair.Primary)
	p := b.Post(atFailover+"/settings", configured(b, "primary_timeout", "soon", "bandwidth_limit", "-3", "test_ips", "not an address", "sync_every", "9999999")...)
	if p.Status != http.StatusUnprocessableEntity {
		t.Errorf("status %d", p.Status)
	}
	p.Has(t, "write how many seconds", `value="soon"`, `value="-3"`, "not an address", "is not an IP address", `aria-invalid="true"`)
	p = b.Post(atFailover+"/settings", configured(b, "primary_timeout", "0.05")...)
	p.Has(t, "Use 100ms to 24h.")
	if saved, _ := b.Appliance.Backend().Settings.Settings(t.Context()); saved.Version != 1 {
		t.Error("a refused form was saved")
	}
}

// tab is configured as a page that was drawn now sends it, with changes.
func tab(b *consoletest.Browser, changes map[string]string) []string {
	b.T.Helper()
	saved, err := b.Appliance.Backend().Settings.Settings(b.T.Context())
	if err != nil {
		b.T.Fatal(err)
	}
	fields := []string{"version", strconv.FormatInt(saved.Version, 10)}
	for _, key := range failover.ConfigKeys() {
		value := failover.FieldText(saved.Values, key)
		fields = append(fields, "was-"+key, value)
		if changed, ok := changes[key]; ok {
			value = changed
		}
		if value != "" {
			fields = append(fields, key, value)
		}
	}
	return fields
}

func TestSecondWhoSavesIsTold(t *testing.T) {
	t.Parallel()
	b := paired(t, pair.Primary)
	mine := configured(b, "primary_timeout", "7")
	b.Post(atFailover+"/settings", configured(b, "primary_timeout", "9")...).Has(t, "The changes are saved.")
	p := b.Post(atFailover+"/settings", mine...)
	p.Has(t, "Somebody else has saved this while you were typing.", "Saved by somebody else meanwhile: 9.", `value="7"`, `name="version" value="2"`)
	if saved, _ := b.Appliance.Backend().Settings.Settings(t.Context()); saved.Values.PrimaryTimeout != 9*time.Second {
		t.Error("what was saved first is lost")
	}
	b.Post(atFailover+"/settings", configured(b, "primary_timeout", "7")...).Has(t, "The changes are saved.")
}

// Of two tabs, the second has to confirm only a field that both have changed; a field that
// was not touched takes the new value.
func TestTwoTabsChangeDifferentFields(t *testing.T) {
	t.Parallel()
	b := paired(t, pair.Primary)
	drawn := b.Get(atFailover)
	drawn.Has(t, `name="was-primary_timeout" value="5"`, `name="was-test_ips" value=""`, `name="was-automatic_failover" value=""`)
	first := tab(b, map[string]string{"primary_timeout": "9", "automatic_failover": "true"})
	second := tab(b, map[string]string{"max_data_age": "30", "primary_timeout": "7"})
	third := tab(b, map[string]string{"sync_every": "20"})
	b.Post(atFailover+"/settings", first...).Has(t, "The changes are saved.")
	b.Post(atFailover+"/settings", third...).Has(t, "The changes are saved.")
	p := b.Post(atFailover+"/settings", second...)
	p.Has(t, "Somebody else has saved this while you were typing.", "Saved by somebody else meanwhile: 9.", `value="7"`)
	if strings.Contains(p.Body, "Saved by somebody else meanwhile: 20") || strings.Contains(p.Body, "Saved by somebody else meanwhile: true") {
		t.Error("fields are asked about that only one has changed")
	}
	saved, err := b.Appliance.Backend().Settings.Settings(t.Context())
	if err != nil || saved.Values.PrimaryTimeout != 9*time.Second || !saved.Values.AutomaticFailover || saved.Values.SyncEvery != 20*time.Minute {
		t.Errorf("%+v, %v", saved.Values, err)
	}
}

// The boxes are this appliance's own: they can be saved while the settings of the
// pair cannot, and a form that did not change a box does not save it.
func TestBoxesOfTheApplianceAreSavedByWhoChangedThem(t *testing.T) {
	t.Parallel()
	const box, was = "ip-198.51.100.10/24", "was-ip-198.51.100.10/24"
	b := paired(t, pair.Backup)
	shared := func() bool {
		status, err := b.Appliance.Backend().Overview.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return status.SharedIPs[0].Shared
	}
	ticking, other := configured(b, box, "true", "version", "99"), configured(b, "primary_timeout", "7")
	b.Post(atFailover+"/settings", ticking...).Has(t, "The changes are saved.")
	if !shared() {
		t.Fatal("the box was not saved, though nothing else was to be")
	}
	b.Get(atFailover).Has(t, `name="`+was+`" value="true"`)
	b.Post(atFailover+"/settings", other...).Has(t, "The changes are saved.")
	if !shared() {
		t.Error("a page drawn before took the shared IP off again")
	}
	p := b.Post(atFailover+"/settings", append(other, "primary_timeout", "soon")...)
	p.Has(t, `name="`+was+`" value="true"`)
	b.Post(atFailover+"/settings", configured(b, was, "true")...)
	if shared() {
		t.Error("unchecking the box did not disable the shared IP")
	}
}

// Where the address is held, the site goes off with it: the page says that first.
func TestTakingTheSharedIPOffIsAskedTwice(t *testing.T) {
	t.Parallel()
	const box, was, off = "ip-198.51.100.10/24", "was-ip-198.51.100.10/24", "off-ip-198.51.100.10/24"
	const told = "Nobody reaches the site at 198.51.100.10 any more once this is saved: check the box again, or save once more to take it off."
	b := paired(t, pair.Primary)
	b.Appliance.Change(func(s *pair.Status) {
		s.SharedIPs = []pair.SharedIPStatus{{Address: "198.51.100.10/24", Shared: true, Held: true}}
	})
	saves := func(changes ...string) consoletest.Page {
		return b.Post(atFailover+"/settings", configured(b, append(changes, was, "true")...)...)
	}
	shared := func() bool {
		status, err := b.Appliance.Backend().Overview.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return status.SharedIPs[0].Shared
	}
	p := saves("primary_timeout", "7")
	p.Has(t, told, `name="`+off+`" value="true"`, `name="`+was+`" value="true"`, `value="7"`)
	if saved, _ := b.Appliance.Backend().Settings.Settings(t.Context()); saved.Version != 1 || !shared() {
		t.Fatal("saved without a second look")
	}
	p = saves(box, "true", off, "true", "primary_timeout", "soon")
	p.Lacks(t, off) // the box is checked again, so the page says it again next time
	p = saves(off, "true", "primary_timeout", "soon")
	p.Has(t, `name="`+off+`" value="true"`)
	saves(off, "true").Has(t, "The changes are saved.")
	if shared() {
		t.Error("saved once more, it is not off")
	}
}

func TestTestButtonTestsWhatIsTyped(t *testing.T) {
	t.Parallel()
	b := paired(t, pair.Primary)
	p := b.Post(atFailover+"/test", configured(b, "test_ips", "198.51.100.254\r\n203.0.113.9", "primary_timeout", "8")...)
	p.Has(t, "0.42 ms", "no answer within 2s", `value="8"`, "198.51.100.254\n203.0.113.9")
	b.Post(atFailover+"/test", configured(b)...).Has(t, "Write at least one address to test")
	b.Post(atFailover+"/test", configured(b, "test_ips", "nonsense")...).Has(t, "is not an IP address")
	if saved, _ := b.Appliance.Backend().Settings.Settings(t.Context()); saved.Version != 1 {
		t.Error("testing has saved something")
	}
	b.Another().SignIn(pair.Operator).Post(atFailover+"/test", "test_ips", "198.51.100.254").Has(t, "0.42 ms", "Continuous")
}

func TestFormsLeadBackToThePageWhenReloaded(t *testing.T) {
	t.Parallel()
	b := administer(t)
	for _, path := range []string{"/pair", "/establish", "/settings", "/test"} {
		if p := b.Get(atFailover + path); p.Path != atFailover {
			t.Errorf("%s led to %s", path, p.Path)
		}
	}
}

func TestStatusHistoryExplains(t *testing.T) {
	t.Parallel()
	b := paired(t, pair.Primary)
	b.Appliance.Record(pair.KindTakeover, "backup suspect → primary claiming: gone", map[string]string{
		"from": "backup suspect", "to": "primary claiming", "reason": "The primary did not answer for the whole timeout.", "epoch": "4@0a11ce00", "snapshot": "17",
		"peer_heard": "2030-01-02T03:04:00.500Z", "silent_ms": "5000", "poll_failure": "no answer", "test_ips": "2",
		"test_ips_answer_since": "2030-01-02T03:04:02.000Z", "shared_ip_free_since": "2030-01-02T03:04:02.100Z", "data_age_ms": "5800",
	})
	b.Get(atFailover).Has(t, "backup, suspect → primary, claiming", "alpha took over. The primary did not answer for the whole timeout.", "last heard at 03:04:00.500, 5.0 s before; the newest poll failed: no answer",
		"enough of 2 test IPs have answered since 03:04:02.000", "nobody has answered for it since", "5.8 s: what changed", "epoch 4@0a11ce00, snapshot 17")
}

func TestASuspectPeerIsNotSaidToServe(t *testing.T) {
	t.Parallel()
	b := administer(t)
	pairWith(b, "/establish", "beta.example")
	b.Appliance.Change(func(s *pair.Status) {
		s.Role, s.State = pair.Backup, pair.Suspect
		s.Peer.Role, s.Peer.State, s.Peer.Reachable = pair.Primary, pair.Steady, true
		s.Peer.Report = &pair.PeerReport{Report: pair.Report{SharedIPs: s.SharedIPs}}
	})
	p := b.Get(atFailover)
	p.Has(t, "It does not answer. It was primary when last heard")
	p.Lacks(t, "it serves the site")
}
