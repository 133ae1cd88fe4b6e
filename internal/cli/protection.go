package cli

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"baton/internal/api"
	"baton/internal/cli/table"
	"baton/internal/pair"
)

func dataCommand(p *program) *cobra.Command {
	return group("data", "Protected data",
		group("add", "Protect a directory or a database",
			onDirectory(p, "dir NAME PATH [--peer-path PATH] [--exclude PATTERN]...", "Protect a directory", p.addData),
			onDatabase(p, "Protect an SQLite database, while its program uses it", p.addData),
			addPostgresCommand(p)),
		p.ask("list", "What is protected, and how far it is on the backup", cobra.NoArgs,
			func(ctx context.Context, client *api.Client, _ []string) error {
				known, err := api.GetProtection().Call(ctx, client, api.None{})
				if err != nil {
					return err
				}
				return p.show(known.Data, func(pg *table.Page) { writeProtection(pg, known) })
			}),
		group("test", "Tell what protecting something would meet, and change nothing; exit code 1 if it cannot be",
			onDirectory(p, "dir NAME PATH [--peer-path PATH] [--exclude PATTERN]...", "Test a directory; exit code 1 if it cannot be protected",
				p.testData),
			onDatabase(p, "Test an SQLite database; exit code 1 if it cannot be protected", p.testData)),
		setDataCommand(p),
		compareCommand(p),
		p.ask("allow [PATH]", "Let a directory be protected on this machine (as root there); without PATH: what may be", cobra.MaximumNArgs(1), p.allow),
		p.ask("disallow PATH", "Let it be protected on this machine no longer", cobra.ExactArgs(1),
			func(ctx context.Context, client *api.Client, args []string) error {
				if err := api.Disallow().Do(ctx, client, api.AllowedPath{Path: args[0]}); err != nil {
					return err
				}
				return p.say("%s is no longer allowed by name on this machine.", args[0])
			}),
		p.ask("remove NAME", "Protect it no longer; nothing is deleted", cobra.ExactArgs(1),
			func(ctx context.Context, client *api.Client, args []string) error {
				if err := api.RemoveData().Do(ctx, client, args[0]); err != nil {
					return err
				}
				return p.say("%s is no longer protected.", args[0])
			}))
}

// allow lists what may be protected on this machine, or extends that.
func (p *program) allow(ctx context.Context, client *api.Client, args []string) error {
	if len(args) == 1 {
		if err := api.Allow().Do(ctx, client, api.AllowedPath{Path: args[0]}); err != nil {
			return err
		}
		return p.say("%s may be protected on this machine.", args[0])
	}
	known, err := api.GetAllowance().Call(ctx, client, api.None{})
	if err != nil {
		return err
	}
	return p.show(known, func(pg *table.Page) {
		pg.Row("MAY BE PROTECTED HERE", "BY")
		for _, tree := range known.Trees {
			pg.Row(tree, "protect, in the configuration file")
		}
		for _, path := range known.Allowed {
			pg.Row(path, "root")
		}
	})
}

// writeProtection writes a table that ends with the site database, which is always
// protected.
func writeProtection(pg *table.Page, known api.Protection) {
	pg.Row("NAME", "KIND", "FILES", "SIZE", "STATE", "PATH")
	for _, one := range append(slices.Clone(known.Data), known.Site) {
		files, bytes := "-", "-"
		if one.Measured {
			files, bytes = strconv.FormatInt(one.Files, 10), pair.BytesText(one.Bytes)
		}
		state, colour := string(one.State), table.Plain
		if !one.Health.OK {
			state, colour = "unreadable", table.Red
		}
		path := one.Path
		if one.PeerPath != "" {
			path += " (there " + one.PeerPath + ")"
		}
		if len(one.Exclude) > 0 {
			path += ", without " + strings.Join(one.Exclude, ", ")
		}
		pg.Marked(colour, one.Name, string(one.Kind), files, bytes, state, path)
	}
}

// onDirectory is a command about a directory that is not protected yet.
func onDirectory(p *program, use, short string, act func(context.Context, *api.Client, api.DataSpec) error) *cobra.Command {
	spec := api.DataSpec{Kind: "dir"}
	cmd := p.ask(use, short, cobra.ExactArgs(2),
		func(ctx context.Context, client *api.Client, args []string) error {
			spec.Name, spec.Path = args[0], args[1]
			return act(ctx, client, spec)
		})
	excludeFlag(cmd, &spec.Exclude)
	cmd.Flags().StringVar(&spec.PeerPath, "peer-path", "", "where it lies on the other appliance, if not at PATH")
	return cmd
}

func excludeFlag(cmd *cobra.Command, patterns *[]string) {
	cmd.Flags().StringArrayVar(patterns, "exclude", nil, "leave out what has this name at any depth, as *.tmp; after / at the top only, as /log; with / at the end what is in it, as cache/; may be given again")
}

// setDataCommand wants to be told by name that nothing is to be left out any more.
func setDataCommand(p *program) *cobra.Command {
	var excluded api.Excluded
	cmd := p.ask("set NAME --exclude PATTERN... | --exclude-nothing", "Say anew what of a protected directory is left out; nothing is deleted", cobra.ExactArgs(1),
		func(ctx context.Context, client *api.Client, args []string) error {
			if err := api.SetExclude().Do(ctx, client, api.Named[api.Excluded]{Name: args[0], Body: excluded}); err != nil {
				return err
			}
			return p.say("The next data sync goes by it.")
		})
	excludeFlag(cmd, &excluded.Patterns)
	cmd.Flags().Bool("exclude-nothing", false, "leave out nothing")
	cmd.MarkFlagsOneRequired("exclude", "exclude-nothing")
	cmd.MarkFlagsMutuallyExclusive("exclude", "exclude-nothing")
	return cmd
}

// onDatabase is a command about an SQLite database that is not protected yet.
func onDatabase(p *program, short string, act func(context.Context, *api.Client, api.DataSpec) error) *cobra.Command {
	return p.ask("sqlite NAME PATH", short, cobra.ExactArgs(2),
		func(ctx context.Context, client *api.Client, args []string) error {
			return act(ctx, client, api.DataSpec{Kind: "sqlite", Name: args[0], Path: args[1]})
		})
}

// testData tells what adding it would meet.
func (p *program) testData(ctx context.Context, client *api.Client, spec api.DataSpec) error {
	checks, err := api.TestData().Call(ctx, client, spec)
	if err != nil {
		return err
	}
	return p.writeChecks(checks)
}

func addPostgresCommand(p *program) *cobra.Command {
	spec := api.DataSpec{Kind: "postgres"}
	cmd := p.ask("postgres NAME --pgdata DIR --bin DIR", "Protect a PostgreSQL cluster", cobra.ExactArgs(1),
		func(ctx context.Context, client *api.Client, args []string) error {
			spec.Name = args[0]
			return p.addData(ctx, client, spec)
		})
	cmd.Flags().StringVar(&spec.PGData, "pgdata", "", "its data directory")
	cmd.Flags().StringVar(&spec.Bin, "bin", "", "directory of its programs")
	return cmd
}

func (p *program) addData(ctx context.Context, client *api.Client, spec api.DataSpec) error {
	if err := api.AddData().Do(ctx, client, spec); err != nil {
		return err
	}
	return p.say("%s is protected.", spec.Name)
}
