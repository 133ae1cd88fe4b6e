package app

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"

	"baton/internal/act"
	"baton/internal/api"
	"baton/internal/pair"
)

// securityDocument is where the security options are kept.
const securityDocument = "security"

// loadSecurity brings into force what the site database says now. Options that
// cannot be read leave those in force that are: what guards a site must not keep
// it from coming up.
func (a *Appliance) loadSecurity(ctx context.Context) {
	saved, err := a.readSecurity(ctx)
	if err != nil {
		a.log.Error("security options not read", slog.String("error", err.Error()))
		return
	}
	a.security.Set(saved.Values)
}

func (a *Appliance) readSecurity(ctx context.Context) (api.Saved[pair.Security], error) {
	saved := api.Saved[pair.Security]{Values: pair.DefaultSecurity()}
	text, version, err := a.site.Document(ctx, securityDocument)
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

// Security implements api.Guarding.
func (b *backend) Security(ctx context.Context) (api.Saved[pair.Security], error) {
	saved, err := b.readSecurity(ctx)
	return saved, act.Failure(err)
}

// SaveSecurity implements api.Guarding.
func (b *backend) SaveSecurity(ctx context.Context, wanted api.Saved[pair.Security]) (api.Saved[pair.Security], error) {
	if err := b.lead.Check(); err != nil {
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
	err = b.lead.Change(func() (err error) {
		wanted.Version, err = b.site.SaveDocument(ctx, securityDocument, text, wanted.Version, b.securityEvent(ctx, wanted.Values))
		return err
	})
	if err != nil {
		return api.Saved[pair.Security]{}, act.Failure(err)
	}
	b.loadSecurity(ctx)
	return wanted, nil
}

func (b *backend) securityEvent(ctx context.Context, after pair.Security) pair.Event {
	changes := pair.Changes(b.security.Get(), after)
	what := "changed " + pair.ChangesText(changes)
	if len(changes) == 0 {
		what = "saved the security options as they were"
	}
	detail := act.By(ctx).Note()
	pair.NoteChanges(detail, changes)
	return pair.Event{Kind: pair.KindSettingChanged, Text: act.By(ctx).String() + " " + what + ".", Detail: detail}
}

// Admits implements api.Guarding.
func (b *backend) Admits(from netip.Addr) bool { return b.security.Get().Admits(from) }
