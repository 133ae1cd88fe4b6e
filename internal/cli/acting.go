package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"baton/internal/api"
	"baton/internal/cli/prompt"
	"baton/internal/cli/table"
	"baton/internal/pair"
)

func syncCommand(p *program) *cobra.Command {
	wait := false
	request := api.SyncRequest{}
	cmd := p.ask("sync [--wait] [--accept-shrink]", "Start a data sync, or join the running one; on either appliance", cobra.NoArgs,
		func(ctx context.Context, client *api.Client, _ []string) error {
			task, err := api.StartSync().Call(ctx, client, request)
			if err != nil {
				return err
			}
			if wait {
				return p.follow(ctx, client, task)
			}
			return started(p, task)
		})
	cmd.Flags().BoolVar(&wait, "wait", false, "show the progress and end with the sync")
	cmd.Flags().BoolVar(&request.AcceptShrink, "accept-shrink", false, "although much less data is left than the backup holds, or a disk seems to be missing")
	cmd.AddCommand(p.ask("cancel", "Cancel the running data sync", cobra.NoArgs,
		func(ctx context.Context, client *api.Client, _ []string) error {
			if err := api.CancelSync().Do(ctx, client, api.None{}); err != nil {
				return err
			}
			return p.say("The data sync is cancelled.")
		}))
	return cmd
}

// switching is what baton become was given.
type switching struct {
	change      api.RoleChange
	wait, check bool
}

func becomeCommand(p *program) *cobra.Command {
	given := switching{}
	cmd := p.ask("become primary|backup [--final-sync] [--force] [--wait] [--check]", "Switch the roles", cobra.ExactArgs(1),
		func(ctx context.Context, client *api.Client, args []string) error {
			role, err := pair.ParseRole(args[0])
			if err != nil || role == pair.Standalone {
				return pair.Refuse(pair.Usage, "%q is no role to become: use primary or backup", args[0])
			}
			given.change.Role = role
			return p.switchRole(ctx, client, given)
		})
	cmd.ValidArgs = []string{"primary", "backup"}
	cmd.Flags().BoolVar(&given.change.DataSyncFirst, "final-sync", false, "pull a final data sync from the primary first")
	cmd.Flags().BoolVar(&given.change.Force, "force", false, "without the peer's consent, and to settle a conflict")
	cmd.Flags().BoolVar(&given.wait, "wait", false, "show the steps and end with the switch")
	cmd.Flags().BoolVar(&given.check, "check", false, "only tell what would be in the way")
	return cmd
}

func (p *program) switchRole(ctx context.Context, client *api.Client, given switching) error {
	if given.check {
		checks, err := api.GetPreflight().Call(ctx, client, given.change.Query())
		if err != nil {
			return err
		}
		return p.writeChecks(checks)
	}
	if given.change.Force {
		if err := confirmLoss(ctx, p, client, given.change); err != nil {
			return err
		}
	}
	cost, err := costOf(ctx, client, given.change)
	if err != nil {
		return err
	}
	cost.before(p)
	task, err := api.ChangeRole().Call(ctx, client, given.change)
	if err != nil {
		return err
	}
	if !given.wait {
		return started(p, task)
	}
	if err = p.follow(ctx, client, task); err == nil {
		cost.after(p)
	}
	return err
}

// cost is what a switch without a final data sync leaves behind.
type cost struct {
	of    string // the appliance that gives the site away; empty: it costs nothing, or is not known
	age   int64  // of the newest snapshot on the other one, in milliseconds; negative: not known
	since string // when that was taken
}

// costOf finds it out beforehand. A switch that --force asks for has been confirmed, and one that is
// refused costs nothing.
func costOf(ctx context.Context, client *api.Client, change api.RoleChange) (c cost, err error) {
	if change.DataSyncFirst || change.Force {
		return c, nil
	}
	status, err := api.GetStatus().Call(ctx, client, api.None{})
	if err != nil || status.Peer == nil || !status.Peer.Reachable || status.Role == change.Role || status.Role == pair.Standalone {
		return c, err
	}
	c.of, c.age, c.since = status.Peer.Name, status.Sync.DataAgeMS, "the newest snapshot"
	if change.Role == pair.Backup {
		c.of = status.Appliance.Name
	}
	if c.age >= 0 {
		c.since = table.Moment(time.Now().Add(-time.Duration(c.age) * time.Millisecond))
	}
	return c, nil
}

func (c cost) before(p *program) {
	if c.of != "" {
		_, _ = fmt.Fprintf(p.stdio.Err, "Without --final-sync: %s\n", api.NotCarriedOver(c.of, c.age))
	}
}

func (c cost) after(p *program) {
	if c.of != "" {
		_, _ = fmt.Fprintf(p.stdio.Err, "What %s acknowledged after %s is not on the site now; it is set aside on %s as a diverged copy: baton diverged list there.\n", c.of, c.since, c.of)
	}
}

// confirmLoss has a person confirm what a forced switch would lose, as far as known.
func confirmLoss(ctx context.Context, p *program, client *api.Client, change api.RoleChange) error {
	if !prompt.IsTerminal(p.stdio.In) {
		return nil
	}
	loss, err := api.GetLoss().Call(ctx, client, change.Query())
	switch {
	case err != nil:
		return p.confirm(ctx, client, "Forced: what the other appliance wrote since the last data sync is set aside, not carried over.")
	case loss.Confirm == "":
		return p.person().Agree("Forced: " + loss.Text)
	}
	return p.confirm(ctx, client, "Forced: "+loss.Text)
}

func doctorCommand(p *program) *cobra.Command {
	return p.ask("doctor", "How ready this pair is, each check with its next step; exit code 1 if one fails", cobra.NoArgs,
		func(ctx context.Context, client *api.Client, _ []string) error {
			checks, err := api.RunDoctor().Call(ctx, client, api.None{})
			if err != nil {
				return err
			}
			return p.writeChecks(checks)
		})
}

// writeChecks fails, and writes nothing more, if a check fails. What cannot be known is only
// noted.
func (p *program) writeChecks(checks []api.Check) error {
	failed := false
	for _, check := range checks {
		failed = failed || !check.OK && check.Severity != pair.Info
	}
	err := p.show(checks, func(pg *table.Page) {
		for _, check := range checks {
			if check.OK {
				pg.Marked(table.Green, "ok", check.Text)
				continue
			}
			if check.Severity == pair.Info {
				pg.Row("note", check.Text)
			} else {
				pg.Marked(table.Red, "not ok", check.Text)
			}
			pg.Row("", check.NextStep)
		}
	})
	if err == nil && failed {
		return errSilent
	}
	return err
}

func maintenanceCommand(p *program) *cobra.Command {
	lasting := ""
	on := p.ask("on [--for D]", "Turn automatic actions off, for a while or until maintenance off", cobra.NoArgs,
		func(ctx context.Context, client *api.Client, _ []string) error {
			if err := api.StartMaintenance().Do(ctx, client, api.MaintenanceRequest{For: lasting}); err != nil {
				return err
			}
			return p.say("Maintenance is on: nothing happens automatically.")
		})
	on.Flags().StringVar(&lasting, "for", "", "how long, like 30m, 2h or 1d")
	return group("maintenance", "Turn automatic actions off and on", on,
		p.ask("off", "Turn automatic actions on again", cobra.NoArgs,
			func(ctx context.Context, client *api.Client, _ []string) error {
				if err := api.EndMaintenance().Do(ctx, client, api.None{}); err != nil {
					return err
				}
				return p.say("Maintenance is off.")
			}))
}

func resumeCommand(p *program) *cobra.Command {
	return p.ask("resume", "Allow automatic failover again after too many takeovers", cobra.NoArgs,
		func(ctx context.Context, client *api.Client, _ []string) error {
			before, err := api.GetStatus().Call(ctx, client, api.None{})
			if err != nil {
				return err
			}
			if err := api.Resume().Do(ctx, client, api.None{}); err != nil {
				return err
			}
			return p.say("%s", api.ResumeText(before))
		})
}
