package status

import (
	"slices"
	"strings"
	"testing"

	"baton/internal/pair"
)

func installed(ports ...string) *pair.Installed {
	return &pair.Installed{
		Services: []pair.InstalledService{{Name: "web", Ports: ports}},
		Owners:   []pair.Owner{{ID: 33, Name: "www-data"}},
	}
}

// What a check says is "ok" only if nothing else says that it is not, and if it is known.
func TestWhatDoctorSaysOfBothSides(t *testing.T) {
	for what, c := range map[string]struct {
		change func(*bothSides)
		ok     []string // ids of checks that pass, in order
		not    string   // id of one that does not
	}{
		"all is the same":      {change: func(*bothSides) {}, ok: []string{"versions", "dry-start", "owners", "way-back"}},
		"another version":      {func(b *bothSides) { b.there.Version = "2" }, []string{"dry-start", "owners", "way-back"}, "versions"},
		"it could not start":   {change: func(b *bothSides) { b.open = []string{"dry-start-failed"} }, ok: []string{"versions", "owners", "way-back"}},
		"it is not allowed":    {change: func(b *bothSides) { b.open = []string{"service-not-allowed"} }, ok: []string{"versions", "owners", "way-back"}},
		"it differs":           {change: func(b *bothSides) { b.open = []string{"services-differ"} }, ok: []string{"versions", "owners", "way-back"}},
		"owners differ":        {change: func(b *bothSides) { b.open = []string{"owners-differ"} }, ok: []string{"versions", "dry-start", "way-back"}},
		"no services":          {change: func(b *bothSides) { b.here.Installed = &pair.Installed{} }, ok: []string{"versions", "owners", "way-back"}},
		"it does not say how":  {func(b *bothSides) { b.there.Installed = nil }, []string{"versions", "way-back"}, "dry-start"},
		"it has fewer":         {func(b *bothSides) { b.there.Installed = &pair.Installed{} }, []string{"versions", "way-back"}, "dry-start"},
		"nobody could read it": {func(b *bothSides) { b.there.Installed.Services[0].Unread = []string{"/srv/x (permission denied)"} }, []string{"versions", "owners", "way-back"}, "dry-start"},
		"ports are unknown":    {func(b *bothSides) { b.here.Installed.PortsUnknown = "the kernel does not say" }, []string{"versions", "owners", "way-back"}, "dry-start"},
		"no way back":          {change: func(b *bothSides) { b.there.Reaches = new(false) }, ok: []string{"versions", "dry-start", "owners"}},
		"it is not tried":      {change: func(b *bothSides) { b.there.Reaches = nil }, ok: []string{"versions", "dry-start", "owners"}},
	} {
		t.Run(what, func(t *testing.T) {
			b := bothSides{
				own: "beta", peer: "alpha",
				here:  pair.Report{Version: "1", Role: pair.Backup, Installed: installed()},
				there: pair.Report{Version: "1", Role: pair.Primary, Installed: installed("tcp *:80"), Reaches: new(true)},
			}
			c.change(&b)
			var ok, not []string
			for _, check := range b.checks() {
				if check.OK {
					ok = append(ok, check.ID)
				} else {
					not = append(not, check.ID)
				}
			}
			if !slices.Equal(ok, c.ok) || strings.Join(not, " ") != c.not {
				t.Errorf("%v pass, and %v do not", ok, not)
			}
		})
	}
}

// Ports are told to be free only if it is known which the primary has.
func TestPortsAreToldIfTheyAreKnown(t *testing.T) {
	b := bothSides{own: "beta", peer: "alpha", here: pair.Report{Role: pair.Backup, Installed: installed()}, there: pair.Report{Role: pair.Primary, Installed: installed()}}
	if text := b.services().Text; strings.Contains(text, "port") {
		t.Error(text)
	}
	b.there.Installed = installed("tcp *:80")
	if text := b.services().Text; !strings.HasSuffix(text, "; no other program has their ports on the backup.") {
		t.Error(text)
	}
}
