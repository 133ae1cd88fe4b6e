package unit

import (
	"slices"

	"baton/internal/service/keeper"
	"baton/internal/systemd"
)

// atBoot says what starts a service when the machine boots, by the units that start it: one is enabled, or something wants it
// that is started at boot. A script in /etc/init.d is generated. It asks for the units that want them.
func atBoot(starters []systemd.Unit, ask func(name string) (systemd.Unit, error)) (keeper.AtBoot, error) {
	for _, unit := range starters {
		enabled := slices.Contains([]string{"enabled", "enabled-runtime", "generated"}, unit.FileState)
		for _, by := range wanting(unit) {
			starts := enabled
			if !enabled {
				var err error
				if starts, err = booted(by, ask); err != nil {
					return keeper.AtBoot{}, err
				}
			}
			if starts {
				return keeper.AtBoot{Unit: unit.Name, By: by, Enabled: enabled}, nil
			}
		}
	}
	return keeper.AtBoot{}, nil
}

func wanting(unit systemd.Unit) []string { return slices.Concat(unit.WantedBy, unit.RequiredBy) }

// mostAsked bounds for how many units it is asked what wants them.
const mostAsked = 64

// booted reports whether a machine starts a unit as it boots.
func booted(name string, ask func(name string) (systemd.Unit, error)) (bool, error) {
	for names, i := []string{name}, 0; i < min(len(names), mostAsked); i++ {
		if slices.Contains([]string{"default.target", "graphical.target", "multi-user.target", "basic.target", "sysinit.target"}, names[i]) {
			return true, nil
		}
		unit, err := ask(names[i])
		if err != nil {
			return false, err
		}
		for _, by := range wanting(unit) {
			if !slices.Contains(names, by) {
				names = append(names, by)
			}
		}
	}
	return false, nil
}
