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
	units := map[string]systemd.Unit{
		"sockets.target": {WantedBy: []string{"basic.target"}},
		"app.service":    {WantedBy: []string{"multi-user.target"}},
		"idle.service":   {RequiredBy: []string{"other.service"}},
		"other.service":  {WantedBy: []string{"idle.service"}},
		"rescue.target":  {},
	}
	one := func(state string, wantedBy ...string) []systemd.Unit {
		return []systemd.Unit{{Name: "web.service", FileState: state, WantedBy: wantedBy}}
	}
	for name, c := range map[string]struct {
		starters []systemd.Unit
		want     keeper.AtBoot
	}{
		"enabled":                    {one("enabled", "multi-user.target"), keeper.AtBoot{Unit: "web.service", By: "multi-user.target", Enabled: true}},
		"until a reboot":             {one("enabled-runtime", "multi-user.target"), keeper.AtBoot{Unit: "web.service", By: "multi-user.target", Enabled: true}},
		"by init.d":                  {one("generated", "multi-user.target"), keeper.AtBoot{Unit: "web.service", By: "multi-user.target", Enabled: true}},
		"disabled":                   {one("disabled"), keeper.AtBoot{}},
		"by a link":                  {one("static", "multi-user.target"), keeper.AtBoot{Unit: "web.service", By: "multi-user.target"}},
		"by another unit":            {one("disabled", "idle.service", "app.service"), keeper.AtBoot{Unit: "web.service", By: "app.service"}},
		"by one that nothing starts": {one("disabled", "idle.service", "rescue.target"), keeper.AtBoot{}},
		"by a socket": {
			append(one("disabled"), systemd.Unit{Name: "web.socket", FileState: "enabled", WantedBy: []string{"sockets.target"}}),
			keeper.AtBoot{Unit: "web.socket", By: "sockets.target", Enabled: true},
		},
		"by a static socket": {
			append(one("disabled"), systemd.Unit{Name: "web.socket", FileState: "static", RequiredBy: []string{"sockets.target"}}),
			keeper.AtBoot{Unit: "web.socket", By: "sockets.target"},
		},
	} {
		got, err := atBoot(c.starters, func(name string) (systemd.Unit, error) { return units[name], nil })
		if got != c.want || err != nil {
			t.Errorf("%s: %+v, %v; wanted %+v", name, got, err, c.want)
		}
	}
}
