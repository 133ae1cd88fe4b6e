package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"baton/internal/api"
	"baton/internal/cause"
	"baton/internal/cli/table"
	"baton/internal/pair"
)

func userCommand(p *program) *cobra.Command {
	return group("user", "Accounts", userAddCommand(p), userListCommand(p), userPasswordCommand(p),
		p.ask("disable NAME", "Let an account sign in no longer", cobra.ExactArgs(1),
			func(ctx context.Context, client *api.Client, args []string) error {
				if err := api.DisableUser().Do(ctx, client, pair.UserName(args[0])); err != nil {
					return err
				}
				return p.say("%s is disabled.", pair.UserName(args[0]))
			}),
		p.ask("enable NAME", "Let a disabled account sign in again", cobra.ExactArgs(1),
			func(ctx context.Context, client *api.Client, args []string) error {
				if err := api.EnableUser().Do(ctx, client, pair.UserName(args[0])); err != nil {
					return err
				}
				return p.say("%s is enabled.", pair.UserName(args[0]))
			}),
		p.ask("totp-off NAME", "Ask an account for its password only, as when the device for its one-time codes is lost", cobra.ExactArgs(1),
			func(ctx context.Context, client *api.Client, args []string) error {
				if err := api.ResetTOTP().Do(ctx, client, pair.UserName(args[0])); err != nil {
					return err
				}
				return p.say("%s signs in with the password only.", pair.UserName(args[0]))
			}),
		p.ask("sign-out NAME", "Sign an account out of the console everywhere", cobra.ExactArgs(1),
			func(ctx context.Context, client *api.Client, args []string) error {
				if err := api.SignOutEverywhere().Do(ctx, client, pair.UserName(args[0])); err != nil {
					return err
				}
				return p.say("%s is signed out.", pair.UserName(args[0]))
			}))
}

func userAddCommand(p *program) *cobra.Command {
	user := pair.NewUser{}
	role := ""
	cmd := p.ask("add NAME [--role ROLE] [--display-name TEXT] [--mail ADDRESS]", "Make an account; the password comes from standard input or a prompt", cobra.ExactArgs(1),
		func(ctx context.Context, client *api.Client, args []string) error {
			access, err := pair.ParseAccess(role)
			if err != nil {
				return err
			}
			user.Name, user.Role = pair.UserName(args[0]), access
			if user.Password, err = p.person().NewSecret(ctx, "password"); err != nil {
				return err
			}
			if err := api.AddUser().Do(ctx, client, user); err != nil {
				return err
			}
			return p.say("%s is a user with the role %s.", user.Name, user.Role)
		})
	cmd.Flags().StringVar(&role, "role", string(pair.Viewer), "administrator, operator (may switch and sync) or viewer")
	cmd.Flags().StringVar(&user.DisplayName, "display-name", "", "name to show")
	cmd.Flags().StringVar(&user.Mail, "mail", "", "mail address")
	return cmd
}

func userListCommand(p *program) *cobra.Command {
	return p.ask("list", "Accounts", cobra.NoArgs,
		func(ctx context.Context, client *api.Client, _ []string) error {
			users, err := api.ListUsers().Call(ctx, client, api.None{})
			if err != nil {
				return err
			}
			return p.show(users, func(pg *table.Page) {
				pg.Row("NAME", "ROLE", "DISABLED", "TOTP", "LAST LOGIN", "DISPLAY NAME", "MAIL")
				for _, user := range users {
					pg.Row(user.Name, string(user.Role), truth(user.Disabled).String(), truth(user.TOTP).String(), optional(user.LastLogin), user.DisplayName, user.Mail)
				}
			})
		})
}

func userPasswordCommand(p *program) *cobra.Command {
	return p.ask("passwd NAME", "Set a password, from standard input or a prompt", cobra.ExactArgs(1),
		func(ctx context.Context, client *api.Client, args []string) error {
			password, err := p.person().NewSecret(ctx, "new password")
			if err != nil {
				return err
			}
			change := api.Named[api.PasswordText]{Name: pair.UserName(args[0]), Body: api.PasswordText{Password: password}}
			if err := api.SetPassword().Do(ctx, client, change); err != nil {
				return err
			}
			return p.say("%s has a new password.", pair.UserName(args[0]))
		})
}

func tokenCommand(p *program) *cobra.Command {
	return group("token", "API tokens", tokenCreateCommand(p),
		p.ask("list", "Tokens, without their secrets", cobra.NoArgs,
			func(ctx context.Context, client *api.Client, _ []string) error {
				tokens, err := api.ListTokens().Call(ctx, client, api.None{})
				if err != nil {
					return err
				}
				return p.show(tokens, func(pg *table.Page) {
					pg.Row("ID", "NAME", "ROLE", "EXPIRES", "LAST USED")
					for _, token := range tokens {
						pg.Row(token.ID, token.Name, string(token.Role), optional(token.Expires), optional(token.LastUsed))
					}
				})
			}),
		p.ask("revoke ID", "End a token at once", cobra.ExactArgs(1),
			func(ctx context.Context, client *api.Client, args []string) error {
				if err := api.RevokeToken().Do(ctx, client, args[0]); err != nil {
					return err
				}
				return p.say("%s is revoked.", args[0])
			}))
}

func tokenCreateCommand(p *program) *cobra.Command {
	role, lasting := "", ""
	cmd := p.ask("create NAME [--role ROLE] [--expires D]", "Make a token; its secret is written this once", cobra.ExactArgs(1),
		func(ctx context.Context, client *api.Client, args []string) error {
			access, err := pair.ParseAccess(role)
			if err != nil {
				return err
			}
			token := pair.NewToken{Name: args[0], Role: access}
			if lasting != "" {
				d, err := pair.ParseDuration(lasting)
				if err != nil {
					return pair.Refuse(pair.Usage, "%w", cause.Plain(err))
				}
				token.Expires = time.Now().Add(d)
			}
			made, err := api.CreateToken().Call(ctx, client, token)
			if err != nil {
				return err
			}
			return p.show(made, func(pg *table.Page) { pg.Row(made.Secret) })
		})
	cmd.Flags().StringVar(&role, "role", string(pair.Viewer), "administrator, operator (may switch and sync) or viewer")
	cmd.Flags().StringVar(&lasting, "expires", "", "in how long, like 90d; never, if absent")
	return cmd
}
