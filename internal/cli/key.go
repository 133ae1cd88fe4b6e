package cli

import (
	"context"

	"github.com/spf13/cobra"

	"baton/internal/api"
	"baton/internal/cli/table"
	"baton/internal/pair"
)

func setupCommand(p *program) *cobra.Command {
	name := ""
	cmd := p.ask("setup [--user NAME]", "Make the first administrator; without --user, show the setup token", cobra.NoArgs,
		func(ctx context.Context, client *api.Client, _ []string) error {
			if name == "" {
				return setupState(ctx, p, client)
			}
			name = pair.UserName(name)
			password, err := p.person().NewSecret(ctx, "password")
			if err != nil {
				return err
			}
			if err := api.SetUp().Do(ctx, client, api.SetupRequest{User: name, Password: password}); err != nil {
				return err
			}
			return p.say("%s is the first administrator: sign in to the console, at /login of this appliance's address.", name)
		})
	cmd.Flags().StringVar(&name, "user", "", "name of the first administrator; the password comes from standard input or a prompt")
	return cmd
}

func setupState(ctx context.Context, p *program, client *api.Client) error {
	state, err := api.GetSetup().Call(ctx, client, api.None{})
	if err != nil {
		return err
	}
	return p.show(state, func(pg *table.Page) {
		if !state.Needed {
			pg.Row("Setup is done.")
			return
		}
		pg.Row("Run baton setup --user NAME here, or open /login/setup at this appliance's address in a browser")
		pg.Row("and give it this setup token:")
		pg.Row("")
		pg.Row(state.Token)
	})
}

func keyCommand(p *program) *cobra.Command {
	return group("key", "The Inter-appliance Communication Pre-shared Key",
		keySetCommand(p), keyGenerateCommand(p),
		p.ask("fingerprint", "Show the fingerprint, to compare on both appliances", cobra.NoArgs,
			func(ctx context.Context, client *api.Client, _ []string) error {
				state, err := api.GetKey().Call(ctx, client, api.None{})
				if err != nil {
					return err
				}
				if !state.Set && !p.flags.json {
					return pair.Refuse(pair.Refused, "no pre-shared key is saved here: run baton key set")
				}
				return p.show(state, func(pg *table.Page) {
					pg.Row(state.Fingerprint)
					if state.Previous != "" {
						pg.Row("The key before it, " + state.Previous + ", stays valid until both appliances have proved this one.")
					}
				})
			}),
		p.ask("end-previous", "End the key before this one at once, as when it has leaked", cobra.NoArgs,
			func(ctx context.Context, client *api.Client, _ []string) error {
				if err := api.EndPreviousKey().Do(ctx, client, api.None{}); err != nil {
					return err
				}
				return p.say("Only the present key is valid on this appliance now.")
			}))
}

func keySetCommand(p *program) *cobra.Command {
	return p.ask("set", "Save the key, from standard input or a prompt", cobra.NoArgs,
		func(ctx context.Context, client *api.Client, _ []string) error {
			key, err := p.person().NewSecret(ctx, "pre-shared key")
			if err != nil {
				return err
			}
			return saveKey(ctx, p, client, key)
		})
}

func saveKey(ctx context.Context, p *program, client *api.Client, key string) error {
	state, err := api.SetKey().Call(ctx, client, api.KeyText{Key: key})
	if err != nil {
		return err
	}
	return p.say("The key is saved. Its fingerprint is %s; it has to be the same on the other appliance.", state.Fingerprint)
}

func keyGenerateCommand(p *program) *cobra.Command {
	save := false
	cmd := p.ask("generate [--save]", "Write a strong new key, to be set on both appliances", cobra.NoArgs,
		func(ctx context.Context, client *api.Client, _ []string) error {
			generated, err := api.GenerateKey().Call(ctx, client, api.None{})
			if err != nil {
				return err
			}
			if save {
				if _, err := api.SetKey().Call(ctx, client, generated); err != nil {
					return err
				}
			}
			return p.show(map[string]any{"key": generated.Key, "saved": save}, func(pg *table.Page) { pg.Row(generated.Key) })
		})
	cmd.Flags().BoolVar(&save, "save", false, "save it on this appliance, too")
	return cmd
}
