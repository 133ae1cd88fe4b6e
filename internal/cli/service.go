package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"baton/internal/api"
	"baton/internal/cli/prompt"
	"baton/internal/cli/table"
	"baton/internal/pair"
	"baton/internal/service"
)

func serviceCommand(p *program) *cobra.Command {
	cmd := group("service", "Services that run on the primary only",
		group("add", "Let a service run on the primary only", addUnitCommand(p), addCommandCommand(p)),
		listServicesCommand(p),
		checkServiceCommand(p),
		onServiceSaid(p, "start", "Start a service that an operator has stopped", api.StartService()),
		onServiceSaid(p, "stop", "Stop a service on both appliances, until it is started", api.StopService()),
		moveServiceCommand(p),
		testServiceCommand(p),
		logServiceCommand(p),
		onServiceSaid(p, "remove", "Leave a service alone from now on", api.RemoveService()),
		allowServiceCommand(p),
		onService(p, "disallow", "Stop a service on this machine, and let it run there no longer (as root there)", api.DisallowService(), "%s is stopped on this machine, and not started there any more."))
	cmd.Example = `  baton service add unit web nginx.service --health http://127.0.0.1/
  baton service add command worker --user www-data --dir /srv/app -- /usr/bin/node worker.js
  baton service allow web                       # as root, on the other machine
  baton service set web --health-status 200 --every 10s
  baton service list`
	return cmd
}

// onService is a command about one service.
func onService(p *program, verb, short string, op api.Op[api.Services, string, api.None], said string) *cobra.Command {
	return p.ask(verb+" NAME", short, cobra.ExactArgs(1),
		func(ctx context.Context, client *api.Client, args []string) error {
			if err := op.Do(ctx, client, args[0]); err != nil {
				return err
			}
			return p.say(said, args[0])
		})
}

// saying says what came of an act.
func (p *program) saying(said api.Said, err error) error {
	if err != nil {
		return err
	}
	return p.say("%s", said.Text)
}

// onServiceSaid is a command about one service, which says what came of it.
func onServiceSaid(p *program, verb, short string, op api.Op[api.Services, string, api.Said]) *cobra.Command {
	return p.ask(verb+" NAME", short, cobra.ExactArgs(1),
		func(ctx context.Context, client *api.Client, args []string) error {
			return p.saying(op.Call(ctx, client, args[0]))
		})
}

// allowServiceCommand shows what would be run, and allows that and nothing else: somebody may change it meanwhile.
func allowServiceCommand(p *program) *cobra.Command {
	var yes bool
	cmd := p.ask("allow NAME [--yes]", "Let a service run on this machine (as root there); it says what", cobra.ExactArgs(1),
		func(ctx context.Context, client *api.Client, args []string) error {
			one, err := namedService(ctx, client, args[0])
			if err != nil {
				return err
			}
			if !yes && prompt.IsTerminal(p.stdio.In) {
				if err := p.person().Agree(fmt.Sprintf("%s would run on this machine: %s.", one.Name, one.Runs)); err != nil {
					return err
				}
			}
			return p.saying(api.AllowService().Call(ctx, client, api.Named[api.ServiceAllowance]{Name: one.Name, Body: api.ServiceAllowance{Sum: one.Sum}}))
		})
	cmd.Flags().BoolVar(&yes, "yes", false, "allow it without asking")
	return cmd
}

// namedService finds a service by its name.
func namedService(ctx context.Context, client *api.Client, name string) (api.Service, error) {
	services, err := api.ListServices().Call(ctx, client, api.None{})
	if err != nil {
		return api.Service{}, err
	}
	at := slices.IndexFunc(services, func(one api.Service) bool { return one.Name == name })
	if at < 0 {
		return api.Service{}, pair.Refuse(pair.Refused, "there is no service %.80q: baton service list shows those that there are", name)
	}
	return services[at], nil
}

func moveServiceCommand(p *program) *cobra.Command {
	var place api.ServicePlace
	var last bool
	cmd := p.ask("move NAME --before OTHER | --last", "Change the order in which services are started", cobra.ExactArgs(1),
		func(ctx context.Context, client *api.Client, args []string) error {
			if last == (place.Before != "") {
				return pair.Refuse(pair.Usage, "where to is not said: give --before OTHER, or --last")
			}
			if err := api.MoveService().Do(ctx, client, api.Named[api.ServicePlace]{Name: args[0], Body: place}); err != nil {
				return err
			}
			if last {
				return p.say("%s is started as the last from the next time on, and stopped first.", args[0])
			}
			return p.say("%s is started before %s from the next time on, and stopped after it.", args[0], place.Before)
		})
	cmd.Flags().StringVar(&place.Before, "before", "", "the service that is started after it")
	cmd.Flags().BoolVar(&last, "last", false, "it is started as the last")
	return cmd
}

func testServiceCommand(p *program) *cobra.Command {
	return p.ask("test NAME|CHECK...", "Ask the checks of services, or any others, once, on this machine; exit code 1 if one fails", cobra.MinimumNArgs(1),
		func(ctx context.Context, client *api.Client, args []string) error {
			checks, err := api.TestServices().Call(ctx, client, api.ServiceTests{Of: args})
			if err != nil {
				return err
			}
			return p.writeChecks(checks)
		})
}

func logServiceCommand(p *program) *cobra.Command {
	query := api.ServiceLogQuery{}
	cmd := p.ask("log NAME [--lines N]", "The end of a service's log on this machine", cobra.ExactArgs(1),
		func(ctx context.Context, client *api.Client, args []string) error {
			query.Name = args[0]
			lines, err := api.GetServiceLog().Call(ctx, client, query)
			if err != nil {
				return err
			}
			return p.show(lines, func(pg *table.Page) {
				for _, line := range lines {
					pg.Row(momentOf(line.Time), line.Text)
				}
			})
		})
	cmd.Flags().IntVar(&query.Lines, "lines", 50, "how many lines, 1 to 1000")
	return cmd
}

func listServicesCommand(p *program) *cobra.Command {
	return p.ask("list", "Services, in the order in which they are started, and how they are here", cobra.NoArgs,
		func(ctx context.Context, client *api.Client, _ []string) error {
			services, err := api.ListServices().Call(ctx, client, api.None{})
			if err != nil {
				return err
			}
			return p.show(services, func(pg *table.Page) {
				pg.Row("NAME", "WHAT", "STATE", "HEALTH", "SINCE", "STARTED IN", "STOPPED IN", "RESTARTS", "ALLOWED")
				for _, one := range services {
					writeService(pg, one)
				}
			})
		})
}

func writeService(pg *table.Page, one api.Service) {
	var here pair.ServiceStatus // of one that was added a moment ago
	if one.Here != nil {
		here = *one.Here
	}
	state := here.State
	if one.Parked {
		state = "stopped by an operator"
	}
	pg.Row(one.Name, one.What(), cmp.Or(state, "-"), cmp.Or(here.Trouble, here.HealthText(), "-"), momentOf(here.Since), tookText(here.LastStart), tookText(here.LastStop), strconv.FormatInt(here.Restarts, 10), allowedText(one.Allowed, one.There))
}

// allowedText says on which appliances root allows a service; there is how it is on the peer, nil if that is silent.
func allowedText(here bool, there *pair.ServiceStatus) string {
	if there == nil {
		return map[bool]string{true: "here; peer unknown", false: "not here; peer unknown"}[here]
	}
	return map[[2]bool]string{{true, true}: "on both", {true, false}: "here only", {false, true}: "on the peer only", {}: "nowhere"}[[2]bool{here, there.Refused == ""}]
}

// momentOf is table.Moment, and nothing of a time that is not known.
func momentOf(at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return table.Moment(at)
}

func tookText(done *pair.ServiceAct) string {
	if done == nil {
		return "-"
	}
	return pair.MillisText(done.TookMS)
}

func addUnitCommand(p *program) *cobra.Command {
	one := api.Service{Kind: "unit"}
	cmd := p.ask("unit NAME UNIT [--health CHECK ...]", "A systemd unit", cobra.ExactArgs(2),
		func(ctx context.Context, client *api.Client, args []string) error {
			one.Name, one.Unit = args[0], args[1]
			return p.addService(ctx, client, one)
		})
	checkFlags(cmd.Flags(), &one.CheckText)
	return cmd
}

func addCommandCommand(p *program) *cobra.Command {
	one := api.Service{Kind: "command"}
	cmd := p.ask("command NAME [--health CHECK ...] -- CMD ARG...", "A command", cobra.MinimumNArgs(2),
		func(ctx context.Context, client *api.Client, args []string) error {
			one.Name, one.Command = args[0], args[1:]
			return p.addService(ctx, client, one)
		})
	checkFlags(cmd.Flags(), &one.CheckText)
	flags := cmd.Flags()
	flags.StringVar(&one.User, "user", "", "as whom it runs; root if absent")
	flags.StringVar(&one.Group, "group", "", "its group; that of the user if absent")
	flags.StringVar(&one.Dir, "dir", "", "the directory that it runs in")
	flags.StringArrayVar(&one.Env, "env", nil, "NAME=VALUE; may be given several times")
	flags.Int64Var(&one.Memory, "memory", 0, "MB that it may use; it is killed if it uses more")
	flags.Int64Var(&one.Tasks, "tasks", 0, "processes and threads that it may have")
	flags.Int64Var(&one.Files, "files", 0, "files that a process of it may have open")
	return cmd
}

// checkFlags has flags change a check.
func checkFlags(flags *pflag.FlagSet, check *service.CheckText) {
	flags.StringVar(&check.Health, "health", check.Health, "how to tell that it works: URL, tcp:HOST:PORT or exec:LINE")
	flags.StringVar(&check.Status, "health-status", check.Status, "with which status an URL has to answer, as 200 or 200-399 (default 200-399)")
	flags.StringVar(&check.Body, "health-body", check.Body, "a text that the answer of an URL has to contain")
	flags.StringVar(&check.Every, "every", check.Every, "time from one check to the next, 500ms to 1h (default 2s)")
	flags.StringVar(&check.Wait, "wait", check.Wait, "how long a check may take, 100ms to 1m (default 2s, or --every if that is shorter)")
	flags.IntVar(&check.Fails, "fails", check.Fails, "so many failures in a row, and it is sick (default 3)")
	flags.IntVar(&check.Passes, "passes", check.Passes, "so many passes in a row, and it is healthy again (default 2)")
}

// checkServiceCommand changes what is named of the check, and leaves the rest.
func checkServiceCommand(p *program) *cobra.Command {
	var cmd *cobra.Command
	cmd = p.ask("set NAME [--health CHECK ...]", "Change the check of a service; what is not named stays", cobra.ExactArgs(1),
		func(ctx context.Context, client *api.Client, args []string) error {
			one, err := namedService(ctx, client, args[0])
			if err != nil {
				return err
			}
			wanted := one.CheckText
			changed := pflag.NewFlagSet("", pflag.ContinueOnError)
			checkFlags(changed, &wanted)
			cmd.Flags().Visit(func(flag *pflag.Flag) {
				if changed.Lookup(flag.Name) != nil {
					err = errors.Join(err, changed.Set(flag.Name, flag.Value.String()))
				}
			})
			if err != nil {
				return err
			}
			return p.saying(api.SetServiceCheck().Call(ctx, client, api.Named[service.CheckText]{Name: args[0], Body: wanted}))
		})
	checkFlags(cmd.Flags(), new(service.CheckText))
	return cmd
}

func (p *program) addService(ctx context.Context, client *api.Client, one api.Service) error {
	return p.saying(api.AddService().Call(ctx, client, one))
}
