package cli

import (
	"context"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"baton/internal/api"
	"baton/internal/cli/table"
	"baton/internal/pair"
)

func dataCommand(p *program) *cobra.Command {
	return group("data", "Protected data",
		group("add", "Protect a directory or a database",
			addFileCommand(p, "dir", "Protect a directory"),
			addFileCommand(p, "sqlite", "Protect an SQLite database"),
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
			p.ask("dir NAME PATH", "Test a directory; exit code 1 if it cannot be protected", cobra.ExactArgs(2),
				func(ctx context.Context, client *api.Client, args []string) error {
					checks, err := api.TestData().Call(ctx, client, api.DataSpec{Kind: "dir", Name: args[0], Path: args[1]})
					if err != nil {
						return err
					}
					return p.writeChecks(checks)
				})),
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
		pg.Marked(colour, one.Name, string(one.Kind), files, bytes, state, one.Path)
	}
}

func addFileCommand(p *program, kind, short string) *cobra.Command {
	return p.ask(kind+" NAME PATH", short, cobra.ExactArgs(2),
		func(ctx context.Context, client *api.Client, args []string) error {
			return p.addData(ctx, client, api.DataSpec{Kind: kind, Name: args[0], Path: args[1]})
		})
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
