package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"baton/internal/api"
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
			if err := p.show(compared, func(pg *table.Page) { writeComparison(pg, compared) }); err != nil || compared.Same {
				return err
			}
			return errSilent
		})
}

func writeComparison(pg *table.Page, c kept.Comparison) {
	pg.Row(c.Summary())
	for _, one := range c.Data {
		for _, problem := range one.Problems {
			pg.Marked(table.Yellow, one.Name+": "+problem)
		}
	}
	if !slices.ContainsFunc(c.Data, func(one kept.ComparedData) bool { return one.Differences() > 0 }) {
		return
	}
	pg.Row("DIFFERS", strings.ToUpper(c.Here), strings.ToUpper(c.There), "SIZE", "SIZE THERE", "CHANGED", "CHANGED THERE", "PATH")
	for _, one := range c.Data {
		for _, f := range one.Files {
			colour := table.Yellow
			if f.Expected {
				colour = table.Plain
			}
			pg.Marked(colour, c.Says(f), string(f.Here), string(f.There), sizeOf(f.HereIs), sizeOf(f.ThereIs), changedAt(f.HereIs), changedAt(f.ThereIs), one.Where(f))
		}
		if one.More > 0 {
			pg.Row(fmt.Sprintf("%s: %d more", one.Name, one.More))
		}
	}
}
