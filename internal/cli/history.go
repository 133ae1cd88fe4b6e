package cli

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"baton/internal/api"
	"baton/internal/cli/table"
	"baton/internal/pair"
)

func historyCommand(p *program) *cobra.Command {
	var since, until string
	var kinds []string
	var limit int
	cmd := p.ask("history [--since T] [--until T] [--kind KIND,...] [--limit N]", "What happened, oldest first", cobra.NoArgs,
		func(ctx context.Context, client *api.Client, _ []string) error {
			filter, err := historyFilter(since, until, time.Now())
			if err != nil {
				return err
			}
			if limit < 0 || limit > api.MaxEvents {
				return pair.Refuse(pair.Usage, "--limit %d is out of range: use 1 to %d", limit, api.MaxEvents)
			}
			filter.Kinds, filter.Limit = kinds, limit
			if limit == 0 && since != "" {
				filter.Limit = api.MaxEvents
			}
			events, err := api.ListHistory().Call(ctx, client, filter)
			if err != nil || p.flags.json {
				return errors.Join(err, p.writeHistory(events, nil))
			}
			status, err := api.GetStatus().Call(ctx, client, api.None{})
			if err != nil {
				return err
			}
			return p.writeHistory(events, status.NameOf)
		})
	cmd.Flags().StringVar(&since, "since", "", "1h, 7d, a date like 2030-01-31, or RFC 3339")
	cmd.Flags().StringVar(&until, "until", "", "the same; before that instant")
	cmd.Flags().StringSliceVar(&kinds, "kind", nil, "only these kinds, like takeover,handover")
	cmd.Flags().IntVar(&limit, "limit", 0, "the newest so many (default 100, with --since all)")
	cmd.AddCommand(p.ask("note TEXT", "Write a note into the history, as what was done to the machines", cobra.MinimumNArgs(1),
		func(ctx context.Context, client *api.Client, args []string) error {
			if err := api.AddNote().Do(ctx, client, api.NewNote{Text: strings.Join(args, " ")}); err != nil {
				return err
			}
			return p.say("The note is in the history of this appliance, and the other one gets it.")
		}))
	return cmd
}

// writeHistory writes one line per event, whether for people, with the name of its
// appliance, or for programs.
func (p *program) writeHistory(events []api.Event, nameOf func(pair.ApplianceID) string) error {
	pg := p.page()
	for _, event := range events {
		if !p.flags.json {
			pg.Row(table.Moment(event.Time), nameOf(event.Appliance), event.Kind, event.Text)
			continue
		}
		if err := p.line(event); err != nil {
			return err
		}
	}
	return pg.Flush()
}

func historyFilter(since, until string, now time.Time) (filter api.HistoryFilter, err error) {
	if since != "" {
		if filter.Since, err = parseInstant(since, now); err != nil {
			return filter, err
		}
	}
	if until != "" {
		filter.Until, err = parseInstant(until, now)
	}
	return filter, err
}

// parseInstant reads how long ago (1h, 7d), a local date, or RFC 3339.
func parseInstant(text string, now time.Time) (time.Time, error) {
	if ago, err := pair.ParseDuration(text); err == nil {
		return now.Add(-ago), nil
	}
	if instant, err := time.Parse(time.RFC3339, text); err == nil {
		return instant, nil
	}
	if day, err := time.ParseInLocation(time.DateOnly, text, now.Location()); err == nil {
		return day, nil
	}
	return time.Time{}, pair.Refuse(pair.Usage, "%q is not a time: write 1h, 7d, 2030-01-31 or 2030-01-31T12:00:00Z", text)
}
