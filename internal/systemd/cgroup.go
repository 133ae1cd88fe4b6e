package systemd

import (
	"path/filepath"
	"strings"

	"baton/internal/cgroup"
)

// groupOf is the control group of a unit. Of a unit that it holds for stopped, systemd may not
// tell it, also where the unit lets it leave processes behind (KillMode=process, none): those
// are found by the place that the group has.
func groupOf(unit Unit) cgroup.Group {
	if unit.Cgroup != "" || unit.Slice == "" {
		return cgroup.Group(unit.Cgroup)
	}
	path := "/"
	if slice := strings.TrimSuffix(unit.Slice, ".slice"); slice != "-" {
		names := strings.Split(slice, "-") // a-b.slice lies in a.slice
		for i := range names {
			path = filepath.Join(path, strings.Join(names[:i+1], "-")+".slice")
		}
	}
	return cgroup.Group(filepath.Join(path, unit.Name))
}
