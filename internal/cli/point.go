package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"baton/internal/api"
	"baton/internal/cli/table"
	"baton/internal/pair"
)

func restorePointCommand(p *program) *cobra.Command {
	return group("restore-point", "Earlier snapshots of which files can be taken out", restorePointListCommand(p), restorePointTakeCommand(p))
}

func restorePointListCommand(p *program) *cobra.Command {
	return p.ask("list", "Restore points on this appliance, which is the backup or was it", cobra.NoArgs,
		func(ctx context.Context, client *api.Client, _ []string) error {
			known, err := api.ListRestorePoints().Call(ctx, client, api.None{})
			if err != nil {
				return err
			}
			return p.show(known, func(pg *table.Page) {
				pg.Row("SNAPSHOT", "TAKEN", "FILES", "SIZE")
				for _, one := range known.Points {
					pg.Row(strconv.FormatUint(one.Number, 10), table.Moment(one.Time), strconv.FormatInt(one.Files, 10), pair.BytesText(one.Bytes))
				}
				pg.Row(fmt.Sprintf("At most %d are kept; beside the data they take %s.", known.Most, pair.BytesText(known.Bytes)))
			})
		})
}

func restorePointTakeCommand(p *program) *cobra.Command {
	var to string
	cmd := p.ask("take SNAPSHOT [PATH...] --to DIR", "Take files, directories or everything of a restore point out into a directory", cobra.MinimumNArgs(1),
		func(ctx context.Context, client *api.Client, args []string) error {
			number, err := strconv.ParseUint(args[0], 10, 64)
			if err != nil {
				return pair.Refuse(pair.Usage, "%q is no number of a snapshot: baton restore-point list shows them", args[0])
			}
			if to == "" {
				return pair.Refuse(pair.Usage, "say where the files are written: add --to DIR")
			}
			err = p.unpackInto(to, func(take func(io.Reader) error) error {
				return api.PackPoint().Call(ctx, client, api.ChosenOfPoint{Number: number, Body: api.ChosenOrAll{Paths: args[1:]}}, take)
			})
			if err != nil {
				return err
			}
			return tellLacking(to)
		})
	cmd.Flags().StringVar(&to, "to", "", "new or empty directory")
	return cmd
}

// tellLacking fails if something could not be taken out.
func tellLacking(dir string) error {
	list := filepath.Join(dir, "NOT-RESTORED.txt") // as the archive names what it lacks
	text, err := os.ReadFile(list)                 //nolint:gosec // the administrator names the directory
	if err != nil {
		return nil //nolint:nilerr // nothing is lacking
	}
	lines := int64(strings.Count(string(text), "\n"))
	return pair.Refuse(pair.Failed, "%s could not be restored, as somebody wrote on this appliance since, or the snapshot left it out: %s names them; everything else is there", pair.Counted(lines, "name"), list)
}
