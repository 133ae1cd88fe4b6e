package cli

import (
	"context"
	"runtime"

	"github.com/spf13/cobra"

	"baton/internal/api"
)

func (p *program) serve() *cobra.Command {
	return p.command("serve", "Run the appliance", cobra.NoArgs, func(ctx context.Context, _ []string) error {
		return p.commands.Serve(ctx, p.flags.config)
	})
}

func (p *program) demo() *cobra.Command {
	script := ""
	cmd := p.command("demo [--script FILE] [COMMAND ...]", "Two appliances, a switch and a client on this machine", cobra.ArbitraryArgs,
		func(ctx context.Context, args []string) error {
			return p.commands.Demo(ctx, DemoArgs{Script: script, Args: args, Stdio: p.stdio})
		})
	cmd.Flags().StringVar(&script, "script", "", "file with the demo's commands, - for standard input")
	return cmd
}

func (p *program) config() *cobra.Command {
	return group("config", "The configuration file of this appliance",
		p.command("check [FILE]", "Say whether a configuration file is right, or what is wrong with it", cobra.MaximumNArgs(1),
			func(_ context.Context, args []string) error {
				file := p.flags.config
				if len(args) == 1 {
					file = args[0]
				}
				if err := p.commands.ConfigCheck(file); err != nil {
					return api.Errorf(api.Usage, "%w", err)
				}
				return p.say("%s is right.", file)
			}))
}

func (p *program) cleanup() *cobra.Command {
	return p.command("cleanup", "Take off what a killed daemon left", cobra.NoArgs, func(ctx context.Context, _ []string) error {
		return p.commands.Cleanup(ctx, p.flags.config)
	})
}

func (p *program) version() *cobra.Command {
	return p.command("version", "Version of this program", cobra.NoArgs, func(context.Context, []string) error {
		version := map[string]string{
			"version": p.commands.Version, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH,
		}
		return p.show(version, func(pg *page) {
			pg.row("baton " + p.commands.Version + " (" + version["go"] + ", " + version["platform"] + ")")
		})
	})
}
