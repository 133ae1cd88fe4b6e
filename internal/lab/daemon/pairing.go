package daemon

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Step is one command of the way to a pair, as an administrator would type it.
type Step struct {
	On    *Appliance
	Input string // typed at the prompt
	Line  string
}

// Plan says what the pair is to be.
type Plan struct {
	Password string        // of the first administrator, named admin
	Timeout  time.Duration // Primary Site Instance Timeout
	Schedule string        // of the data syncs
	TestIP   netip.Addr
	Shared   netip.Addr
}

// Pairing lists the commands that make a pair of two appliances. Everything that
// is of the pair is said on the primary, which holds the data in SiteDir.
func Pairing(primary, backup *Appliance, p Plan) []Step {
	key := rand.Text()
	enable := "shared-ip enable " + p.Shared.String()
	return []Step{
		{primary, p.Password, "setup --user admin"},
		{backup, p.Password, "setup --user admin"},
		{primary, key, "key set"},
		{backup, key, "key set"},
		{primary, "", "data add dir site " + primary.OnHost(SiteDir)},
		{primary, "", fmt.Sprintf("settings set primary_timeout=%s test_ips=%s automatic_failover=true sync_schedule=%s", p.Timeout, p.TestIP, p.Schedule)},
		{primary, "", enable},
		{primary, "", "pair " + netip.AddrPortFrom(backup.Addr4(), 443).String()},
		{backup, "", enable}, // before, it would be refused: the primary has the address
		{primary, "", "sync --wait"},
	}
}

// Do carries the step out.
func (s Step) Do(ctx context.Context) error {
	return s.On.Do(ctx, s.Input, strings.Fields(s.Line)...)
}

// WriteSite makes a small public site on the appliance's disk.
func (a *Appliance) WriteSite() error {
	files := map[string]string{"index.html": indexPage}
	for i := range 20 {
		files[fmt.Sprintf("pages/%02d.txt", i)] = strings.Repeat(fmt.Sprintf("page %d\n", i), 500)
	}
	dir := a.Path(SiteDir)
	if err := os.MkdirAll(filepath.Join(dir, "pages"), 0o755); err != nil { //nolint:gosec // a public site
		return fmt.Errorf("make the site: %w", err)
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
