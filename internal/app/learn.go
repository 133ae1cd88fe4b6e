package app

import (
	"context"
	"log/slog"
	"maps"

	"baton/internal/pair"
	"baton/internal/peer/wire"
)

// noticeView has a backup ask at once for settings that its primary tells of and
// that are not in force here.
func (a *Appliance) noticeView(view pair.View) {
	if view.Role != pair.Primary || view.Settings == 0 || view.Settings == a.settings.Get().Sum() {
		return
	}
	select {
	case a.outdated <- struct{}{}:
	default: // it is known already
	}
}

// learn brings into force what the primary says are the settings. Its schedule
// may be a week, and a change of it, of the bandwidth limit or of automatic
// failover is not to wait for the next data sync.
func (a *Appliance) learn(ctx context.Context, told wire.Exchange) {
	now, version := a.settings.Versioned()
	known := told.SettingsVersion == version && maps.Equal(told.Settings, pair.Texts(now))
	if told.Settings == nil || known || a.agent.Look().State.Record.Role != pair.Backup {
		return
	}
	learned, err := pair.Read(now, told.Settings)
	if err != nil {
		a.log.Warn("settings of the primary not understood", slog.String("error", err.Error()))
	}
	if err := pair.Check(learned); err != nil {
		a.log.Warn("settings of the primary refused", slog.String("error", err.Error()))
		return
	}
	a.settings.Hear(learned, told.SettingsVersion)
	a.agent.Configure(ctx, a.enforce)
}

// keepLearned writes what was learned into the site database of one that becomes
// primary before a data sync brought it. A failure keeps nobody from serving.
func (a *Appliance) keepLearned(ctx context.Context) {
	if _, err := a.site.SetSettings(ctx, a.settings.Get(), 0, pair.Actor{Name: "baton"}); err != nil {
		a.log.Warn("settings of the former primary not kept", slog.String("error", err.Error()))
	}
}
