package console

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"baton/internal/api"
	"baton/internal/cause"
	"baton/internal/pair"
)

// maxCertificateForm is how much the form may send, in bytes: certificate and key,
// as files and as text, each bounded again where they are read.
const maxCertificateForm = 256 << 10

// certificatesShown are the certificates as the page shows them.
type certificatesShown struct {
	Site    *certificateShown
	Console certificateShown
	Version int64
}

// certificateShown is one of them.
type certificateShown struct {
	api.Certificate

	Shown       []string // the first of its names
	More        int      // how many there are besides
	Chained     int64    // certificates in its chain
	From, Until string   // in the site's zone
	Left        string   // of its time
	State       string   // good, warning or critical
}

func (v *visit) certificates() (certificatesShown, error) {
	known, err := v.console.backend.Certificates.Certificates(v.ctx())
	if err != nil {
		return certificatesShown{}, err
	}
	shown := certificatesShown{Console: v.certificate(known.Console), Version: known.Version}
	if known.Site != nil {
		shown.Site = new(v.certificate(*known.Site))
	}
	return shown, nil
}

func (v *visit) certificate(c api.Certificate) certificateShown {
	const soon, most = 30 * 24 * time.Hour, 12
	shown := certificateShown{Certificate: c, Shown: c.Names[:min(len(c.Names), most)], More: max(len(c.Names)-most, 0), Chained: int64(c.Chain), From: clock(v.zone, c.NotBefore), Until: clock(v.zone, c.NotAfter), State: "good"}
	left := c.NotAfter.Sub(v.console.now())
	switch {
	case left < 0:
		shown.State, shown.Left = "critical", "expired"
	case left < soon:
		shown.State, shown.Left = "warning", pair.LastingText(left)+" left"
	default:
		shown.Left = pair.LastingText(left) + " left"
	}
	return shown
}

func certificateForm(version int64) *form {
	f := newForm(map[string]string{"version": strconv.FormatInt(version, 10)})
	f.ID = "certificate"
	return f
}

// saveCertificate takes a certificate and its key, as files or pasted.
func (c *Console) saveCertificate(v *visit) error {
	f, err := v.certificateUpload()
	if err != nil {
		return err
	}
	given := api.NewCertificate{Certificate: f.get("certificate"), Key: f.get("key")}
	f.forget("key") // it is never shown again
	_, err = c.backend.Certificates.SetCertificate(v.ctx(), given, f.version())
	return v.certificateDone(f, err, "The certificate is saved, and shown from now on.")
}

func (c *Console) selfSign(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	_, err = c.backend.Certificates.SelfSignCertificate(v.ctx(), f.version())
	return v.certificateDone(f, err, "A self-signed certificate is made, and shown from now on.")
}

func (c *Console) removeCertificate(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	_, err = c.backend.Certificates.RemoveCertificate(v.ctx(), f.version())
	return v.certificateDone(f, err, "The certificate is removed: each appliance shows its own again.")
}

// certificateDone leaves to the page, or shows it again with what is wrong.
func (v *visit) certificateDone(f *form, err error, notice string) error {
	if err == nil {
		return v.done(sitePath, notice)
	}
	f.ID = "certificate"
	if !f.refused(err) {
		return err
	}
	page, failure := v.sitePage()
	if failure != nil {
		return failure
	}
	if pair.CodeOf(err) == pair.Stale {
		f.Problem = "Somebody else has changed the certificate meanwhile; the one above is shown now. Do it again to replace that."
		f.Values.Set("version", page.Certificate.get("version"))
	}
	page.Certificate = f
	return v.show(statusOf(pair.CodeOf(err)), "site", "Site", page)
}

// certificateUpload reads the form; a file counts before a text.
func (v *visit) certificateUpload() (*form, error) {
	if err := v.r.ParseMultipartForm(maxCertificateForm); err != nil { //nolint:gosec // the route bounds the body
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return nil, pair.Refuse(pair.Usage, "what was sent is larger than any certificate and key: go back and choose the PEM files of the two")
		}
		return nil, pair.Refuse(pair.Usage, "the form could not be read: go back and send it again; %w", cause.Plain(err))
	}
	f, err := v.form()
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"certificate", "key"} {
		file, header, err := v.r.FormFile(name + "_file")
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
