package signin

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"

	"baton/internal/act"
	"baton/internal/api"
	"baton/internal/pair"
	"baton/internal/store"
)

// Security implements api.Security.
type Security struct {
	*people

	log *slog.Logger
}

// Load brings into force what the site database says now. Options that
// cannot be read leave the present ones in force: the guard of a site must not keep it from
// coming up.
func (s *Security) Load(ctx context.Context) {
	saved, err := s.read(ctx)
	if err != nil {
		s.log.Error("security options not read", slog.String("error", err.Error()))
		return
	}
	s.rules.Set(saved.Values)
}

func (s *Security) read(ctx context.Context) (api.Saved[pair.Security], error) {
	saved := api.Saved[pair.Security]{Values: pair.DefaultSecurity()}
	text, version, err := s.store.Documents.Get(ctx, store.SecurityDocument)
	if err != nil || version == 0 {
		return saved, err
	}
	saved.Version = version
	var values map[string]string
	if err := json.Unmarshal(text, &values); err != nil {
		return saved, fmt.Errorf("read the security options: %w", err)
	}
	if saved.Values, err = pair.Read(saved.Values, values); err != nil {
		return saved, err
	}
	return saved, pair.Check(saved.Values)
}

// Security implements api.Security.
func (s *Security) Security(ctx context.Context) (api.Saved[pair.Security], error) {
	saved, err := s.read(ctx)
	return saved, act.Failure(err)
}

// SaveSecurity implements api.Security.
func (s *Security) SaveSecurity(ctx context.Context, wanted api.Saved[pair.Security]) (api.Saved[pair.Security], error) {
	if err := s.lead.Check(); err != nil {
		return api.Saved[pair.Security]{}, err
	}
	if caller, known := api.CallerFrom(ctx); known {
		if err := api.CheckAdmits(wanted.Values, caller); err != nil {
			return api.Saved[pair.Security]{}, err
		}
	}
	text, err := json.Marshal(pair.Texts(wanted.Values))
	if err != nil {
		return api.Saved[pair.Security]{}, err
	}
	err = s.lead.Change(func() (err error) {
		wanted.Version, err = s.store.Documents.Save(ctx, store.SecurityDocument, text, wanted.Version, s.securityEvent(ctx, wanted.Values))
		return err
	})
	if err != nil {
		return api.Saved[pair.Security]{}, act.Failure(err)
	}
	s.Load(ctx)
	return wanted, nil
}

func (s *Security) securityEvent(ctx context.Context, after pair.Security) pair.Event {
	changes := pair.Changes(s.rules.Get(), after)
	what := "changed " + pair.ChangesText(changes)
	if len(changes) == 0 {
		what = "saved the security options as they were"
	}
	return act.Changed(ctx, what, changes...)
}

// Admits implements api.Security.
func (s *Security) Admits(from netip.Addr) bool { return s.rules.Get().Admits(from) }
