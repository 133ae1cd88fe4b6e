package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	"baton/internal/act"
	"baton/internal/api"
	"baton/internal/config"
	"baton/internal/pair"
	"baton/internal/store"
)

// Site implements api.Site.
type Site struct {
	Config  config.Config
	Lead    *act.Lead
	Store   *store.Site
	Present func(context.Context) error // brings page and certificate into force
}

// Site implements api.Site.
func (s *Site) Site(ctx context.Context) (api.SavedSite, error) {
	saved := api.SavedSite{Front: s.front()}
	version, err := s.Store.Documents.Read(ctx, store.SiteDocument, &saved.Site)
	saved.Version = version
	return saved, act.Failure(err)
}

func (s *Site) front() api.Front {
	front := api.Front{HTTP: []string{}, SiteHTTPS: []string{}, HTTPS: s.Config.Listen}
	if s.Config.Site != nil {
		front.Root, front.HTTP = s.Config.Site.Root, append(front.HTTP, s.Config.Site.Listen...)
		front.SiteHTTPS = append(front.SiteHTTPS, s.Config.Site.ListenTLS...)
		if up := s.Config.Site.Upstream; up != nil {
			front.Upstream = up.Text
		}
	}
	return front
}

// SaveSite implements api.Site.
func (s *Site) SaveSite(ctx context.Context, wanted api.SavedSite) (api.SavedSite, error) {
	if err := s.Lead.Check(); err != nil {
		return api.SavedSite{}, err
	}
	if err := pair.Check(wanted.Site); err != nil {
		return api.SavedSite{}, act.Failure(err)
	}
	current, err := s.Site(ctx)
	if err != nil {
		return api.SavedSite{}, err
	}
	if wanted.Site == current.Site && wanted.Version == current.Version {
		return current, nil
	}
	if err := s.saveDocument(ctx, store.SiteDocument, wanted.Site, wanted.Version, siteChanged(current.Site, wanted.Site)); err != nil {
		return api.SavedSite{}, err
	}
	return s.Site(ctx)
}

// change is what an administrator did, for the history.
type change struct {
	text   string // as "changed the name", without the full stop
	detail map[string]string
}

func siteChanged(before, after pair.Site) change {
	changes := pair.Changes(before, after)
	made := change{text: "changed " + pair.ChangesText(changes), detail: map[string]string{}}
	pair.NoteChanges(made.detail, changes)
	return made
}

// saveDocument saves a document with its line in the history, and brings it into
// force.
func (s *Site) saveDocument(ctx context.Context, name string, value any, version int64, made change) error {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("write the document %s: %w", name, err)
	}
	detail := act.By(ctx).Note()
	maps.Copy(detail, made.detail)
	event := pair.Event{Kind: pair.KindSettingChanged, Text: act.By(ctx).String() + " " + made.text + ".", Detail: detail}
	err = s.Lead.Change(func() error {
		_, err := s.Store.Documents.Save(ctx, name, text, version, event)
		return err
	})
	if err != nil {
		return act.Failure(err)
	}
	return s.Present(ctx)
}
