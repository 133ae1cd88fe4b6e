package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"baton/internal/api"
	"baton/internal/cause"
	"baton/internal/cli/table"
	"baton/internal/pair"
)

// Exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitRefused     = 3
	exitUnreachable = 4
)

// DefaultConfig is where the configuration file lies.
const DefaultConfig = "/etc/baton/baton.toml"

// Commands are the acts that are no request to an appliance. Errors that are
// *pair.Refusal choose the exit code; all others are failures.
type Commands struct {
	Version     string
	Serve       func(ctx context.Context, config string) error
	Demo        func(ctx context.Context, args DemoArgs) error
	ConfigCheck func(config string) (warnings []string, err error)
	Cleanup     func(ctx context.Context, config string) error
	// Reload has the daemon replaced by the program that is installed now.
	Reload func(ctx context.Context, config string) error
	// TellChanges tells the daemon of changes, until the context ends.
	TellChanges func(ctx context.Context, config string) error
	// Licences writes the licence of Baton and those of what is linked into it.
	Licences func(to io.Writer) error
	// Socket finds the local socket: what the file says, or the default. With an error, the file
	// is broken, and the socket is what could be read of it.
	Socket func(config string) (string, error)
}

// DemoArgs is what baton demo was given.
type DemoArgs struct {
	Script  bool          // run the built-in scenario and end, instead of waiting for a person
	Timeout time.Duration // Primary Site Instance Timeout of the pair; 0: the demo's own
	Pace    time.Duration // rest between two parts of the scenario; 0: the demo's own
	Stdio   Stdio
}

// Stdio is where the program reads and writes.
type Stdio struct {
	In       io.Reader
	Out, Err io.Writer
}

// program is one run of the command line.
type program struct {
	commands Commands
	stdio    Stdio
	flags    flags
	began    bool // the arguments were right: what fails now is not their fault
}

// flags are those that every command takes.
type flags struct {
	config, socket, url, token, ca, pin string
	json                                bool
}

// Run carries out one command line, without the program's name, and returns the
// exit code.
func Run(ctx context.Context, commands Commands, stdio Stdio, args []string) int {
	p := &program{commands: commands, stdio: stdio}
	root := rootCommand(p)
	root.SetArgs(args)
	root.SetIn(stdio.In)
	root.SetOut(stdio.Out)
	root.SetErr(stdio.Err)
	ran, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	if !p.began {
		err = pair.Refuse(pair.Usage, "%w; see %s --help", cause.Plain(err), ran.CommandPath())
	}
	p.complain(err)
	return exitCode(err)
}

// errSilent ends a command with exit code 1 whose output has said everything.
var errSilent = errors.New("")

// complain writes one line, and a second where a library had more to say; several errors that were joined here have one each.
func (p *program) complain(err error) {
	parts := []error{err}
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) && errors.Join(joined.Unwrap()...).Error() == err.Error() {
		parts = joined.Unwrap()
	}
	for _, part := range parts {
		// Part of the text may come from the other appliance.
		if part.Error() == "" {
			continue
		}
		text, detail := cause.Sentence(part)
		p.complainLine("baton: ", text)
		if !strings.Contains(text, detail) {
			p.complainLine("Details: ", detail)
		}
	}
}

func (p *program) complainLine(before, text string) {
	_, _ = fmt.Fprintln(p.stdio.Err, before+strings.Map(table.Printable, strings.Join(strings.Fields(text), " "))) // nowhere left to complain to
}

func exitCode(err error) int {
	if there, is := errors.AsType[elsewhere](err); is {
		return int(there.code)
	}
	switch pair.CodeOf(err) {
	case pair.Usage:
		return exitUsage
	case pair.Refused, pair.Stale, pair.TooMany:
		return exitRefused
	case pair.Unreachable, pair.Unconfirmed:
		return exitUnreachable
	case pair.Failed, pair.Unauthorized, pair.Forbidden, pair.NotFound:
		return exitFailed
	}
	return exitFailed
}

func rootCommand(p *program) *cobra.Command {
	root := &cobra.Command{
		Use:                "baton",
		Short:              "Keep a site up on two machines",
		Long:               "Baton keeps a self-hosted site up on two machines: one serves it, the other holds a fresh copy and takes over.\n\nExit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 refused in this state, 4 peer unreachable.",
		SilenceErrors:      true,
		SilenceUsage:       true,
		DisableSuggestions: true,
		Args:               cobra.ArbitraryArgs,
		RunE:               chooseOne,
	}
	shared := root.PersistentFlags()
	shared.StringVar(&p.flags.config, "config", DefaultConfig, "configuration file of this appliance")
	shared.StringVar(&p.flags.socket, "socket", "", "local socket of the appliance (default: what the configuration file says)")
	shared.StringVar(&p.flags.url, "url", "", "another appliance, like https://198.51.100.2")
	shared.StringVar(&p.flags.token, "token", "", "API token for --url (default: $BATON_TOKEN)")
	shared.StringVar(&p.flags.ca, "ca", "", "PEM file with the authorities to trust for --url")
	shared.StringVar(&p.flags.pin, "pin", "", "SHA-256 fingerprint of the certificate to trust for --url")
	shared.BoolVar(&p.flags.json, "json", false, "write JSON")
	root.AddCommand(
		serveCommand(p), demoCommand(p), setupCommand(p), statusCommand(p), keyCommand(p), pairCommand(p), unpairCommand(p), syncCommand(p), becomeCommand(p),
		settingsCommand(p), securityCommand(p), notificationsCommand(p), siteCommand(p), certificateCommand(p), sharedIPCommand(p), testIPsCommand(p), dataCommand(p), serviceCommand(p), whenCommand(p), userCommand(p), tokenCommand(p), historyCommand(p), reportCommand(p),
		divergedCommand(p), restorePointCommand(p), doctorCommand(p), maintenanceCommand(p), resumeCommand(p), backupCommand(p), supportBundleCommand(p), licencesCommand(p), configCommand(p), cleanupCommand(p), reloadCommand(p), tellChangesCommand(p), versionCommand(p),
	)
	return root
}

// chooseOne is what a command does that only groups others.
func chooseOne(cmd *cobra.Command, args []string) error {
	var names []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() && sub.Name() != "help" && sub.Name() != "completion" {
			names = append(names, sub.Name())
		}
	}
	said := "no command given"
	if len(args) > 0 {
		said = fmt.Sprintf("unknown command %q", args[0])
	}
	return fmt.Errorf("%s: use %s with one of %s", said, cmd.CommandPath(), strings.Join(names, ", "))
}

// group makes a command that only groups others.
func group(use, short string, subs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs, RunE: chooseOne}
	cmd.AddCommand(subs...)
	return cmd
}

// command makes a command that does something.
func (p *program) command(use, short string, args cobra.PositionalArgs, run func(ctx context.Context, args []string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: fitting(args), DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			p.began = true
			return run(cmd.Context(), args)
		},
	}
}

// fitting adds to the error about wrong arguments which arguments fit.
func fitting(args cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		if args(cmd, given) == nil {
			return nil
		}
		said := "an argument is missing"
		if len(given) > 0 {
			said = fmt.Sprintf("the arguments %q do not fit", given)
		}
		return fmt.Errorf("%s: use %s", said, cmd.UseLine())
	}
}

// ask makes a command that speaks to the appliance.
func (p *program) ask(use, short string, args cobra.PositionalArgs, run func(ctx context.Context, client *api.Client, args []string) error) *cobra.Command {
	return p.command(use, short, args, func(ctx context.Context, args []string) error {
		client, err := p.client()
		if err != nil {
			return err
		}
		defer client.Close()
		return run(ctx, client, args)
	})
}
