package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"baton/internal/api"
	"baton/internal/cause"
	"baton/internal/cli/copies"
	"baton/internal/cli/table"
	"baton/internal/cli/unpack"
	"baton/internal/pair"
)

func divergedCommand(p *program) *cobra.Command {
	return group("diverged", "Diverged copies: what losing sides wrote", divergedListCommand(p), divergedShowCommand(p), divergedRowsCommand(p), divergedRestoreCommand(p), divergedExportCommand(p),
		p.ask("delete ID", "Delete a diverged copy for good", cobra.ExactArgs(1),
			func(ctx context.Context, client *api.Client, args []string) error {
				if err := api.DeleteDiverged().Do(ctx, client, args[0]); err != nil {
					return err
				}
				return p.say("%s is deleted.", args[0])
			}))
}

func divergedListCommand(p *program) *cobra.Command {
	return p.ask("list", "Diverged copies on this appliance", cobra.NoArgs,
		func(ctx context.Context, client *api.Client, _ []string) error {
			copies, err := api.ListDiverged().Call(ctx, client, api.None{})
			if err != nil {
				return err
			}
			status, err := api.GetStatus().Call(ctx, client, api.None{})
			if err != nil {
				return err
			}
			if there := copiesThere(status); there != "" {
				_, _ = fmt.Fprintln(p.stdio.Err, there)
			}
			bytes := int64(0)
			return p.show(copies, func(pg *table.Page) {
				pg.Row("ID", "SET ASIDE", "EPOCH", "FILES", "SIZE")
				for _, one := range copies {
					pg.Row(one.ID, table.Moment(one.Time), one.Epoch.String(), strconv.Itoa(len(one.Files)), pair.BytesText(one.Bytes))
					bytes += one.Bytes
				}
				if len(copies) > 1 {
					pg.Row(fmt.Sprintf("They take %s. Each is kept until it is deleted.", pair.BytesText(bytes)))
				}
			})
		})
}

// copiesThere says that the peer keeps diverged copies, if it reports any.
func copiesThere(status pair.Status) string {
	if report := status.PeerReport(); report != nil {
		for _, condition := range report.Conditions {
			if condition.ID == "diverged-copies" || condition.ID == "settings-set-aside" {
				return status.Peer.Name + " keeps copies of its own: run baton diverged list there."
			}
		}
	}
	return ""
}

func divergedExportCommand(p *program) *cobra.Command {
	return p.ask("export ID DIR", "Write the files of a diverged copy into a new or empty directory", cobra.ExactArgs(2),
		func(ctx context.Context, client *api.Client, args []string) error {
			return p.unpackInto(args[1], func(take func(io.Reader) error) error {
				return api.ExportDiverged().Call(ctx, client, args[0], take)
			})
		})
}

func divergedShowCommand(p *program) *cobra.Command {
	return p.ask("show ID", "What of a diverged copy changed on which side since the common snapshot", cobra.ExactArgs(1),
		func(ctx context.Context, client *api.Client, args []string) error {
			report, err := api.ReportDiverged().Call(ctx, client, args[0])
			if err != nil {
				return err
			}
			if len(report.Databases) > 0 {
				_, _ = fmt.Fprintf(p.stdio.Err, "By which rows the databases differ: baton diverged rows %s\n", report.ID)
			}
			return p.show(report, func(pg *table.Page) { copies.WriteReport(pg, report) })
		})
}

func divergedRowsCommand(p *program) *cobra.Command {
	return p.ask("rows ID", "By which rows the SQLite databases of a diverged copy differ from those that are here now", cobra.ExactArgs(1),
		func(ctx context.Context, client *api.Client, args []string) error {
			found, err := api.RowsOfDiverged().Call(ctx, client, args[0])
			if err != nil {
				return err
			}
			return p.show(found, func(pg *table.Page) { copies.WriteRows(pg, found) })
		})
}

func divergedRestoreCommand(p *program) *cobra.Command {
	var to string
	var order api.RestoreOrder
	cmd := p.ask("restore ID PATH... [--to DIR] [--replace]", "Put files of a diverged copy back into the protected data of the primary", cobra.MinimumNArgs(2),
		func(ctx context.Context, client *api.Client, args []string) error {
			order.Paths = args[1:]
			if to != "" {
				return p.unpackInto(to, func(take func(io.Reader) error) error {
					return api.PackDiverged().Call(ctx, client, api.ChosenOf{ID: args[0], Body: order.Chosen}, take)
				})
			}
			restored, err := api.RestoreDiverged().Call(ctx, client, api.RestoreOf{ID: args[0], Body: order})
			if err != nil {
				return err
			}
			return p.show(restored, func(pg *table.Page) {
				pg.Row(fmt.Sprintf("Restored: %s (%s).", pair.Counted(restored.Files, "file"), pair.BytesText(restored.Bytes)))
				for _, kept := range restored.Kept {
					pg.Row("What was there before is kept: " + kept)
				}
			})
		})
	cmd.Flags().StringVar(&to, "to", "", "write them into this new or empty directory instead")
	cmd.Flags().BoolVar(&order.Replace, "replace", false, "rename what is there and restore all the same")
	return cmd
}

// unpackInto unpacks an archive into a new or empty directory.
func (p *program) unpackInto(dir string, ask func(take func(io.Reader) error) error) error {
	if err := unpack.EmptyDirectory(dir); err != nil {
		return err
	}
	files := 0
	err := ask(func(archive io.Reader) (err error) {
		files, err = unpack.Archive(archive, dir)
		return err
	})
	if err != nil {
		return err
	}
	return p.say("Files written to %s: %d.", dir, files)
}

func backupCommand(p *program) *cobra.Command {
	return group("backup", "The site database, encrypted with a password",
		p.ask("create FILE", "Write a backup", cobra.ExactArgs(1),
			func(ctx context.Context, client *api.Client, args []string) error {
				password, err := p.person().NewSecret(ctx, "password of the backup")
				if err != nil {
					return err
				}
				err = saveNew(args[0], func(save func(io.Reader) error) error {
					return api.CreateBackup().Call(ctx, client, api.PasswordText{Password: password}, save)
				})
				if err != nil {
					return err
				}
				return p.say("The backup is in %s. Keep its password apart from it.", args[0])
			}),
		p.ask("inspect FILE", "What a backup holds", cobra.ExactArgs(1), p.inspect),
		p.ask("restore FILE", "Restore a backup", cobra.ExactArgs(1), p.restore))
}

func (p *program) inspect(ctx context.Context, client *api.Client, args []string) error {
	return p.sendBackup(ctx, args[0], func(password string, file io.Reader) error {
		holds, err := api.InspectBackup().Call(ctx, client, password, file)
		if err != nil {
			return err
		}
		return p.show(holds, func(pg *table.Page) {
			pg.Row("SITE", "MADE", "ON", "VERSION", "USERS", "TOKENS", "PROTECTED DATA", "ALSO SET")
			pg.Row(holds.SiteName, table.Moment(holds.Made), holds.Appliance, holds.Version, strconv.Itoa(holds.Users),
				strconv.Itoa(holds.Tokens), strconv.Itoa(holds.Data), strings.Join(holds.Documents, ", "))
		})
	})
}

func (p *program) restore(ctx context.Context, client *api.Client, args []string) error {
	return p.sendBackup(ctx, args[0], func(password string, file io.Reader) error {
		if _, err := api.RestoreBackup().Call(ctx, client, password, file); err != nil {
			return err
		}
		return p.say("The backup is restored, and everybody is signed out of the console.")
	})
}

// sendBackup opens a backup and asks for its password.
func (p *program) sendBackup(ctx context.Context, name string, send func(password string, file io.Reader) error) error {
	file, err := os.Open(name) //nolint:gosec // the administrator names the file
	if err != nil {
		return pair.Refuse(pair.Usage, "the backup cannot be read: %w", cause.Plain(err))
	}
	defer func() { _ = file.Close() }() // it was only read
	password, err := p.person().Secret(ctx, "password of the backup")
	if err != nil {
		return err
	}
	return send(password, file)
}

func supportBundleCommand(p *program) *cobra.Command {
	return p.ask("support-bundle FILE", "What a supporter needs of this appliance, without secrets", cobra.ExactArgs(1),
		func(ctx context.Context, client *api.Client, args []string) error {
			err := saveNew(args[0], func(save func(io.Reader) error) error {
				return api.MakeSupportBundle().Call(ctx, client, api.None{}, save)
			})
			if err != nil {
				return err
			}
			return p.say("The support bundle is in %s: a compressed tar archive. Its README.txt says what is in it.", args[0])
		})
}

// saveNew writes a file that did not exist, whole or not at all. It refuses a file that
// cannot be made before ask has the appliance make anything, which the audit would record.
func saveNew(name string, ask func(save func(io.Reader) error) error) (err error) {
	if _, err := os.Lstat(name); err == nil {
		return pair.Refuse(pair.Usage, "%s exists already: choose another name", name)
	}
	file, err := os.CreateTemp(filepath.Dir(name), ".baton-*") // mode 0600
	if err != nil {
		if failed, ok := errors.AsType[*fs.PathError](err); ok {
			failed.Path = name
		}
		return pair.Refuse(pair.Usage, "the file cannot be written: %w", cause.Plain(err))
	}
	defer func() {
		_ = file.Close() // it was closed already, or is removed
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	err = ask(func(from io.Reader) error {
		_, copied := io.Copy(file, from)
		if err := errors.Join(copied, file.Sync(), file.Close()); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return os.Rename(file.Name(), name)
}
