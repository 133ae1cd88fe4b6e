package admin_test

import (
	"strings"
	"testing"

	"baton/internal/admin/admintest"
	"baton/internal/api"
	"baton/internal/pair"
)

// TestThePathOfThePeerIsThePeersToAllow protects a directory that lies elsewhere on the peer.
func TestThePathOfThePeerIsThePeersToAllow(t *testing.T) {
	t.Parallel()
	appliance := admintest.New(t)
	data := appliance.Backend().Data
	site := api.DataSpec{Name: "site", Kind: "dir", Path: appliance.Directory(t, "site"), PeerPath: "/elsewhere/site", Exclude: []string{"cache/"}}
	if err := data.AddData(t.Context(), site); pair.CodeOf(err) != pair.Usage || !strings.Contains(err.Error(), "establish the relationship first") {
		t.Errorf("without a peer: %v", err)
	}
	appliance.Change(func(s *pair.Status) {
		s.Role, s.Peer = pair.Primary, &pair.PeerStatus{ID: pair.ApplianceID(strings.Repeat("b", 32)), Name: "beta", Reachable: true}
	})
	appliance.PeerAllows(appliance.Tree())
	if err := data.AddData(t.Context(), site); pair.CodeOf(err) != pair.Usage || !strings.Contains(err.Error(), "run as root there: baton data allow /elsewhere/site") {
		t.Errorf("what the peer does not allow: %v", err)
	}
	appliance.PeerAllows("/elsewhere")
	if checks, err := data.TestData(t.Context(), site); err != nil || !checks[0].OK {
		t.Errorf("tested: %+v, %v", checks, err)
	}
	if err := data.AddData(t.Context(), site); err != nil {
		t.Fatal(err)
	}
	if err := data.SetExclude(t.Context(), api.Named[api.Excluded]{Name: "site", Body: api.Excluded{Patterns: []string{"*.tmp"}}}); err != nil {
		t.Fatal(err)
	}
	all, err := data.Data(t.Context())
	if err != nil || len(all) != 1 || all[0].Path != site.Path || all[0].PeerPath != "/elsewhere/site" || all[0].Exclude[0] != "*.tmp" {
		t.Errorf("protected: %+v, %v", all, err)
	}
}
