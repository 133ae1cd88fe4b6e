package cli

import (
	"fmt"
	"os"

	"baton/internal/api"
	"baton/internal/cause"
	"baton/internal/pair"
)

// client speaks to the appliance that the flags name.
func (p *program) client() (*api.Client, error) {
	if p.flags.url != "" {
		return p.remote()
	}
	if p.flags.token != "" || p.flags.ca != "" || p.flags.pin != "" {
		return nil, pair.Refuse(pair.Usage, "--token, --ca and --pin go with --url: name the appliance by --url")
	}
	socket := p.flags.socket
	if socket == "" {
		found, err := p.commands.Socket(p.flags.config)
		if err != nil {
			_, _ = fmt.Fprintf(p.stdio.Err, "Warning: %v. The daemon that runs is asked at %s.\n", cause.Plain(err), found)
		}
		socket = found
	}
	return api.NewClient(api.ClientOptions{Socket: socket})
}

func (p *program) remote() (*api.Client, error) {
	if p.flags.socket != "" {
		return nil, pair.Refuse(pair.Usage, "--socket and --url name two appliances: use one of them")
	}
	token := p.flags.token
	if token == "" {
		token = os.Getenv("BATON_TOKEN")
	}
	return api.NewClient(api.ClientOptions{URL: p.flags.url, Token: token, CA: p.flags.ca, Pin: p.flags.pin})
}
