package exchange

import (
	"context"
	"log/slog"
	"maps"

	"baton/internal/pair"
	"baton/internal/peer/wire"
)

// Notice has a backup ask at once for settings that its primary tells of and
// that are not in force here.
func (x *Exchange) Notice(view pair.View) {
	if view.Role != pair.Primary || view.Settings == 0 || view.Settings == x.Settings.Get().Sum() {
		return
	}
	select {
	case x.Outdated <- struct{}{}:
	default: // it is known already
	}
}

// adopt brings into force what the primary says are the settings. Its schedule
// may be a week, and a change of it, of the bandwidth limit or of automatic
// failover is not to wait for the next data sync.
func (x *Exchange) adopt(ctx context.Context, told wire.Exchange) {
	now, version := x.Settings.Versioned()
	known := told.SettingsVersion == version && maps.Equal(told.Settings, pair.Texts(now))
	if told.Settings == nil || known || x.Agent.Decision().State.Record.Role != pair.Backup {
		return
	}
	adopted, err := pair.Read(now, told.Settings)
	if err != nil {
		x.Log.Warn("settings of the primary not understood", slog.String("error", err.Error()))
	}
	if err := pair.Check(adopted); err != nil {
		x.Log.Warn("settings of the primary refused", slog.String("error", err.Error()))
		return
	}
	x.Settings.Hear(adopted, told.SettingsVersion)
	x.Agent.Configure(x.Enforce)
}

// Keep writes what was adopted into the site database of one that becomes
// primary before a data sync brought it. A failure keeps nobody from serving.
func (x *Exchange) Keep(ctx context.Context) {
	if _, err := x.Store.Settings.Save(ctx, x.Settings.Get(), 0, pair.Actor{Name: "baton"}); err != nil {
		x.Log.Warn("settings of the former primary not kept", slog.String("error", err.Error()))
	}
}
