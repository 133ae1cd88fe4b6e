package cli

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"baton/internal/api"
	"baton/internal/cli/table"
	"baton/internal/pair"
)

func settingsCommand(p *program) *cobra.Command {
	return group("settings", "The settings of the pair",
		p.ask("get [KEY]", "Show one setting, or all", cobra.MaximumNArgs(1), p.getSettings),
		p.ask("set KEY=VALUE ...", "Change settings; all of them or none", cobra.MinimumNArgs(1), p.setSettings))
}

func (p *program) getSettings(ctx context.Context, client *api.Client, args []string) error {
	settings, err := api.GetSettings().Call(ctx, client, api.None{})
	if err != nil {
		return err
	}
	return showSettings(p, settings.Body, pair.Names(pair.Settings{}), args)
}

// showSettings shows one setting that is named, or all.
func showSettings(p *program, settings map[string]string, keys, args []string) error {
	if len(args) == 0 {
		return p.writeSettings(settings, keys)
	}
	value, known := settings[args[0]]
	if !known {
		return pair.Refuse(pair.Usage, "unknown setting %q: use one of %s", args[0], strings.Join(keys, ", "))
	}
	return p.show(map[string]string{args[0]: value}, func(pg *table.Page) { pg.Row(value) })
}

func securityCommand(p *program) *cobra.Command {
	return group("security", "Who may come in to console and API",
		p.ask("get [KEY]", "Show one security option, or all", cobra.MaximumNArgs(1),
			func(ctx context.Context, client *api.Client, args []string) error {
				options, err := api.GetSecurity().Call(ctx, client, api.None{})
				if err != nil {
					return err
				}
				return showSettings(p, options.Body, pair.Names(pair.Security{}), args)
			}),
		p.ask("set KEY=VALUE ...", "Change security options; all of them or none", cobra.MinimumNArgs(1),
			func(ctx context.Context, client *api.Client, args []string) error {
				changes, keys, err := parseChanges(args)
				if err != nil {
					return err
				}
				options, err := api.ChangeSecurity().Call(ctx, client, api.Changes{Body: changes})
				if err != nil {
					return err
				}
				return p.writeSettings(options.Body, keys)
			}))
}

func (p *program) setSettings(ctx context.Context, client *api.Client, args []string) error {
	changes, keys, err := parseChanges(args)
	if err != nil {
		return err
	}
	settings, err := api.ChangeSettings().Call(ctx, client, api.Changes{Body: changes})
	if err != nil {
		return err
	}
	return p.writeSettings(settings.Body, keys)
}

// parseChanges reads KEY=VALUE arguments, and returns the keys in their order, too.
func parseChanges(args []string) (changes map[string]string, keys []string, err error) {
	changes = map[string]string{}
	for _, arg := range args {
		key, value, found := strings.Cut(arg, "=")
		if _, twice := changes[key]; !found || key == "" || twice {
			return nil, nil, pair.Refuse(pair.Usage, "%q is no change: write KEY=VALUE, each key once", arg)
		}
		changes[key] = value
		keys = append(keys, key)
	}
	return changes, keys, nil
}

// writeSettings writes the named settings, in that order.
func (p *program) writeSettings(settings map[string]string, keys []string) error {
	shown := map[string]string{}
	for _, key := range keys {
		shown[key] = settings[key]
	}
	return p.show(shown, func(pg *table.Page) {
		for _, key := range keys {
			pg.Row(key, shown[key])
		}
	})
}

func sharedIPCommand(p *program) *cobra.Command {
	return group("shared-ip", "The addresses that the primary holds",
		p.ask("list", "Shared IPs that this appliance knows", cobra.NoArgs,
			func(ctx context.Context, client *api.Client, _ []string) error {
				ips, err := api.ListSharedIPs().Call(ctx, client, api.None{})
				if err != nil {
					return err
				}
				return p.show(ips, func(pg *table.Page) {
					pg.Row("ADDRESS", "INTERFACE", "SHARED", "HELD")
					for _, ip := range ips {
						pg.Row(ip.Address, ip.Interface, truth(ip.Shared).String(), truth(ip.Held).String())
					}
				})
			}),
		p.ask("enable ADDRESS", "Share an address of this appliance's configuration file", cobra.ExactArgs(1),
			func(ctx context.Context, client *api.Client, args []string) error {
				if err := api.EnableSharedIP().Do(ctx, client, api.AddressRequest{Address: args[0]}); err != nil {
					return err
				}
				return p.say("%s is shared.", args[0])
			}),
		p.ask("disable ADDRESS", "Share it no longer", cobra.ExactArgs(1),
			func(ctx context.Context, client *api.Client, args []string) error {
				if err := api.DisableSharedIP().Do(ctx, client, api.AddressRequest{Address: args[0]}); err != nil {
					return err
				}
				return p.say("%s is not shared.", args[0])
			}))
}

func testIPsCommand(p *program) *cobra.Command {
	return p.ask("test-ips [IP ...]", "Ping the given or the saved test IPs from both appliances; exit code 1 if one does not answer", cobra.ArbitraryArgs,
		func(ctx context.Context, client *api.Client, args []string) error {
			results, err := api.PingTestIPs().Call(ctx, client, api.TestIPsRequest{IPs: args})
			if err != nil {
				return err
			}
			err = p.show(results, func(pg *table.Page) {
				for _, result := range results {
					writeReach(pg, result)
				}
			})
			if err == nil && slices.ContainsFunc(results, func(r pair.Reach) bool { return !r.Everywhere() }) {
				return errSilent
			}
			return err
		})
}

func writeReach(pg *table.Page, result pair.Reach) {
	verdict, colour := "ok", table.Green
	if !result.Everywhere() {
		verdict, colour = "not ok", table.Red
	}
	columns := []string{verdict, result.IP, reachText(result.RTTMS, result.Reason)}
	if result.Peer != nil {
		columns[2] = "here: " + columns[2]
		columns = append(columns, result.Peer.Name+": "+reachText(result.Peer.RTTMS, result.Peer.Reason))
	}
	pg.Marked(colour, columns...)
}

// reachText is the round trip, or why there was none.
func reachText(ms float64, reason string) string {
	if reason != "" {
		return reason
	}
	return strconv.FormatFloat(ms, 'f', 2, 64) + " ms"
}
