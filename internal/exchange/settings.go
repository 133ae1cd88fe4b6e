package exchange

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"strings"

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
	if told.Settings == nil || x.Agent.Decision().State.Record.Role != pair.Backup {
		return
	}
	if told.SettingsVersion == version && maps.Equal(told.Settings, pair.Texts(now)) {
		x.refused.Store(nil) // a data sync may have brought what was refused
		return
	}
	adopted, err := pair.Read(now, told.Settings)
	if err != nil {
		x.Log.Warn("settings of the primary not understood", slog.String("error", err.Error()))
	}
	if err := pair.Check(adopted); err != nil {
		var each []string
		for _, field := range pair.FieldsOf(err) {
			each = append(each, fmt.Sprintf("%s=%s (%s)", field.Name, told.Settings[field.Name], field.Text))
		}
		if x.refused.Swap(new(strings.Join(each, ", "))) == nil {
			x.Log.Warn("settings of the primary refused", slog.String("error", err.Error()))
		}
		return
	}
	x.refused.Store(nil)
	x.take(ctx, adopted, told.SettingsVersion)
	x.Settings.Hear(adopted, told.SettingsVersion)
	x.Agent.Configure(x.Enforce)
}

// take makes the primary's settings durable here, so that they outlive a restart before the next
// data sync. What a former primary is still to set aside is not touched. A failure is no
// reason not to go by them: after a restart they are asked for again.
func (x *Exchange) take(ctx context.Context, settings pair.Settings, version int64) {
	if decision := x.Agent.Decision(); !decision.Config.MaySync(decision.State) {
		return
	}
	if err := x.Store.Settings.Take(ctx, settings, version); err != nil {
		x.Log.Warn("settings of the primary not kept", slog.String("error", err.Error()))
	}
}

// Conditions tells of settings of the primary that this backup refuses.
func (x *Exchange) Conditions() []pair.Condition {
	why := x.refused.Load()
	if why == nil || x.Agent.Decision().State.Record.Role != pair.Backup {
		return nil
	}
	return []pair.Condition{{
		ID: "settings-refused", Severity: pair.Warning,
		Text:     "This backup refuses the settings of its primary, and goes by those that it had: " + *why + ".",
		NextStep: "Install the same version of Baton on both appliances, or change what is refused: baton settings set KEY=VALUE.",
	}}
}

// Keep writes what was adopted into the site database of one that becomes
// primary before a data sync brought it. A failure keeps nobody from serving.
func (x *Exchange) Keep(ctx context.Context) {
	if _, err := x.Store.Settings.Save(ctx, x.Settings.Get(), 0, pair.Actor{Name: "baton"}); err != nil {
		x.Log.Warn("settings of the former primary not kept", slog.String("error", err.Error()))
	}
}
