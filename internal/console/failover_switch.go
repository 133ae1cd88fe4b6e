package console

import (
	"net/url"
	"slices"
	"strings"

	"baton/internal/api"
	"baton/internal/pair"
)

// switchPage is the pre-flight of a switch: what is in its way, what it would
// lose, and what has to be confirmed.
type switchPage struct {
	Form   *form
	Change api.RoleChange
	Checks []api.Check
	Loss   api.Loss
	// Blocked says that the switch would be refused as asked; Forcible, that an
	// administrator can have it all the same.
	Blocked, Forcible bool
}

// Label is the button's.
func (p switchPage) Label() string {
	if p.Change.Role == pair.Backup {
		return "Become Backup"
	}
	return "Become Primary"
}

// Forced is the address of the same switch by force.
func (p switchPage) Forced() string {
	return Root + failoverPath + "/switch?" + url.Values{"role": {p.Change.Role.String()}, "force": {"true"}}.Encode()
}

// roleChange reads which switch is asked for. Force is for administrators only.
func (v *visit) roleChange(from url.Values) (api.RoleChange, error) {
	role, err := pair.ParseRole(from.Get("role"))
	if err != nil || role == pair.Standalone {
		return api.RoleChange{}, pair.Refuse(pair.Usage, "this is no role to become: go back to the Failover page and switch there")
	}
	change := api.RoleChange{Role: role, DataSyncFirst: from.Get("final") != "", Force: from.Get("force") != ""}
	if change.Force && !v.may(administrator) {
		return change, pair.Refuse(pair.Forbidden, "your role is %s, and forcing a switch needs the role administrator: ask one, or try it without force", v.caller.Access)
	}
	return change, nil
}

// preflight finds out what a switch would meet.
func (v *visit) preflight(change api.RoleChange, f *form) (*switchPage, error) {
	checks, err := v.console.backend.Roles.Preflight(v.ctx(), change)
	if err != nil {
		return nil, err
	}
	loss, err := v.console.backend.Roles.Loss(v.ctx(), change)
	if err != nil {
		return nil, err
	}
	blocked := slices.ContainsFunc(checks, func(c api.Check) bool { return !c.OK && c.Severity == pair.Critical })
	return &switchPage{
		Form: f, Change: change, Checks: checks, Loss: loss, Blocked: blocked,
		Forcible: blocked && !change.Force && change.Role == pair.Primary && v.may(administrator),
	}, nil
}

func (c *Console) showSwitch(v *visit) error {
	if v.status.Role == pair.Standalone {
		return v.warn(failoverPath, "This appliance has no relationship, so there is nothing to switch.")
	}
	change, err := v.roleChange(v.r.URL.Query())
	if err != nil {
		return err
	}
	if change.Role == v.status.Role && v.status.State != pair.Conflict && !change.Force {
		return v.leave(failoverPath) // the switch has been done meanwhile
	}
	data, err := v.preflight(change, newForm(nil))
	if err != nil {
		return v.warnOf(failoverPath, err)
	}
	return v.page("switch", data.Label(), data)
}

// switchRoles begins a switch. Whatever could be lost by it has to be confirmed
// with the name of the appliance that would lose it; without any such change, the
// button is enough.
func (c *Console) switchRoles(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	change, err := v.roleChange(f.Values)
	if err != nil {
		return err
	}
	data, err := v.preflight(change, f)
	if err != nil {
		return v.warnOf(failoverPath, err)
	}
	if data.Loss.Confirm != "" && strings.TrimSpace(f.get("confirm")) != data.Loss.Confirm {
		f.refuse("confirm", "changes would be lost: write "+data.Loss.Confirm+" to confirm that")
		return v.again("switch", data.Label(), data)
	}
	task, err := c.backend.Roles.ChangeRole(v.ctx(), change)
	if err != nil {
		if !f.refused(err) {
			return err
		}
		return v.again("switch", data.Label(), data)
	}
	return v.leave(failoverPath + "?task=" + task.ID) // which tells how it goes
}
