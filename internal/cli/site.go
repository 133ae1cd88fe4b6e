package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"baton/internal/api"
	"baton/internal/cause"
	"baton/internal/cli/table"
	"baton/internal/pair"
)

func siteCommand(p *program) *cobra.Command {
	return group("site", "What the site is called and shows",
		p.ask("get [KEY]", "Show one value, or all", cobra.MaximumNArgs(1), p.getSite),
		p.ask("set KEY=VALUE ...", "Change values; all of them or none", cobra.MinimumNArgs(1), p.setSite))
}

func (p *program) getSite(ctx context.Context, client *api.Client, args []string) error {
	saved, err := api.GetSite().Call(ctx, client, api.None{})
	if err != nil {
		return err
	}
	return showSettings(p, pair.Texts(saved.Body.Site), pair.Names(saved.Body.Site), args)
}

func (p *program) setSite(ctx context.Context, client *api.Client, args []string) error {
	changes, keys, err := parseChanges(args)
	if err != nil {
		return err
	}
	saved, err := api.ChangeSite().Call(ctx, client, api.Changes{Body: changes})
	if err != nil {
		return err
	}
	return p.writeSettings(pair.Texts(saved.Body.Site), keys)
}

func certificateCommand(p *program) *cobra.Command {
	return group("certificate", "The certificates that browsers meet",
		p.ask("show", "Show the site's certificate, and the one of this appliance's console", cobra.NoArgs,
			func(ctx context.Context, client *api.Client, _ []string) error {
				return p.writeCertificates(api.GetCertificates().Call(ctx, client, api.None{}))
			}),
		p.ask("set CERT [KEY]", "Save the site's certificate with its chain, and its key, from PEM files", cobra.RangeArgs(1, 2),
			func(ctx context.Context, client *api.Client, args []string) error {
				given, err := readCertificate(args)
				if err != nil {
					return err
				}
				return p.writeCertificates(api.SetCertificate().Call(ctx, client, api.CertificateToSave{Body: given}))
			}),
		p.ask("self-signed", "Make one for the site's host name and the shared IPs", cobra.NoArgs,
			func(ctx context.Context, client *api.Client, _ []string) error {
				return p.writeCertificates(api.SelfSignCertificate().Call(ctx, client, api.Matching{}))
			}),
		p.ask("remove", "Show each appliance's own certificate again", cobra.NoArgs,
			func(ctx context.Context, client *api.Client, _ []string) error {
				return p.writeCertificates(api.RemoveCertificate().Call(ctx, client, api.Matching{}))
			}))
}

// Most bytes of the files that baton certificate set reads: as the API takes them.
const (
	maxChainFile = 64 << 10
	maxKeyFile   = 16 << 10
)

func readCertificate(args []string) (api.NewCertificate, error) {
	chain, err := readSmall(args[0], maxChainFile)
	if err != nil || len(args) == 1 {
		return api.NewCertificate{Certificate: chain}, err
	}
	key, err := readSmall(args[1], maxKeyFile)
	return api.NewCertificate{Certificate: chain, Key: key}, err
}

func readSmall(path string, most int64) (string, error) {
	file, err := os.Open(path) //nolint:gosec // the administrator names the file
	if err != nil {
		return "", pair.Refuse(pair.Usage, "%w", cause.Plain(err))
	}
	defer func() { _ = file.Close() }() // only read from
	text, err := io.ReadAll(io.LimitReader(file, most+1))
	switch {
	case err != nil:
		return "", pair.Refuse(pair.Usage, "%w", cause.Plain(err))
	case int64(len(text)) > most:
		return "", pair.Refuse(pair.Usage, "%s is larger than %d kB: name the PEM file of the certificate, or of its key", path, most>>10)
	}
	return string(text), nil
}

func (p *program) writeCertificates(answer api.CertificatesAnswer, err error) error {
	if err != nil {
		return err
	}
	known := answer.Body
	return p.show(known, func(pg *table.Page) {
		if known.Site == nil {
			pg.Row("The site has no certificate of its own: browsers meet the console's.")
		} else {
			writeCertificate(pg, "Site, on its host name and the shared IPs", *known.Site)
		}
		pg.Row("")
		writeCertificate(pg, "Console of this appliance, elsewhere", known.Console)
	})
}

func writeCertificate(pg *table.Page, title string, c api.Certificate) {
	const most = 10 // names
	names := strings.Join(c.Names[:min(len(c.Names), most)], ", ")
	if more := len(c.Names) - most; more > 0 {
		names += fmt.Sprintf(" and %d more", more)
	}
	pg.Row(title)
	pg.Row("  names", names)
	pg.Row("  issuer", c.Issuer)
	renewed := ""
	if c.Renewed {
		renewed = ", made anew by itself 30 days before"
	}
	pg.Row("  valid", c.NotBefore.Format(time.DateOnly)+" to "+c.NotAfter.Format(time.DateOnly)+renewed)
	pg.Row("  chain", strconv.Itoa(c.Chain))
	pg.Row("  fingerprint", c.Fingerprint)
	for _, concern := range c.Concerns {
		pg.Marked(table.Yellow, "  concern", concern)
	}
}
