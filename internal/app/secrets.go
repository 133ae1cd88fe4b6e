package app

import (
	"context"
	"os"
	"path/filepath"

	"baton/internal/peer"
)

// secrets are all that this appliance holds.
func (a *Appliance) secrets(ctx context.Context) ([]string, error) {
	secrets, err := a.site.Secrets(ctx)
	if err != nil {
		return nil, err
	}
	secrets = append(secrets, a.setupToken)
	for _, name := range []string{"identity.pem", "console.pem"} {
		text, err := os.ReadFile(filepath.Join(a.config.DataDir, "local", name)) //nolint:gosec // a file of our own data directory
		if err != nil {
			continue // it is not here, so it is nowhere else
		}
		secrets = append(secrets, string(text))
	}
	var link peer.Secrets
	if link, err = (vault{a.local}).Load(); err != nil {
		return nil, err
	}
	secrets = append(secrets, string(link.Key.PRS))
	if link.Previous != nil {
		secrets = append(secrets, string(link.Previous.PRS))
	}
	return secrets, nil
}
