package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"baton/internal/api"
	"baton/internal/pair"
)

func (p *program) status() *cobra.Command {
	watch := false
	cmd := p.ask("status [--watch]", "What this appliance and its peer are and do", cobra.NoArgs,
		func(ctx context.Context, client *api.Client, _ []string) error {
			if watch {
				return p.watch(ctx, client)
			}
			status, err := client.Status(ctx)
			if err != nil {
				return err
			}
			return p.show(status, func(pg *page) { writeStatus(pg, status) })
		})
	cmd.Flags().BoolVar(&watch, "watch", false, "show it anew at every change, until interrupted")
	return cmd
}

// watch shows every change: on a terminal in place, else one after the other;
// with --json one object a line.
func (p *program) watch(ctx context.Context, client *api.Client) error {
	err := client.WatchStatus(ctx, func(status pair.Status) error {
		if p.flags.json {
			return p.line(status)
		}
		pg := p.page()
		if pg.colour {
			if _, err := fmt.Fprint(p.stdio.Out, "\x1b[H\x1b[2J"); err != nil {
				return err
			}
		}
		writeStatus(pg, status)
		pg.row("")
		return pg.flush()
	})
	if ctx.Err() == nil {
		return err
	}
	return nil // interrupted: that is how a watch ends
}

func writeStatus(pg *page, status pair.Status) {
	pg.marked(colourOfState(status), fmt.Sprintf("%s is %s, %s, since %s", status.Appliance.Name, status.Role, status.State, moment(status.Since)))
	pg.row("")
	pg.row("appliance", fmt.Sprintf("%s, version %s", status.Appliance.ID.Short(), status.Appliance.Version))
	pg.row("epoch", status.Epoch.String())
	pg.row("peer", peerText(status.Peer))
	for _, ip := range status.SharedIPs {
		pg.row("shared IP", sharedIPText(ip))
	}
	pg.row("data sync", syncText(status))
	for _, service := range status.Services {
		pg.row("service", serviceText(service))
	}
	if status.ProtectionLevel > 0 {
		pg.row("protection", fmt.Sprintf("level %d of 4", status.ProtectionLevel))
		pg.row("", status.ProtectionNextStep)
	}
	if status.Readiness != nil {
		pg.row("readiness", status.Readiness.Text)
	}
	if len(status.Conditions) > 0 {
		pg.row("")
	}
	for _, condition := range status.Conditions {
		pg.marked(colourOf(condition.Severity), string(condition.Severity), condition.ID+": "+condition.Text)
		pg.row("", condition.NextStep)
	}
}

func colourOfState(status pair.Status) string {
	switch status.State {
	case pair.Steady:
		return green
	case pair.Conflict, pair.Isolated:
		return red
	case pair.Waiting, pair.Suspect, pair.Claiming, pair.Releasing, pair.Alone, pair.Handover, pair.Maintenance:
		return yellow
	}
	return plain
}

func peerText(peer *pair.PeerStatus) string {
	if peer == nil {
		return "none: not paired"
	}
	heard := "never heard since the start"
	if peer.LastContactAgeMS >= 0 {
		heard = "heard " + pair.MillisText(peer.LastContactAgeMS) + " ago"
	}
	reach := "reachable"
	if !peer.Reachable {
		reach = "unreachable"
	}
	role := peer.Role.String()
	if peer.LastContactAgeMS < 0 {
		role = "role unknown"
	}
	return fmt.Sprintf("%s at %s, %s, %s, %s", peer.Name, peer.Address, role, reach, heard)
}

func sharedIPText(ip pair.SharedIPStatus) string {
	state := "not shared"
	switch {
	case ip.Held:
		state = "held"
	case ip.Shared:
		state = "not held"
	}
	return fmt.Sprintf("%s on %s, %s", ip.Address, ip.Interface, state)
}

func syncText(status pair.Status) string {
	sync := status.Sync
	parts := []string{string(sync.State)}
	if sync.State == pair.SyncRunning {
		parts = []string{fmt.Sprintf("number %d running, %s", sync.Number, progressText(api.Progress{
			BytesDone: sync.BytesDone, BytesTotal: sync.BytesTotal, FilesDone: sync.FilesDone, FilesTotal: sync.FilesTotal,
		}))}
	}
	switch {
	case sync.DataAgeMS < 0 && status.Role == pair.Primary:
		parts = append(parts, "data age not known yet")
	case sync.DataAgeMS < 0 && sync.Snapshot.Number > 0:
		parts = append(parts, fmt.Sprintf("snapshot %d, data age not known", sync.Snapshot.Number))
	case sync.DataAgeMS < 0:
		parts = append(parts, "no snapshot yet")
	default:
		parts = append(parts, fmt.Sprintf("snapshot %d, data age %s", sync.Snapshot.Number, pair.MillisText(sync.DataAgeMS)))
	}
	if sync.NextRun != nil {
		parts = append(parts, "next run "+moment(*sync.NextRun))
	}
	if sync.Error != "" {
		parts = append(parts, sync.Error)
	}
	return strings.Join(parts, ", ")
}

func serviceText(service pair.ServiceStatus) string {
	health := "healthy"
	if !service.Healthy {
		health = "not healthy"
	}
	return fmt.Sprintf("%s %s (wanted %s), %s", service.Name, service.State, service.Wanted, health)
}
