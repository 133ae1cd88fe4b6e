package cli

import (
	"context"
	"runtime"

	"baton/internal/cause"
	"baton/internal/cli/table"
	"baton/internal/pair"

	"github.com/spf13/cobra"
)

func serveCommand(p *program) *cobra.Command {
	return p.command("serve", "Run the appliance", cobra.NoArgs, func(ctx context.Context, _ []string) error {
		return p.commands.Serve(ctx, p.flags.config)
	})
}

func demoCommand(p *program) *cobra.Command {
	given := DemoArgs{Stdio: p.stdio}
	cmd := p.command("demo [--script] [--timeout D] [--pace D]", "Two appliances, a switch and a client on this machine", cobra.NoArgs,
		func(ctx context.Context, _ []string) error { return p.commands.Demo(ctx, given) })
	cmd.Flags().BoolVar(&given.Script, "script", false, "run the built-in scenario and end, instead of waiting for a person")
	cmd.Flags().DurationVar(&given.Timeout, "timeout", 0, "Primary Site Instance Timeout of the pair (default: short, so that one need not wait)")
	cmd.Flags().DurationVar(&given.Pace, "pace", 0, "rest between two parts of the scenario (default: so that one can follow)")
	return cmd
}

func configCommand(p *program) *cobra.Command {
	return group("config", "The configuration file of this appliance",
		p.command("check [FILE]", "Say whether a configuration file is right, or what is wrong with it", cobra.MaximumNArgs(1),
			func(_ context.Context, args []string) error {
				file := p.flags.config
				if len(args) == 1 {
					file = args[0]
				}
				warnings, err := p.commands.ConfigCheck(file)
				if err != nil {
					return pair.Refuse(pair.Usage, "%w", cause.Plain(err))
				}
				for _, warning := range warnings {
					if err := p.say("Warning: %s: %s.", file, warning); err != nil {
						return err
					}
				}
				return p.say("%s is right.", file)
			}))
}

func cleanupCommand(p *program) *cobra.Command {
	return p.command("cleanup", "Take off what a killed daemon left, and have its services stop", cobra.NoArgs, func(ctx context.Context, _ []string) error {
		return p.commands.Cleanup(ctx, p.flags.config)
	})
}

func reloadCommand(p *program) *cobra.Command {
	return p.command("reload", "Replace the daemon by the program that is installed now, while the site stays up", cobra.NoArgs, func(ctx context.Context, _ []string) error {
		if err := p.commands.Reload(ctx, p.flags.config); err != nil {
			return err
		}
		return p.say("The daemon is %s now.", p.commands.Version)
	})
}

// tellChangesCommand is what baton-changes.service runs.
func tellChangesCommand(p *program) *cobra.Command {
	cmd := p.command("tell-changes", "Tell the daemon what changes in protected directories, as baton-changes.service does", cobra.NoArgs, func(ctx context.Context, _ []string) error {
		return p.commands.TellChanges(ctx, p.flags.config)
	})
	cmd.Hidden = true
	return cmd
}

func versionCommand(p *program) *cobra.Command {
	return p.command("version", "Version of this program", cobra.NoArgs, func(context.Context, []string) error {
		version := map[string]string{
			"version": p.commands.Version, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH,
		}
		return p.show(version, func(pg *table.Page) {
			pg.Row("baton " + p.commands.Version + " (" + version["go"] + ", " + version["platform"] + ")")
		})
	})
}

func licencesCommand(p *program) *cobra.Command {
	return p.command("licences", "The licence of Baton, and those of what is linked into it", cobra.NoArgs,
		func(context.Context, []string) error { return p.commands.Licences(p.stdio.Out) })
}
