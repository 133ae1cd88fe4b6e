package cli

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"baton/internal/api"
	"baton/internal/cli/copies"
	"baton/internal/cli/table"
	"baton/internal/kept"
	"baton/internal/pair"
)

func compareCommand(p *program) *cobra.Command {
	return p.ask("compare [NAME...]", "Where the data of the two appliances differs; exit code 1 if more does than the next data sync brings", cobra.ArbitraryArgs,
		func(ctx context.Context, client *api.Client, names []string) error {
			compared, err := api.CompareSides().Call(ctx, client, api.None{})
			if err != nil {
				return err
			}
			for _, name := range names {
				if !slices.ContainsFunc(compared.Data, func(one kept.ComparedData) bool { return one.Name == name }) {
					return pair.Refuse(pair.Usage, "%s is not protected: see baton data list", name)
				}
			}
			compared = compared.Of(names)
			if err := p.show(compared, func(pg *table.Page) { copies.WriteComparison(pg, compared) }); err != nil || compared.Same {
				return err
			}
			return errSilent
		})
}
