package cli

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"baton/internal/api"
	"baton/internal/cli/table"
	"baton/internal/pair"
)

func notificationsCommand(p *program) *cobra.Command {
	return group("notifications", "Who is told of what, by mail and webhooks",
		p.ask("get [KEY]", "Show one value, or all; never password and secrets", cobra.MaximumNArgs(1), p.getNotifications),
		setNotificationsCommand(p),
		p.ask("list", "The channels, and how each fares on this appliance", cobra.NoArgs, p.listChannels),
		group("add", "Add a channel", p.ask("webhook NAME URL", "Add a webhook; its secret comes from standard input or a prompt", cobra.ExactArgs(2), p.addWebhook)),
		group("remove", "Remove a channel", p.ask("webhook NAME", "Tell a webhook nothing more, and forget it", cobra.ExactArgs(1), p.removeWebhook)),
		group("test", "Send a test through a saved channel of this appliance",
			p.ask("mail", "Send a test mail to all recipients", cobra.NoArgs,
				func(ctx context.Context, client *api.Client, _ []string) error {
					return testChannel(ctx, p, client, pair.MailChannel)
				}),
			p.ask("webhook NAME", "Post a test to a webhook", cobra.ExactArgs(1), p.testWebhook)))
}

func (p *program) getNotifications(ctx context.Context, client *api.Client, args []string) error {
	answer, err := api.GetNotifications().Call(ctx, client, api.None{})
	if err != nil {
		return err
	}
	saved := answer.Body
	return showSettings(p, pair.Texts(saved.Notifications), pair.Names(saved.Notifications), args)
}

// secretOf says whose secret is read from standard input.
type secretOf struct {
	mail    bool
	webhook string // its name; empty: none
}

func setNotificationsCommand(p *program) *cobra.Command {
	given := secretOf{}
	cmd := p.ask("set [KEY=VALUE ...] [--password | --secret WEBHOOK]", "Change values; all of them or none", cobra.ArbitraryArgs,
		func(ctx context.Context, client *api.Client, args []string) error {
			changes, keys, err := noticeChanges(args, given)
			if err != nil {
				return err
			}
			saved, err := changeNotifications(ctx, client, func(n *pair.Notifications) (err error) {
				if *n, err = pair.With(*n, changes); err != nil {
					return err
				}
				return takeSecret(ctx, p, n, given)
			})
			if err != nil {
				return err
			}
			if given != (secretOf{}) {
				err = p.say("The secret is saved.")
			}
			return errors.Join(err, p.writeSettings(pair.Texts(saved.Notifications), keys))
		})
	cmd.Flags().BoolVar(&given.mail, "password", false, "read the password of the mail server from standard input or a prompt")
	cmd.Flags().StringVar(&given.webhook, "secret", "", "read the secret of this webhook from standard input or a prompt")
	return cmd
}

// noticeChanges reads the arguments of baton notifications set. A secret among them
// is refused: anybody who lists the processes of the machine could read it.
func noticeChanges(args []string, given secretOf) (changes map[string]string, keys []string, err error) {
	if len(args) == 0 && given == (secretOf{}) {
		return nil, nil, pair.Refuse(pair.Usage, "nothing to change: write KEY=VALUE, as mail.host=mail.example.org")
	}
	if given.mail && given.webhook != "" {
		return nil, nil, pair.Refuse(pair.Usage, "one secret at a time comes from standard input: set --password and --secret one after the other")
	}
	if changes, keys, err = parseChanges(args); err != nil {
		return nil, nil, err
	}
	for _, key := range keys {
		if key == "mail.password" || strings.HasSuffix(key, ".secret") {
			return nil, nil, pair.Refuse(pair.Usage, "%s is not set on the command line, where others could read it: use --password or --secret WEBHOOK, and standard input", key)
		}
	}
	return changes, keys, nil
}

func takeSecret(ctx context.Context, p *program, n *pair.Notifications, given secretOf) (err error) {
	if given.mail {
		n.Mail.Password, err = p.person().NewSecret(ctx, "password of the mail server")
		return err
	}
	if given.webhook == "" {
		return nil
	}
	i, err := findWebhook(*n, given.webhook)
	if err != nil {
		return err
	}
	n.Webhooks[i].Secret, err = p.person().NewSecret(ctx, "secret of the webhook")
	return err
}

func findWebhook(n pair.Notifications, name string) (int, error) {
	if i := n.FindWebhook(name); i >= 0 {
		return i, nil
	}
	var names []string
	for _, w := range n.Webhooks {
		names = append(names, w.Name)
	}
	if len(names) == 0 {
		return 0, pair.Refuse(pair.NotFound, "there is no webhook: add one with baton notifications add webhook NAME URL")
	}
	return 0, pair.Refuse(pair.NotFound, "there is no webhook %q: use one of %s", name, strings.Join(names, ", "))
}

// changeNotifications saves a change of what is saved now. It fails if somebody
// else saves meanwhile.
func changeNotifications(ctx context.Context, client *api.Client, change func(*pair.Notifications) error) (api.SavedNotifications, error) {
	now, err := api.GetNotifications().Call(ctx, client, api.None{})
	if err != nil {
		return now.Body, err
	}
	wanted := api.NotificationsToSave{IfMatch: now.ETag, Body: now.Body.Notifications}
	if err := change(&wanted.Body); err != nil {
		return now.Body, err
	}
	saved, err := api.SaveNotifications().Call(ctx, client, wanted)
	return saved.Body, byKey(err, wanted.Body)
}

// byKey names refused fields as the command line does.
func byKey(err error, n pair.Notifications) error {
	var refused []error
	for _, field := range pair.FieldsOf(err) {
		refused = append(refused, pair.Refuse(pair.CodeOf(err), "%s: %s", keyOf(field.Name, n), field.Text))
	}
	if refused == nil {
		return err
	}
	return errors.Join(refused...)
}

// keyOf is the key of a field: webhooks.0.tell.kinds is webhook.NAME.kinds.
func keyOf(field string, n pair.Notifications) string {
	field = strings.Replace(field, ".tell.", ".", 1)
	rest, isWebhook := strings.CutPrefix(field, "webhooks.")
	number, rest, _ := strings.Cut(rest, ".")
	if i, err := strconv.Atoi(number); isWebhook && err == nil && i >= 0 && i < len(n.Webhooks) {
		return "webhook." + n.Webhooks[i].Name + "." + rest
	}
	return field
}

func (p *program) addWebhook(ctx context.Context, client *api.Client, args []string) error {
	secret, err := p.person().NewSecret(ctx, "secret of the webhook")
	if err != nil {
		return err
	}
	_, err = changeNotifications(ctx, client, func(n *pair.Notifications) error {
		n.Webhooks = append(n.Webhooks, pair.Webhook{Name: args[0], Enabled: true, URL: args[1], Secret: secret, Tell: pair.DefaultTell()})
		return nil
	})
	if err != nil {
		return err
	}
	return p.say("The webhook %s is added. Try it: baton notifications test webhook %s", args[0], args[0])
}

func (p *program) removeWebhook(ctx context.Context, client *api.Client, args []string) error {
	_, err := changeNotifications(ctx, client, func(n *pair.Notifications) error {
		i, err := findWebhook(*n, args[0])
		if err == nil {
			n.Webhooks = slices.Delete(n.Webhooks, i, i+1)
		}
		return err
	})
	if err != nil {
		return err
	}
	return p.say("The webhook %s is removed.", args[0])
}

func (p *program) testWebhook(ctx context.Context, client *api.Client, args []string) error {
	answer, err := api.GetNotifications().Call(ctx, client, api.None{})
	if err != nil {
		return err
	}
	saved := answer.Body
	i, err := findWebhook(saved.Notifications, args[0])
	if err != nil {
		return err
	}
	return testChannel(ctx, p, client, saved.Webhooks[i].ID)
}

func testChannel(ctx context.Context, p *program, client *api.Client, channel string) error {
	tested, err := api.TestNotification().Call(ctx, client, api.ChannelRequest{Channel: channel})
	if err != nil {
		return err
	}
	return p.say("%s", tested.Text)
}

func (p *program) listChannels(ctx context.Context, client *api.Client, _ []string) error {
	answer, err := api.GetNotifications().Call(ctx, client, api.None{})
	if err != nil {
		return err
	}
	saved := answer.Body
	return p.show(saved.Channels, func(pg *table.Page) {
		pg.Row("CHANNEL", "ON", "SECRET", "WAITING", "LAST SUCCESS", "LAST FAILURE")
		for _, channel := range saved.Channels {
			name := channel.ID
			if i := saved.FindWebhook(channel.ID); i >= 0 && channel.ID != pair.MailChannel {
				name = "webhook " + saved.Webhooks[i].Name
			}
			secret := "not set"
			if channel.SecretSet {
				secret = "set"
			}
			pg.Row(name, truth(channel.Enabled).String(), secret, strconv.Itoa(channel.Pending), optional(channel.LastSuccess), optional(channel.LastFailure))
			if !channel.FailingSince.IsZero() {
				pg.Row("", channel.LastError)
			}
		}
	})
}
