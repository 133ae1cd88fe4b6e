package cli

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"baton/internal/api"
	"baton/internal/cause"
	"baton/internal/pair"
)

// elsewhere ends a command that is not run here, with the exit code that was asked for.
type elsewhere struct {
	code uint8
	text string
}

func (e elsewhere) Error() string { return e.text }

// promptly bounds how long the daemon may take to say what it is.
const promptly = time.Second

func whenCommand(p *program) *cobra.Command {
	var elseExit uint8
	cmd := p.command("primary [--else-exit N] -- CMD ARG...", "Run a command on the primary, and nothing elsewhere; for crontabs and scripts", cobra.MinimumNArgs(1),
		func(ctx context.Context, args []string) error {
			program, err := exec.LookPath(args[0])
			if err != nil {
				return pair.Refuse(pair.Usage, "%s cannot be run: %w", args[0], cause.Plain(err))
			}
			here, err := leads(ctx, p)
			switch {
			case err != nil && elseExit != 0: // else a crontab would write a mail at each run
				return elsewhere{elseExit, fmt.Sprintf("%s is not run, since Baton does not answer here: %s", args[0], err)}
			case !here && elseExit == 0:
				return nil
			case !here:
				return elsewhere{code: elseExit}
			}
			return fmt.Errorf("run %s: %w", program, unix.Exec(program, args, os.Environ())) // it takes this process's place
		})
	cmd.Flags().Uint8Var(&elseExit, "else-exit", 0, "exit code where the command is not run")
	return group("when", "Run a command if this appliance has a role", cmd)
}

// leads reports whether the site is here.
func leads(ctx context.Context, p *program) (bool, error) {
	client, err := p.client()
	if err != nil {
		return false, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, promptly)
	defer cancel()
	status, err := api.GetStatus().Call(ctx, client, api.None{})
	return err == nil && serves(status), err
}

// serves reports whether an appliance serves the site, with a peer, without one, or alone while that is away.
func serves(own pair.Status) bool {
	return own.Role != pair.Backup && own.Site.ServedBy == own.Appliance.Name
}
