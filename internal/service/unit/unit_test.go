package unit

import (
	"testing"

	"baton/internal/service/keeper"
	"baton/internal/systemd"
)

func TestAnotherNameOfAUnitIsRefused(t *testing.T) {
	if err := ofSite(systemd.Unit{Name: "web.service", ID: "cron.service"}); err == nil || err.Error() != "web.service is another name of cron.service on this machine: add the service by that name" {
		t.Error(err)
	}
	for _, own := range []string{"web.service", ""} { // one that is not there
		if err := ofSite(systemd.Unit{Name: "web.service", ID: own}); err != nil {
			t.Error(err)
		}
	}
}

func TestWhatStartsAtBoot(t *testing.T) {
	for state, want := range map[string]string{"enabled": "multi-user.target", "enabled-runtime": "multi-user.target", "generated": "multi-user.target", "disabled": ""} {
		if got := atBoot([]systemd.Unit{{FileState: state, WantedBy: []string{"multi-user.target"}}}); got.By != want {
			t.Errorf("%s: %q starts it", state, got)
		}
	}
	service := systemd.Unit{Name: "web.service", FileState: "disabled"}
	socket := systemd.Unit{Name: "web.socket", FileState: "enabled", WantedBy: []string{"sockets.target"}}
	if got := atBoot([]systemd.Unit{service, socket}); got != (keeper.AtBoot{Unit: "web.socket", By: "sockets.target"}) {
		t.Errorf("a socket starts it: %+v", got)
	}
}
