package cli

import (
	"os"

	"baton/internal/api"
)

// client speaks to the appliance that the flags name.
func (p *program) client() (*api.Client, error) {
	if p.flags.url != "" {
		return p.remote()
	}
	if p.flags.token != "" || p.flags.ca != "" || p.flags.pin != "" {
		return nil, api.Errorf(api.Usage, "--token, --ca and --pin go with --url: name the appliance by --url")
	}
	socket := p.flags.socket
	if socket == "" {
		found, err := p.commands.Socket(p.flags.config)
		if err != nil {
			return nil, api.Errorf(api.Usage, "the local socket is not known: %w", err)
		}
		socket = found
	}
	return api.NewClient(api.ClientOptions{Socket: socket})
}

func (p *program) remote() (*api.Client, error) {
	if p.flags.socket != "" {
		return nil, api.Errorf(api.Usage, "--socket and --url name two appliances: use one of them")
	}
	token := p.flags.token
	if token == "" {
		token = os.Getenv("BATON_TOKEN")
	}
	return api.NewClient(api.ClientOptions{URL: p.flags.url, Token: token, CA: p.flags.ca, Pin: p.flags.pin})
}
