package console

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"baton/internal/admin/admintest"
	"baton/internal/api"
	"baton/internal/pair"
)

// atFailover is the address of Management > Failover.
const atFailover = Root + failoverPath

func (p page) lacks(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(p.body, text) {
			t.Errorf("%s shows %q:\n%s", p.path, text, p.body)
		}
	}
}

// administer opens a console whose appliance has a key, signed in as an
// administrator.
func administer(t *testing.T) *browser {
	t.Helper()
	b := open(t)
	if _, err := b.appliance.Backend().Keys.SetKey(t.Context(), "a key that is long enough"); err != nil {
		t.Fatal(err)
	}
	return b.signIn(pair.Administrator)
}

// paired is administer with a relationship; this appliance has the role.
func paired(t *testing.T, role pair.Role) *browser {
	t.Helper()
	b := administer(t)
	if _, err := b.appliance.Backend().Relationship.Pair(t.Context(), api.PairRequest{Address: "beta.example"}); err != nil {
		t.Fatal(err)
	}
	b.appliance.Change(func(s *pair.Status) {
		s.Role, s.Peer.Role = role, pair.Primary
		if role == pair.Primary {
			s.Peer.Role = pair.Backup
		}
	})
	return b
}

func (b *browser) pairWith(path, host string, more ...string) page {
	b.t.Helper()
	fields := append([]string{"host", host, "port", "443", "reverse_host", "198.51.100.1", "reverse_port", "443"}, more...)
	return b.post(atFailover+path, fields...)
}

func TestUnpairedPageAsksForTheNewBackup(t *testing.T) {
	t.Parallel()
	b := administer(t)
	p := b.get(atFailover)
	p.has(t, "New Backup Site Connection Details", "TLS Port", "Reverse connection details to this primary site", "Establish Relationship",
		`value="198.51.100.1"`, `value="443"`)
	p.lacks(t, "Sync Now", "Break Relationship", "No Inter-appliance Communication Pre-shared Key")
	open(t).signIn(pair.Administrator).get(atFailover).has(t, "No Inter-appliance Communication Pre-shared Key is saved here")
}

func TestRelationshipIsEstablishedAfterNamingBoth(t *testing.T) {
	t.Parallel()
	b := administer(t)
	p := b.pairWith("/pair", "beta.example")
	p.has(t, "All site data on beta will be replaced by that of alpha.", "beta.example:443", "198.51.100.1:443", `value="beta.example"`)
	if status, _ := b.appliance.Backend().Overview.Status(t.Context()); status.Role != pair.Standalone {
		t.Fatal("asking has established the relationship")
	}
	p = b.pairWith("/establish", "beta.example")
	if p.path != atFailover {
		t.Fatalf("led to %s", p.path)
	}
	p.has(t, "The relationship with beta is established.", "This host&#39;s status", "Peer host&#39;s status", "Status history", "Sync Now", "Become Backup", "Break Relationship")
}

// An administrator who protects nothing is told so before the relationship, and the
// public site is protected with one click.
func TestThePublicSiteIsProtectedWithTheRelationship(t *testing.T) {
	t.Parallel()
	b := administer(t)
	public := b.appliance.Tree() + "/public"
	b.pairWith("/pair", "beta.example").has(t, "no directory yet", "Protect "+public+" as well", "a takeover would serve an empty site")
	b.get(Root+protectionPath).has(t, "The public site is not protected", "Protect "+public)
	b.pairWith("/establish", "beta.example", "protect", "true")
	if data, err := b.appliance.Backend().Data.Data(t.Context()); err != nil || len(data) != 1 || data[0].Path != public {
		t.Fatalf("%+v, %v", data, err)
	}
	b.get(Root+protectionPath).lacks(t, "The public site is not protected")
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
		p := b.pairWith("/pair", host)
		if p.status < 400 {
			t.Errorf("%s: %d", host, p.status)
		}
		p.has(t, want, `value="`+host+`"`)
	}
	b.pairWith("/pair", admintest.ClockHost).has(t, "The clocks of the two appliances differ by 1 h.", "Set both clocks.")
}

func TestPairingRefusesNonsenseAndKeepsWhatWasTyped(t *testing.T) {
	t.Parallel()
	b := administer(t)
	p := b.post(atFailover+"/pair", "host", `"><script>`, "port", "70000", "reverse_host", "", "reverse_port", "0")
	if p.status != http.StatusUnprocessableEntity {
		t.Errorf("status %d", p.status)
	}
	p.has(t, "is no host: write a host name or an IP address", "Write a port from 1 to 65535", `value="70000"`, `&#34;&gt;&lt;script&gt;`)
}

func TestAWrongKeyLeadsToSecurity(t *testing.T) {
	t.Parallel()
	b := administer(t)
	b.pairWith("/pair", admintest.KeyHost).has(t, `<a href="`+Root+`/management/security">Look at the key of this appliance under Security</a>`)
}

func TestPairingTakesHostAndPortOfAURL(t *testing.T) {
	t.Parallel()
	b := administer(t)
	b.pairWith("/pair", " https://Beta.example:8443/login ").has(t, "beta.example:8443", `name="host" value="beta.example"`, `name="port" value="8443"`)
	b.pairWith("/pair", "https://beta.example/").has(t, "beta.example:443", `name="host" value="beta.example"`)
	p := b.post(atFailover+"/pair", "host", "beta.example:8443", "port", "9443", "reverse_host", "198.51.100.1", "reverse_port", "443")
	p.has(t, "This names port 8443, and the field for the port 9443: write the port once")
}

func TestNewerDataIsAskedForTwice(t *testing.T) {
	t.Parallel()
	b := administer(t)
	b.pairWith("/pair", admintest.NewerHost).has(t, "2 pieces of protected data, epoch 7", "It may be newer than the data here.")
	b.pairWith("/establish", admintest.NewerHost).has(t, "Asked once more", "Write beta to replace its data")
	b.pairWith("/establish", admintest.NewerHost, "confirm", "alpha").has(t, "This is not the name of the other appliance")
	if status, _ := b.appliance.Backend().Overview.Status(t.Context()); status.Role != pair.Standalone {
		t.Fatal("established without the second yes")
	}
	b.pairWith("/establish", admintest.NewerHost, "confirm", "beta").has(t, "The relationship with beta is established.")
}

func TestRelationshipBreaks(t *testing.T) {
	t.Parallel()
	b := paired(t, pair.Primary)
	b.get(atFailover+"/break").has(t, "alpha and beta will no longer be a pair.")
	b.appliance.Change(func(s *pair.Status) { s.Peer.Reachable = false })
	b.post(atFailover+"/break").has(t, "It does not answer, so it would not learn of this: bring it back", "Break it here although beta does not answer")
	b.post(atFailover+"/break", "force", "true").has(t, "The relationship is broken.", "New Backup Site Connection Details")
	if p := b.get(atFailover + "/break"); p.path != atFailover {
		t.Errorf("standalone, and led to %s", p.path)
	}
}

func TestSyncIsStartedShownAndCancelled(t *testing.T) {
	t.Parallel()
	b := paired(t, pair.Backup)
	b.appliance.Change(func(s *pair.Status) {
		s.Sync = pair.SyncStatus{Number: 18, State: pair.SyncRunning, BytesDone: 1_500_000, BytesTotal: 3_000_000, FilesDone: 5, FilesTotal: 9, Speed: 250_000, LeftMS: 6000, DataAgeMS: -1}
	})
	defer b.appliance.HoldSwitches()()
	p := b.post(atFailover + "/sync")
	p.has(t, "50 %", "1.50 MB of 3.00 MB", "5 of 9 files", "250 kB/s", "6.0 s left", ">Cancel</button>")
	b.post(atFailover+"/cancel").has(t, "The data sync is cancelled.")
	b.post(atFailover+"/cancel").has(t, "No data sync is running: there is nothing to cancel.")
	b.appliance.Change(func(s *pair.Status) { s.Sync.State, s.Sync.Error = pair.SyncFailed, "the disk is full" })
	b.get(atFailover).has(t, "The last data sync failed. The disk is full.")
}

func TestSwitchShowsItsPreflightFirst(t *testing.T) {
	t.Parallel()
	b := paired(t, pair.Backup)
	p := b.get(atFailover + "/switch?role=primary&final=true")
	p.has(t, "Pre-flight", "beta answers.", "Nothing is lost: the final data sync carries everything over.", ">Become Primary</button>")
	p.lacks(t, "to confirm the loss")
	release := b.appliance.HoldSwitches()
	p = b.post(atFailover+"/switch", "role", "primary", "final", "true")
	if !strings.HasPrefix(p.path, atFailover+"?task=") {
		t.Fatalf("led to %s", p.path)
	}
	p.has(t, "is under way. You may close this page: it goes on.")
	release()
	for ended := time.Now().Add(10 * time.Second); !strings.Contains(p.body, "is done.") && time.Now().Before(ended); {
		p = b.get(p.path)
	}
	p.has(t, "is done.")
}

func TestWhatWouldBeLostHasToBeConfirmedByName(t *testing.T) {
	t.Parallel()
	b := paired(t, pair.Backup)
	b.get(atFailover+"/switch?role=primary").has(t, "What beta changed in the last 12 s is not carried over: 3 files, 12.3 kB, and 2 changes of users, tokens or protected data.", "Write beta to confirm the loss")
	for _, typed := range []string{"", "alpha"} {
		p := b.post(atFailover+"/switch", "role", "primary", "confirm", typed)
		if p.status != http.StatusUnprocessableEntity {
			t.Errorf("confirmed with %q: %d", typed, p.status)
		}
		p.has(t, "Changes would be lost: write beta to confirm that.")
	}
	if p := b.post(atFailover+"/switch", "role", "primary", "confirm", "beta"); !strings.Contains(p.path, "task=") {
		t.Errorf("confirmed, and led to %s", p.path)
	}
	paired(t, pair.Primary).get(atFailover+"/switch?role=backup").has(t, "What alpha changed", "Write alpha to confirm the loss", ">Become Backup</button>")
}

func TestForceIsForAdministrators(t *testing.T) {
	t.Parallel()
	b := paired(t, pair.Backup)
	b.appliance.Change(func(s *pair.Status) { s.Peer.Reachable = false })
	p := b.get(atFailover + "/switch?role=primary")
	p.has(t, "beta does not answer.", "As asked, the switch would be refused.", "look at the switch by force")
	p.lacks(t, ">Become Primary</button>")
	b.post(atFailover+"/switch", "role", "primary", "confirm", "beta").has(t, "The peer does not answer: look at it")
	b.get(atFailover+"/switch?role=primary&force=true").has(t, "is not known", "Write beta to confirm the loss")
	if p := b.post(atFailover+"/switch", "role", "primary", "force", "true", "confirm", "beta"); !strings.Contains(p.path, "task=") {
		t.Errorf("forced, and led to %s: %d", p.path, p.status)
	}
	o := b.another().signIn(pair.Operator)
	o.get(atFailover+"/switch?role=primary").lacks(t, "by force")
	for _, p := range []page{
		o.get(atFailover + "/switch?role=primary&force=true"),
		o.post(atFailover+"/switch", "role", "primary", "force", "true", "confirm", "beta"),
	} {
		if p.status != http.StatusForbidden {
			t.Errorf("an operator forces: %d", p.status)
		}
	}
}

func TestViewerOnlyLooks(t *testing.T) {
	t.Parallel()
	v := paired(t, pair.Primary).another().signIn(pair.Viewer)
	p := v.get(atFailover)
	p.has(t, "This host&#39;s status", "Enable Automatic Failover", "disabled")
	p.lacks(t, "Sync Now", "Save Changes", ">Become Backup</button>", "Break Relationship", ">Test</button>")
	for _, path := range []string{"/pair", "/establish", "/break", "/sync", "/cancel", "/switch", "/settings", "/test"} {
		if p := v.post(atFailover + path); p.status != http.StatusForbidden {
			t.Errorf("a viewer posts to %s: %d", path, p.status)
		}
	}
	for _, path := range []string{"/maintenance", "/maintenance/end", "/resume", "/diverged/x/delete"} {
		if p := v.post(Root + "/status" + path); p.status != http.StatusForbidden {
			t.Errorf("a viewer posts to %s: %d", path, p.status)
		}
	}
}

// configured is what the form sends when nothing was changed.
func (b *browser) configured(changes ...string) []string {
	b.t.Helper()
	saved, err := b.appliance.Backend().Settings.Settings(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	values := map[string]string{"version": strconv.FormatInt(saved.Version, 10)}
	for _, key := range configKeys() {
		values[key] = typed(saved.Values, key)
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
	p := b.post(atFailover+"/settings", b.configured(
		"automatic_failover", "true", "primary_timeout", "2.5", "sync_schedule", "weekly", "sync_day", "sunday", "sync_time", "02:30",
		"bandwidth_limit", "20", "max_data_age", "90", "test_ips", "198.51.100.254\r\n2001:db8::1", "test_ips_required", "majority",
		"ip-198.51.100.10/24", "true")...)
	p.has(t, "The changes are saved.", `value="2.5"`, `value="20"`, `value="90"`, "198.51.100.254\n2001:db8::1")
	saved, _ := b.appliance.Backend().Settings.Settings(t.Context())
	s := saved.Values
	if !s.AutomaticFailover || s.PrimaryTimeout != 2500*time.Millisecond || s.BandwidthLimit != 2_500_000 || s.MaxDataAge != 90*time.Minute ||
		len(s.TestIPs) != 2 || s.SyncSchedule != pair.ScheduleWeekly || s.SyncDay != time.Sunday || s.SyncTime.String() != "02:30" {
		t.Errorf("saved %+v", s)
	}
	if status, _ := b.appliance.Backend().Overview.Status(t.Context()); !status.SharedIPs[0].Shared {
		t.Error("the shared IP is not enabled")
	}
	b.post(atFailover+"/settings", b.configured("was-ip-198.51.100.10/24", "true")...)
	after, _ := b.appliance.Backend().Settings.Settings(t.Context())
	if status, _ := b.appliance.Backend().Overview.Status(t.Context()); status.SharedIPs[0].Shared || after.Values.PrimaryTimeout != s.PrimaryTimeout {
		t.Error("unchecking the shared IP did not disable it, or changed more")
	}
}

func TestConfigurationRefusesNonsenseAndKeepsIt(t *testing.T) {
	t.Parallel()
	b := paired(t, pair.Primary)
	p := b.post(atFailover+"/settings", b.configured("primary_timeout", "soon", "bandwidth_limit", "-3", "test_ips", "not an address", "sync_every", "9999999")...)
	if p.status != http.StatusUnprocessableEntity {
		t.Errorf("status %d", p.status)
	}
	p.has(t, "write how many seconds", `value="soon"`, `value="-3"`, "not an address", "is not an IP address", `aria-invalid="true"`)
	p = b.post(atFailover+"/settings", b.configured("primary_timeout", "0.1")...)
	p.has(t, "Use 200ms to 24h.")
	if saved, _ := b.appliance.Backend().Settings.Settings(t.Context()); saved.Version != 1 {
		t.Error("a refused form was saved")
	}
}

// tab is configured as a page that was drawn now sends it, with changes.
func (b *browser) tab(changes map[string]string) []string {
	b.t.Helper()
	saved, err := b.appliance.Backend().Settings.Settings(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	fields := []string{"version", strconv.FormatInt(saved.Version, 10)}
	for _, key := range configKeys() {
		value := typed(saved.Values, key)
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
	mine := b.configured("primary_timeout", "7")
	b.post(atFailover+"/settings", b.configured("primary_timeout", "9")...).has(t, "The changes are saved.")
	p := b.post(atFailover+"/settings", mine...)
	p.has(t, "Somebody else has saved this while you were typing.", "Saved by somebody else meanwhile: 9.", `value="7"`, `name="version" value="2"`)
	if saved, _ := b.appliance.Backend().Settings.Settings(t.Context()); saved.Values.PrimaryTimeout != 9*time.Second {
		t.Error("what was saved first is lost")
	}
	b.post(atFailover+"/settings", b.configured("primary_timeout", "7")...).has(t, "The changes are saved.")
}

// In two tabs, only a field that both have changed is asked about; what was not touched
// takes the new value.
func TestTwoTabsChangeDifferentFields(t *testing.T) {
	t.Parallel()
	b := paired(t, pair.Primary)
	drawn := b.get(atFailover)
	drawn.has(t, `name="was-primary_timeout" value="5"`, `name="was-test_ips" value=""`, `name="was-automatic_failover" value=""`)
	first := b.tab(map[string]string{"primary_timeout": "9", "automatic_failover": "true"})
	second := b.tab(map[string]string{"max_data_age": "30", "primary_timeout": "7"})
	third := b.tab(map[string]string{"sync_every": "20"})
	b.post(atFailover+"/settings", first...).has(t, "The changes are saved.")
	b.post(atFailover+"/settings", third...).has(t, "The changes are saved.")
	p := b.post(atFailover+"/settings", second...)
	p.has(t, "Somebody else has saved this while you were typing.", "Saved by somebody else meanwhile: 9.", `value="7"`)
	if strings.Contains(p.body, "Saved by somebody else meanwhile: 20") || strings.Contains(p.body, "Saved by somebody else meanwhile: true") {
		t.Error("fields are asked about that only one has changed")
	}
	saved, err := b.appliance.Backend().Settings.Settings(t.Context())
	if err != nil || saved.Values.PrimaryTimeout != 9*time.Second || !saved.Values.AutomaticFailover || saved.Values.SyncEvery != 20*time.Minute {
		t.Errorf("%+v, %v", saved.Values, err)
	}
}

// The boxes are this appliance's own: they can be saved while the settings of the
// pair cannot, and only who changed one saves it.
func TestBoxesOfTheApplianceAreSavedByWhoChangedThem(t *testing.T) {
	t.Parallel()
	const box, was = "ip-198.51.100.10/24", "was-ip-198.51.100.10/24"
	b := paired(t, pair.Backup)
	shared := func() bool {
		status, err := b.appliance.Backend().Overview.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return status.SharedIPs[0].Shared
	}
	ticking, other := b.configured(box, "true", "version", "99"), b.configured("primary_timeout", "7")
	b.post(atFailover+"/settings", ticking...).has(t, "The changes are saved.")
	if !shared() {
		t.Fatal("the box was not saved, though nothing else was to be")
	}
	b.get(atFailover).has(t, `name="`+was+`" value="true"`)
	b.post(atFailover+"/settings", other...).has(t, "The changes are saved.")
	if !shared() {
		t.Error("a page drawn before took the shared IP off again")
	}
	p := b.post(atFailover+"/settings", append(other, "primary_timeout", "soon")...)
	p.has(t, `name="`+was+`" value="true"`)
	b.post(atFailover+"/settings", b.configured(was, "true")...)
	if shared() {
		t.Error("unchecking the box did not disable the shared IP")
	}
}

// Who holds the address takes the site off with it, so that is said before.
func TestTakingTheSharedIPOffIsAskedTwice(t *testing.T) {
	t.Parallel()
	const box, was, off = "ip-198.51.100.10/24", "was-ip-198.51.100.10/24", "off-ip-198.51.100.10/24"
	const told = "Nobody reaches the site at 198.51.100.10 any more once this is saved: check the box again, or save once more to take it off."
	b := paired(t, pair.Primary)
	b.appliance.Change(func(s *pair.Status) {
		s.SharedIPs = []pair.SharedIPStatus{{Address: "198.51.100.10/24", Shared: true, Held: true}}
	})
	saves := func(changes ...string) page {
		return b.post(atFailover+"/settings", b.configured(append(changes, was, "true")...)...)
	}
	shared := func() bool {
		status, err := b.appliance.Backend().Overview.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return status.SharedIPs[0].Shared
	}
	p := saves("primary_timeout", "7")
	p.has(t, told, `name="`+off+`" value="true"`, `name="`+was+`" value="true"`, `value="7"`)
	if saved, _ := b.appliance.Backend().Settings.Settings(t.Context()); saved.Version != 1 || !shared() {
		t.Fatal("saved without a second look")
	}
	p = saves(box, "true", off, "true", "primary_timeout", "soon")
	p.lacks(t, off) // checked again: the next time it is said again
	p = saves(off, "true", "primary_timeout", "soon")
	p.has(t, `name="`+off+`" value="true"`)
	saves(off, "true").has(t, "The changes are saved.")
	if shared() {
		t.Error("saved once more, it is not off")
	}
}

func TestTestButtonTestsWhatIsTyped(t *testing.T) {
	t.Parallel()
	b := paired(t, pair.Primary)
	p := b.post(atFailover+"/test", b.configured("test_ips", "198.51.100.254\r\n203.0.113.9", "primary_timeout", "8")...)
	p.has(t, "0.42 ms", "no answer within 2s", `value="8"`, "198.51.100.254\n203.0.113.9")
	b.post(atFailover+"/test", b.configured()...).has(t, "Write at least one address to test")
	b.post(atFailover+"/test", b.configured("test_ips", "nonsense")...).has(t, "is not an IP address")
	if saved, _ := b.appliance.Backend().Settings.Settings(t.Context()); saved.Version != 1 {
		t.Error("testing has saved something")
	}
	b.another().signIn(pair.Operator).post(atFailover+"/test", "test_ips", "198.51.100.254").has(t, "0.42 ms", "Continuous")
}

func TestFormsLeadBackToThePageWhenReloaded(t *testing.T) {
	t.Parallel()
	b := administer(t)
	for _, path := range []string{"/pair", "/establish", "/settings", "/test"} {
		if p := b.get(atFailover + path); p.path != atFailover {
			t.Errorf("%s led to %s", path, p.path)
		}
	}
}

func TestStatusHistoryExplains(t *testing.T) {
	t.Parallel()
	b := paired(t, pair.Primary)
	b.appliance.Record(pair.KindTakeover, "backup suspect → primary claiming: gone", map[string]string{
		"from": "backup suspect", "to": "primary claiming", "reason": "The primary did not answer for the whole timeout.", "epoch": "4@0a11ce00", "snapshot": "17",
		"peer_heard": "2030-01-02T03:04:00.500Z", "silent_ms": "5000", "poll_failure": "no answer", "test_ips": "2",
		"test_ips_answer_since": "2030-01-02T03:04:02.000Z", "shared_ip_free_since": "2030-01-02T03:04:02.100Z", "data_age_ms": "5800",
	})
	b.get(atFailover).has(t, "backup, suspect → primary, claiming", "alpha took over. The primary did not answer for the whole timeout.", "last heard at 03:04:00.500, 5.0 s before; the newest poll failed: no answer",
		"enough of 2 test IPs have answered since 03:04:02.000", "nobody has answered for it since", "5.8 s: what changed", "epoch 4@0a11ce00, snapshot 17")
}

func TestASuspectPeerIsNotSaidToServe(t *testing.T) {
	t.Parallel()
	b := administer(t)
	b.pairWith("/establish", "beta.example")
	b.appliance.Change(func(s *pair.Status) {
		s.Role, s.State = pair.Backup, pair.Suspect
		s.Peer.Role, s.Peer.State, s.Peer.Reachable = pair.Primary, pair.Steady, true
		s.Peer.Report = &pair.PeerReport{Report: pair.Report{SharedIPs: s.SharedIPs}}
	})
	p := b.get(atFailover)
	p.has(t, "It does not answer. It was primary when last heard")
	p.lacks(t, "it serves the site")
}
