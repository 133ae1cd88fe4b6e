package cli

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"baton/internal/api"
	"baton/internal/pair"
	"baton/internal/report"
)

func reportCommand(p *program) *cobra.Command {
	var filter api.ReportFilter
	var since, until, period, step, appliance string
	cmd := p.ask("report KIND [--period P | --since T] [--until T] [--step STEP] [--appliance ID] [--kind KIND,...] [--text TEXT]",
		"A report as CSV, or with --json as JSON: availability, failovers, syncs or audit", cobra.ExactArgs(1),
		func(ctx context.Context, client *api.Client, args []string) error {
			times, err := historyFilter(since, until, time.Now())
			if err != nil {
				return err
			}
			filter.Since, filter.Until = times.Since, times.Until
			filter.Period, filter.Step, filter.Appliance = report.Period(period), report.Step(step), pair.ApplianceID(appliance)
			kind, format := api.ReportKind(args[0]), api.CSV
			if p.flags.json {
				format = api.JSON
			}
			if err := filter.Check(kind); err != nil {
				return err
			}
			show := func(file io.Reader) error {
				_, err := io.Copy(p.stdio.Out, file)
				return err
			}
			query := filter.Query(format)
			if kind == api.AvailabilityReport {
				return api.ReportAvailability().Call(ctx, client, query.RangeQuery, show)
			}
			return api.ReportEvents(kind).Call(ctx, client, query, show)
		})
	cmd.Flags().StringVar(&period, "period", "", "24h, 7d, 30d (the default), 12mo or all")
	cmd.Flags().StringVar(&since, "since", "", "1h, 7d, a date like 2030-01-31, or RFC 3339")
	cmd.Flags().StringVar(&until, "until", "", "the same; before that instant")
	cmd.Flags().StringVar(&step, "step", "", "availability by hour, day or month (default: as fits)")
	cmd.Flags().StringVar(&appliance, "appliance", "", "only what the appliance with this id recorded")
	cmd.Flags().StringSliceVar(&filter.Kinds, "kind", nil, "only these kinds of events of the report")
	cmd.Flags().StringVar(&filter.Text, "text", "", "only events that say this")
	return cmd
}
