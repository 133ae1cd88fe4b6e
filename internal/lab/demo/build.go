package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"baton/internal/lab"
)

// step is one command of the set-up, as an administrator would type it.
type step struct {
	on    *appliance
	input string // typed at the prompt
	args  string
}

// build starts two daemons and makes a pair of them.
func (s *stage) build(ctx context.Context) error {
	s.alpha = newAppliance(s.lab.Host("alpha"), s.lab.Disk(), s.opts.Program)
	s.beta = newAppliance(s.lab.Host("beta"), s.lab.Disk(), s.opts.Program)
	if err := writeSite(filepath.Join(s.alpha.host.Dir(), siteDir)); err != nil {
		return err
	}
	for _, a := range []*appliance{s.alpha, s.beta} {
		if err := a.configure(); err != nil {
			return err
		}
		if err := a.serve(ctx); err != nil {
			return err
		}
		s.screen.say(a.name, "baton serve --config %s", configFile)
	}
	for _, a := range []*appliance{s.alpha, s.beta} {
		if err := s.awaitSocket(ctx, a); err != nil {
			return err
		}
	}
	s.password = "demo-" + strings.ToLower(rand.Text()[:10])
	for _, step := range s.steps() {
		s.screen.say(step.on.name, "baton %s", step.args)
		if err := step.on.command(ctx, step.input+"\n", strings.Fields(step.args)...); err != nil {
			return err
		}
	}
	return nil
}

// awaitSocket waits until the daemon answers on its socket.
func (s *stage) awaitSocket(ctx context.Context, a *appliance) error {
	var gone error
	err := s.await(ctx, a.name+" answers on its socket", s.opts.Patience, func() bool {
		if text, ended := a.ended(); ended {
			gone = errors.New(text)
			return true
		}
		_, err := a.status(ctx)
		return err == nil
	})
	return errors.Join(gone, err)
}

// steps are the commands, in order. Everything that is of the pair is said on
// alpha, which holds the data.
func (s *stage) steps() []step {
	key := rand.Text()
	enable := "shared-ip enable " + shared().Addr().String()
	return []step{
		{s.alpha, s.password, "setup --user admin"},
		{s.beta, s.password, "setup --user admin"},
		{s.alpha, key, "key set"},
		{s.beta, key, "key set"},
		{s.alpha, "", "data add dir site " + s.alpha.onHost(siteDir)},
		{s.alpha, "", fmt.Sprintf("settings set primary_timeout=%s test_ips=%s automatic_failover=true sync_schedule=continuous",
			s.opts.Timeout, s.lab.Host("gateway").Addr4())},
		{s.alpha, "", enable},
		{s.alpha, "", "pair " + netip.AddrPortFrom(s.beta.host.Addr4(), 443).String()},
		{s.beta, "", enable}, // before, it would be refused: alpha has the address
		{s.alpha, "", "sync --wait"},
	}
}

// writeSite makes the site that the pair keeps up.
func writeSite(dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, "pages"), 0o755); err != nil { //nolint:gosec // a public site
		return fmt.Errorf("make the site: %w", err)
	}
	files := map[string]string{"index.html": indexPage}
	for i := range 20 {
		files[fmt.Sprintf("pages/%02d.txt", i)] = strings.Repeat(fmt.Sprintf("page %d\n", i), 500)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil { //nolint:gosec // a public site
			return fmt.Errorf("make the site: %w", err)
		}
	}
	return nil
}

const indexPage = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>The site</title>
<h1>The site is up</h1>
<p>Two appliances keep it so. Pull a cable, and load this page again.</p>
</html>
`

// newClient returns the client that asks for the site every 5 ms.
func (s *stage) newClient() *lab.Client {
	return lab.NewClient(lab.ClientOptions{
		From:   s.lab.Host("client"),
		Target: netip.AddrPortFrom(shared().Addr(), 80),
		Keep:   5 * time.Minute,
	})
}
