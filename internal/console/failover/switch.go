package failover

import (
	"net/url"
	"slices"
	"strings"

	"baton/internal/api"
	"baton/internal/console/page"
	"baton/internal/pair"
)

// switchPage is the pre-flight of a switch: what would stop it, what would be lost, and
// what has to be confirmed.
type switchPage struct {
	Form   *page.Form
	Change api.RoleChange
	Checks []api.Check
	Loss   api.Loss
	// Blocked says that the switch would be refused; Forcible, that an administrator can
	// force it.
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
	return page.Root + failoverPath + "/switch?" + url.Values{"role": {p.Change.Role.String()}, "force": {"true"}}.Encode()
}

// roleChange reads which switch is asked for. Force is for administrators only.
func roleChange(v *page.Visit, from url.Values) (api.RoleChange, error) {
	role, err := pair.ParseRole(from.Get("role"))
	if err != nil || role == pair.Standalone {
		return api.RoleChange{}, pair.Refuse(pair.Usage, "this is no role to become: go back to the Failover page and switch there")
	}
	change := api.RoleChange{Role: role, DataSyncFirst: from.Get("final") != "", Force: from.Get("force") != ""}
	if change.Force && !v.May(pair.Administrator) {
		return change, pair.Refuse(pair.Forbidden, "your role is %s, and forcing a switch needs the role administrator: ask one, or try it without force", v.Caller.Access)
	}
	return change, nil
}

// preflight checks what would stop a switch, and what it would lose.
func (p management) preflight(v *page.Visit, change api.RoleChange, f *page.Form) (*switchPage, error) {
	checks, err := p.backend.Roles.Preflight(v.Context(), change)
	if err != nil {
		return nil, err
	}
	loss, err := p.backend.Roles.Loss(v.Context(), change)
	if err != nil {
		return nil, err
	}
	blocked := slices.ContainsFunc(checks, func(c api.Check) bool { return !c.OK && c.Severity == pair.Critical })
	return &switchPage{
		Form: f, Change: change, Checks: checks, Loss: loss, Blocked: blocked,
		Forcible: blocked && !change.Force && change.Role == pair.Primary && v.May(pair.Administrator),
	}, nil
}

func (p management) showSwitch(v *page.Visit) error {
	if v.Status.Role == pair.Standalone {
		return v.Warn(failoverPath, "This appliance has no relationship, so there is nothing to switch.")
	}
	change, err := roleChange(v, v.Request.URL.Query())
	if err != nil {
		return err
	}
	if change.Role == v.Status.Role && v.Status.State != pair.Conflict && !change.Force {
		return v.Leave(failoverPath) // the switch has been done meanwhile
	}
	data, err := p.preflight(v, change, page.NewForm("", nil))
	if err != nil {
		return v.WarnOf(failoverPath, err)
	}
	return v.Page("switch", data.Label(), data)
}

// switchRoles begins a switch. If changes could be lost, the user has to write the name of
// the appliance that would lose them; otherwise the button is enough.
func (p management) switchRoles(v *page.Visit, f *page.Form) error {
	change, err := roleChange(v, f.Values)
	if err != nil {
		return err
	}
	data, err := p.preflight(v, change, f)
	if err != nil {
		return v.WarnOf(failoverPath, err)
	}
	if data.Loss.Confirm != "" && strings.TrimSpace(f.Get("confirm")) != data.Loss.Confirm {
		f.Refuse("confirm", "changes would be lost: write "+data.Loss.Confirm+" to confirm that")
		return v.Again("switch", data.Label(), data)
	}
	task, err := p.backend.Roles.ChangeRole(v.Context(), change)
	if err != nil {
		if !f.Refused(err) {
			return err
		}
		return v.Again("switch", data.Label(), data)
	}
	return v.Leave(failoverPath + "?task=" + task.ID) // which shows how it goes
}
