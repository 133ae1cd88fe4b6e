package api

import (
	"context"
	"net/http"
	"strings"

	"baton/internal/pair"
)

type siteAnswer struct {
	ETag string `header:"ETag" doc:"Version of the site's description, for If-Match"`
	Body SavedSite
}

type siteChange struct {
	IfMatch string `header:"If-Match" maxLength:"64" doc:"Change only if this is still the version"`
	Body    map[string]string
}

type certificatesAnswer struct {
	ETag string `header:"ETag" doc:"Version of the site's certificate, for If-Match"`
	Body Certificates
}

type certificateChange struct {
	IfMatch string `header:"If-Match" maxLength:"64" doc:"Change only if this is still the version"`
	Body    NewCertificate
}

type matching struct {
	IfMatch string `header:"If-Match" maxLength:"64" doc:"Change only if this is still the version"`
}

func (s *Server) addSite() {
	add(s, endpoint{method: http.MethodGet, path: "/site", name: "site", least: pair.Viewer, summary: "What the site is called and shows"},
		func(ctx context.Context, _ *none) (*siteAnswer, error) { return siteOut(s.backend.Site.Site(ctx)) })
	add(s, endpoint{method: http.MethodPatch, path: "/site", name: "change-site", least: pair.Administrator, summary: "Change some of it; all of the changes or none"},
		func(ctx context.Context, in *siteChange) (*siteAnswer, error) {
			return siteOut(s.changeSite(ctx, in.Body, in.IfMatch))
		})
	add(s, endpoint{method: http.MethodGet, path: "/certificate", name: "certificate", least: pair.Viewer, summary: "The certificates that browsers meet, without their keys"},
		func(ctx context.Context, _ *none) (*certificatesAnswer, error) {
			return certificatesOut(s.backend.Certificates.Certificates(ctx))
		})
	add(s, endpoint{method: http.MethodPut, path: "/certificate", name: "set-certificate", least: pair.Administrator, summary: "Save the site's certificate and key"},
		func(ctx context.Context, in *certificateChange) (*certificatesAnswer, error) {
			return certificatesOut(s.changeCertificate(ctx, in.IfMatch, func(version int64) (Certificates, error) {
				return s.backend.Certificates.SetCertificate(ctx, in.Body, version)
			}))
		})
	add(s, endpoint{method: http.MethodPost, path: "/certificate/self-signed", name: "self-signed-certificate", least: pair.Administrator, summary: "Make a self-signed certificate for the site's host name and the shared IPs"},
		func(ctx context.Context, in *matching) (*certificatesAnswer, error) {
			return certificatesOut(s.changeCertificate(ctx, in.IfMatch, func(version int64) (Certificates, error) {
				return s.backend.Certificates.SelfSignCertificate(ctx, version)
			}))
		})
	add(s, endpoint{method: http.MethodDelete, path: "/certificate", name: "remove-certificate", least: pair.Administrator, status: http.StatusOK, summary: "Show each appliance's own certificate again"},
		func(ctx context.Context, in *matching) (*certificatesAnswer, error) {
			return certificatesOut(s.changeCertificate(ctx, in.IfMatch, func(version int64) (Certificates, error) {
				return s.backend.Certificates.RemoveCertificate(ctx, version)
			}))
		})
}

func siteOut(saved SavedSite, err error) (*siteAnswer, error) {
	if err != nil {
		return nil, err
	}
	return &siteAnswer{ETag: etag(saved.Version), Body: saved}, nil
}

func certificatesOut(known Certificates, err error) (*certificatesAnswer, error) {
	if err != nil {
		return nil, err
	}
	return &certificatesAnswer{ETag: etag(known.Version), Body: known}, nil
}

// agreed reports whether a change that wants this version may go on from that one.
func agreed(wanted string, version int64) bool {
	return wanted == "" || wanted == "*" || wanted == etag(version)
}

// changeSite applies changes to the newest site, which must be at the wanted
// version if one is named.
func (s *Server) changeSite(ctx context.Context, changes map[string]string, wanted string) (SavedSite, error) {
	if len(changes) == 0 {
		return SavedSite{}, pair.Refuse(pair.Usage, "nothing to change: name at least one of %s", strings.Join(pair.Names(pair.Site{}), ", "))
	}
	current, err := s.backend.Site.Site(ctx)
	if err != nil {
		return SavedSite{}, err
	}
	if !agreed(wanted, current.Version) {
		return SavedSite{}, pair.Refuse(pair.Stale, "somebody else changed the site meanwhile: read it again and repeat the change")
	}
	if current.Site, err = pair.With(current.Site, changes); err != nil {
		return SavedSite{}, err
	}
	return s.backend.Site.SaveSite(ctx, current)
}

// changeCertificate hands the version to go on from to act.
func (s *Server) changeCertificate(ctx context.Context, wanted string, act func(version int64) (Certificates, error)) (Certificates, error) {
	current, err := s.backend.Certificates.Certificates(ctx)
	if err != nil {
		return Certificates{}, err
	}
	if !agreed(wanted, current.Version) {
		return Certificates{}, pair.Refuse(pair.Stale, "somebody else changed the certificate meanwhile: look at it again, then repeat the change")
	}
	return act(current.Version)
}
