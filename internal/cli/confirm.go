package cli

import (
	"context"

	"baton/internal/api"
	"baton/internal/cli/prompt"
)

// person is who runs the program.
func (p *program) person() prompt.Person { return prompt.Person{In: p.stdio.In, Out: p.stdio.Err} }

// confirm has a person type the appliance's name before something is forced. A
// program confirms by --force alone.
func (p *program) confirm(ctx context.Context, client *api.Client, consequence string) error {
	if !prompt.IsTerminal(p.stdio.In) {
		return nil
	}
	status, err := api.GetStatus().Call(ctx, client, api.None{})
	if err != nil {
		return err
	}
	return p.person().Confirm(status.Appliance.Name, consequence)
}
