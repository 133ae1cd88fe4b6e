package admin_test

import (
	"strings"
	"testing"

	"baton/internal/admin/admintest"
	"baton/internal/api"
	"baton/internal/pair"
)

// TestWhatTheBackupWouldNotTakeIsNotProtected has the peer not allow a directory that this
// appliance allows.
func TestWhatTheBackupWouldNotTakeIsNotProtected(t *testing.T) {
	t.Parallel()
	appliance := admintest.New(t)
	appliance.Change(func(s *pair.Status) {
		s.Role, s.Peer = pair.Primary, &pair.PeerStatus{Name: "beta", Reachable: true}
	})
	data := appliance.Backend().Data
	site := api.DataSpec{Name: "site", Kind: "dir", Path: appliance.Directory(t, "site")}
	appliance.PeerAllows("/elsewhere")
	err := data.AddData(t.Context(), site)
	if pair.CodeOf(err) != pair.Usage || !strings.Contains(err.Error(), "cannot be protected on beta") ||
		!strings.Contains(err.Error(), "run as root there: baton data allow "+site.Path) {
		t.Errorf("added what the peer refuses: %v", err)
	}
	if all, err := data.Data(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("protected: %v, %v", all, err)
	}
	appliance.PeerAllows(appliance.Tree())
	if err := data.AddData(t.Context(), site); err != nil {
		t.Error(err)
	}
}

// TestAPeerThatDoesNotAnswerRefusesNoData adds data while the peer is away.
func TestAPeerThatDoesNotAnswerRefusesNoData(t *testing.T) {
	t.Parallel()
	appliance := admintest.New(t)
	appliance.Change(func(s *pair.Status) {
		s.Role, s.Peer = pair.Primary, &pair.PeerStatus{Name: "beta"}
	})
	if err := appliance.Backend().Data.AddData(t.Context(), api.DataSpec{Name: "site", Kind: "dir", Path: appliance.Directory(t, "site")}); err != nil {
		t.Error(err)
	}
}
