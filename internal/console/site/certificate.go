package site

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"baton/internal/api"
	"baton/internal/cause"
	"baton/internal/console/page"
	"baton/internal/pair"
)

// maxCertificateForm is how much the form may send, in bytes: certificate and key,
// as files and as text, each bounded again where they are read.
const maxCertificateForm = 256 << 10

// certificateCards are the certificates as the page shows them.
type certificateCards struct {
	Site    *certificateCard
	Console certificateCard
	Version int64
}

// certificateCard is one certificate.
type certificateCard struct {
	api.Certificate

	FirstNames  []string
	More        int    // names besides those
	Chained     int64  // certificates in its chain
	From, Until string // in the site's zone
	Left        string // of its time
	State       string // good, warning or critical
}

func (p site) certificates(v *page.Visit) (certificateCards, error) {
	saved, err := p.backend.Certificates.Certificates(v.Context())
	if err != nil {
		return certificateCards{}, err
	}
	cards := certificateCards{Console: newCertificateCard(saved.Console, v.Zone, v.Now()), Version: saved.Version}
	if saved.Site != nil {
		cards.Site = new(newCertificateCard(*saved.Site, v.Zone, v.Now()))
	}
	return cards, nil
}

func newCertificateCard(c api.Certificate, zone *time.Location, now time.Time) certificateCard {
	const soon, most = 30 * 24 * time.Hour, 12
	card := certificateCard{Certificate: c, FirstNames: c.Names[:min(len(c.Names), most)], More: max(len(c.Names)-most, 0), Chained: int64(c.Chain), From: page.Clock(zone, c.NotBefore), Until: page.Clock(zone, c.NotAfter), State: "good"}
	left := c.NotAfter.Sub(now)
	switch {
	case left < 0:
		card.State, card.Left = "critical", "expired"
	case left < soon:
		card.State, card.Left = "warning", pair.LastingText(left)+" left"
	default:
		card.Left = pair.LastingText(left) + " left"
	}
	return card
}

func certificateForm(version int64) *page.Form {
	return page.NewForm("certificate", map[string]string{"version": strconv.FormatInt(version, 10)})
}

// saveCertificate takes a certificate and its key, as files or pasted.
func (p site) saveCertificate(v *page.Visit) error {
	f, err := certificateUpload(v)
	if err != nil {
		return err
	}
	given := api.NewCertificate{Certificate: f.Get("certificate"), Key: f.Get("key")}
	f.Forget("key") // it is never shown again
	_, err = p.backend.Certificates.SetCertificate(v.Context(), given, f.Version())
	return p.certificateDone(v, f, err, "The certificate is saved, and shown from now on.")
}

func (p site) selfSign(v *page.Visit, f *page.Form) error {
	_, err := p.backend.Certificates.SelfSignCertificate(v.Context(), f.Version())
	return p.certificateDone(v, f, err, "A self-signed certificate is made, and shown from now on.")
}

func (p site) removeCertificate(v *page.Visit, f *page.Form) error {
	_, err := p.backend.Certificates.RemoveCertificate(v.Context(), f.Version())
	return p.certificateDone(v, f, err, "The certificate is removed: each appliance shows its own again.")
}

// certificateDone leaves to the page, or shows it again with what is wrong.
func (p site) certificateDone(v *page.Visit, f *page.Form, err error, notice string) error {
	if err == nil {
		return v.Done(sitePath, notice)
	}
	return p.page().Refused(v, f, err, func(data *sitePage) {
		if pair.CodeOf(err) == pair.Stale {
			f.Problem = "Somebody else has changed the certificate meanwhile; the one above is shown now. Do it again to replace that."
			f.Values.Set("version", data.Certificate.Get("version"))
		}
		data.Certificate = f
	})
}

// certificateUpload reads the form; a file counts before a text.
func certificateUpload(v *page.Visit) (*page.Form, error) {
	if err := v.Request.ParseMultipartForm(maxCertificateForm); err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return nil, pair.Refuse(pair.Usage, "what was sent is larger than any certificate and key: go back and choose the PEM files of the two")
		}
		return nil, pair.Refuse(pair.Usage, "the form could not be read: go back and send it again; %w", cause.Plain(err))
	}
	f, err := v.Form("certificate")
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"certificate", "key"} {
		file, header, err := v.Request.FormFile(name + "_file")
		if err != nil || header.Size == 0 {
			continue // none was chosen
		}
		text, err := io.ReadAll(io.LimitReader(file, maxCertificateForm))
		if err := errors.Join(err, file.Close()); err != nil {
			return nil, pair.Refuse(pair.Usage, "the file could not be read: go back and send it again; %w", cause.Plain(err))
		}
		f.Values.Set(name, string(text))
	}
	return f, nil
}
