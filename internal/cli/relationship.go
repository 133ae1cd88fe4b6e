package cli

import (
	"context"

	"github.com/spf13/cobra"

	"baton/internal/api"
	"baton/internal/cli/table"
	"baton/internal/pair"
)

func pairCommand(p *program) *cobra.Command {
	request, check := api.PairRequest{}, false
	cmd := p.ask("pair HOST[:PORT] [--reverse HOST[:PORT]] [--replace] [--check]", "Establish the relationship; run it on the one that holds the data", cobra.ExactArgs(1),
		func(ctx context.Context, client *api.Client, args []string) error {
			request.Address = args[0]
			if check {
				return previewPair(ctx, p, client, request)
			}
			peer, err := api.EstablishPair().Call(ctx, client, request)
			if err != nil {
				return err
			}
			protected, err := api.ListData().Call(ctx, client, api.None{})
			if err != nil {
				return err
			}
			settings, err := api.GetSettings().Call(ctx, client, api.None{})
			if err != nil {
				return err
			}
			return p.show(peer, func(pg *table.Page) {
				pg.Row("Paired with " + peer.Name + " at " + peer.Address + ". This appliance is the primary; " + peer.Name + " now receives its data.")
				pg.Row("The Primary Site Instance Timeout is " + settings.Body["primary_timeout"] + ". If Baton chose it, this tells why: baton history --kind " + pair.KindSettingChanged)
				if len(protected) == 0 {
					pg.Row("No directory is protected yet: without the site's files a takeover would serve an empty site. Run: baton data add dir NAME PATH.")
				}
			})
		})
	cmd.Flags().StringVar(&request.Reverse, "reverse", "", "address at which the other appliance reaches this one")
	cmd.Flags().BoolVar(&request.Replace, "replace", false, "although the other appliance holds a site: what it has is set aside there, then replaced")
	cmd.Flags().BoolVar(&check, "check", false, "only tell what it would do")
	return cmd
}

func previewPair(ctx context.Context, p *program, client *api.Client, request api.PairRequest) error {
	preview, err := api.PreviewPair().Call(ctx, client, request)
	if err != nil {
		return err
	}
	return p.show(preview, func(pg *table.Page) {
		pg.Row(preview.Text)
		if preview.Data != "" {
			pg.Row(preview.Name + " holds " + preview.Data + ".")
		}
		for _, path := range preview.Brings {
			pg.Row("It receives " + path + ".")
		}
		for _, warning := range preview.Warnings {
			pg.Row(warning.Text + " " + warning.NextStep)
		}
	})
}

func unpairCommand(p *program) *cobra.Command {
	request := api.UnpairRequest{}
	cmd := p.ask("unpair [--force]", "Break the relationship", cobra.NoArgs,
		func(ctx context.Context, client *api.Client, _ []string) error {
			if request.Force {
				if err := p.confirm(ctx, client, "The relationship will be broken on this appliance only."); err != nil {
					return err
				}
			}
			if err := api.BreakPair().Do(ctx, client, request); err != nil {
				return err
			}
			return p.say("The relationship is broken.")
		})
	cmd.Flags().BoolVar(&request.Force, "force", false, "although the peer is unreachable")
	return cmd
}
