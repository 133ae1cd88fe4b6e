// Package telling is the process of baton-changes.service, which tells the daemon what changes in protected directories.
package telling

import (
	"context"
	"log/slog"
	"path/filepath"

	"baton/internal/admin"
	"baton/internal/cause"
	"baton/internal/config"
	"baton/internal/datasync/source/directory/changes"
	"baton/internal/pair"
	"baton/internal/store/local"
)

// Socket is where it waits for the daemon.
const Socket = "/run/baton-changes/socket"

// Run tells the daemon of changes in the directories that may be protected on this machine, as the configuration file
// and root's word say, until the context ends.
func Run(ctx context.Context, file string, log func(slog.Level) *slog.Logger) error {
	c, err := config.Load(file)
	if err != nil {
		return pair.Refuse(pair.Usage, "%w", cause.Plain(err))
	}
	listener, err := changes.Listen(Socket)
	if err != nil {
		return cause.Plain(err)
	}
	return changes.Serve(ctx, listener, func(real string) string { return refuses(file, real) }, log(c.LogLevel))
}

// refuses returns why a directory may not be protected here, as root says by now; empty: it may.
func refuses(file, real string) string {
	c, err := config.Load(file)
	if err != nil {
		return cause.Plain(err).Error()
	}
	own, err := local.Allowed(filepath.Join(c.DataDir, "local"))
	if err != nil {
		return cause.Plain(err).Error()
	}
	site := ""
	if c.Site != nil {
		site = c.Site.Root
	}
	return admin.Allowance(site, c.Protect, own).Refuses(real)
}
