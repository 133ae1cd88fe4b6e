package cli

import (
	"context"

	"github.com/spf13/cobra"

	"baton/internal/api"
)

func (p *program) pair() *cobra.Command {
	request := api.PairRequest{}
	cmd := p.ask("pair HOST[:PORT] [--reverse HOST[:PORT]] [--replace]", "Establish the relationship; run it on the one that holds the data", cobra.ExactArgs(1),
		func(ctx context.Context, client *api.Client, args []string) error {
			request.Address = args[0]
			peer, err := client.Pair(ctx, request)
			if err != nil {
				return err
			}
			return p.show(peer, func(pg *page) {
				pg.row("Paired with " + peer.Name + " at " + peer.Address + ". This appliance is the primary; " + peer.Name + " now receives its data.")
			})
		})
	cmd.Flags().StringVar(&request.Reverse, "reverse", "", "address at which the other appliance reaches this one")
	cmd.Flags().BoolVar(&request.Replace, "replace", false, "although the other appliance holds a site: what it has is set aside there, then replaced")
	return cmd
}

func (p *program) unpair() *cobra.Command {
	request := api.UnpairRequest{}
	cmd := p.ask("unpair [--force]", "Break the relationship", cobra.NoArgs,
		func(ctx context.Context, client *api.Client, _ []string) error {
			if request.Force {
				if err := p.confirm(ctx, client, "The relationship will be broken on this appliance only."); err != nil {
					return err
				}
			}
			if err := client.Unpair(ctx, request); err != nil {
				return err
			}
			return p.say("The relationship is broken.")
		})
	cmd.Flags().BoolVar(&request.Force, "force", false, "although the peer is unreachable")
	return cmd
}
