package cli

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"baton/internal/api"
	"baton/internal/cli/table"
	"baton/internal/pair"
)

func statusCommand(p *program) *cobra.Command {
	watch := false
	cmd := p.ask("status [--watch]", "What this appliance and its peer are and do", cobra.NoArgs,
		func(ctx context.Context, client *api.Client, _ []string) error {
			if watch {
				return p.watch(ctx, client)
			}
			status, err := api.GetStatus().Call(ctx, client, api.None{})
			if err != nil {
				return err
			}
			return p.show(status, func(pg *table.Page) { writeStatus(pg, status) })
		})
	cmd.Flags().BoolVar(&watch, "watch", false, "show it anew at every change, until interrupted")
	return cmd
}

// watch shows every change: on a terminal in place, else one after the other;
// with --json one object a line.
func (p *program) watch(ctx context.Context, client *api.Client) error {
	err := api.WatchStatus(ctx, client, func(status pair.Status) error {
		if p.flags.json {
			return p.line(status)
		}
		pg := p.page()
		if pg.Coloured() {
			if _, err := fmt.Fprint(p.stdio.Out, "\x1b[H\x1b[2J"); err != nil {
				return err
			}
		}
		writeStatus(pg, status)
		pg.Row("")
		return pg.Flush()
	})
	if ctx.Err() == nil {
		return err
	}
	return nil // interrupted: that is how a watch ends
}

func writeStatus(pg *table.Page, status pair.Status) {
	pg.Marked(colourOfSite(status.Site), "Site: "+status.Site.Text)
	pg.Row(fmt.Sprintf("%s is %s, %s; in this role since %s", status.Appliance.Name, status.Role, status.State, table.Moment(status.Since)))
	pg.Row("")
	pg.Row("appliance", fmt.Sprintf("%s, version %s", status.Appliance.ID.Short(), status.Appliance.Version))
	pg.Row("epoch", status.Epoch.String())
	pg.Row("peer", peerText(status.Peer))
	for _, ip := range status.SharedIPs {
		pg.Row("shared IP", sharedIPText(ip))
	}
	pg.Row("data sync", syncText(status))
	for _, service := range status.Services {
		pg.Row("service", serviceText(service))
	}
	if status.Role != pair.Standalone {
		pg.Row("protection", protectionText(status.ProtectionLevel))
		if status.ProtectionNextStep != "" {
			pg.Row("", status.ProtectionNextStep)
		}
	}
	if status.Readiness != nil {
		pg.Row("readiness", status.Readiness.Text)
	}
	notices := status.Notices()
	if len(notices) > 0 {
		pg.Row("")
	}
	for _, notice := range notices {
		pg.Marked(colourOf(notice.Severity), string(notice.Severity), notice.ID+": "+notice.Text)
		pg.Row("", notice.NextStep)
	}
}

func protectionText(level int) string {
	if level == 0 {
		return "none"
	}
	return fmt.Sprintf("level %d of 4", level)
}

func colourOfSite(site pair.SiteStatus) string {
	return map[string]string{"good": table.Green, "warning": table.Yellow, "info": table.Yellow, "critical": table.Red}[site.Tone()]
}

func peerText(peer *pair.PeerStatus) string {
	if peer == nil {
		return "none: not paired"
	}
	at := fmt.Sprintf("%s at %s", peer.Name, peer.Address)
	switch {
	case peer.LastContactAgeMS < 0:
		return at + ", does not answer, never heard since the start"
	case !peer.Reachable:
		return fmt.Sprintf("%s, does not answer, was %s when last heard %s ago", at, peer.Role, pair.MillisText(peer.LastContactAgeMS))
	}
	return fmt.Sprintf("%s, %s, %s, heard %s ago", at, peer.Role, peer.State, pair.MillisText(peer.LastContactAgeMS))
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
	switch {
	case sync.State == pair.SyncRunning && status.Peer != nil && !status.Peer.Reachable:
		parts = []string{fmt.Sprintf("number %d waits for the peer, which does not answer", sync.Number)}
	case sync.State == pair.SyncRunning:
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
	if long := int64(1000); sync.Snapshot.SkewMS >= long {
		parts = append(parts, "the look at its data took "+pair.MillisText(sync.Snapshot.SkewMS))
	}
	if sync.NextRun != nil {
		parts = append(parts, "next run "+table.Moment(*sync.NextRun))
	}
	if sync.Error != "" {
		parts = append(parts, sync.Error)
	}
	return strings.Join(parts, ", ")
}

func serviceText(service pair.ServiceStatus) string {
	switch health := cmp.Or(service.Trouble, service.HealthText()); {
	case service.Parked && service.State == "stopped":
		return service.Name + " stopped by an operator"
	case service.State != service.Wanted:
		return strings.TrimSuffix(fmt.Sprintf("%s %s (wanted %s), %s", service.Name, service.State, service.Wanted, health), ", ")
	default:
		return strings.TrimSuffix(service.Name+" "+service.State+", "+health, ", ")
	}
}
