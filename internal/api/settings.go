package api

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"baton/internal/pair"
)

// Settings keeps the settings of the pair.
type Settings interface {
	Settings(ctx context.Context) (Saved[pair.Settings], error)
	// SaveSettings saves validated settings that were derived from
	// settings.Version; pair.Stale if that is no longer the newest.
	SaveSettings(ctx context.Context, settings Saved[pair.Settings]) (Saved[pair.Settings], error)
}

// GetSettings returns all settings of the pair, by key.
func GetSettings() Op[Settings, None, Values] {
	return tagged(get("/settings", "settings", pair.Viewer, "All settings of the pair, by key"),
		func(s Settings, ctx context.Context, _ None) (Values, error) { return valuesOf(s.Settings(ctx)) })
}

// ChangeSettings changes some settings, all of them or none.
func ChangeSettings() Op[Settings, Changes, Values] {
	return tagged(patch("/settings", "change-settings", pair.Administrator, "Change some settings; all of them or none"),
		func(s Settings, ctx context.Context, changes Changes) (Values, error) {
			return valuesOf(saveChanges(ctx, changes, s.Settings, s.SaveSettings, "settings"))
		})
}

func (s *Server) serveSettings() {
	serve(s, s.backend.Settings, GetSettings())
	serve(s, s.backend.Settings, ChangeSettings())
}

// Saved are values with the version under which they were saved, which a change of
// them names. Versions only rise.
type Saved[V any] struct {
	Values  V
	Version int64
	Named   []string // of a change: the keys that it names, also those whose value stays
}

// Values are values by key, and the version that they have.
type Values struct {
	ETag string `header:"ETag" doc:"Version of the settings, for If-Match"`
	Body map[string]string
}

// Changes are new values for some keys.
type Changes struct {
	IfMatch string `header:"If-Match" maxLength:"64" doc:"Change only if this is still the version"`
	Body    map[string]string
}

func valuesOf[V pair.Keyed[V]](saved Saved[V], err error) (Values, error) {
	if err != nil {
		return Values{}, err
	}
	return Values{ETag: etag(saved.Version), Body: pair.Texts(saved.Values)}, nil
}

func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// agreed reports whether a change that wants this version may go on from that one.
func agreed(wanted string, version int64) bool {
	return wanted == "" || wanted == "*" || wanted == etag(version)
}

// changed returns values with the changes, which must be derived from this version of
// them if they name one.
func changed[V pair.Keyed[V]](now V, version int64, changes Changes, what string) (V, error) {
	switch {
	case len(changes.Body) == 0:
		return now, pair.Refuse(pair.Usage, "nothing to change: name at least one of %s", strings.Join(pair.Names(now), ", "))
	case !agreed(changes.IfMatch, version):
		return now, pair.Refuse(pair.Stale, "somebody else changed the %s meanwhile: read them again and repeat the change", what)
	}
	return pair.With(now, changes.Body)
}

// saveTries bounds how often a change without a version is derived anew.
const saveTries = 5

// saveChanges saves changes of what is saved now.
func saveChanges[V pair.Keyed[V]](ctx context.Context, changes Changes, read func(context.Context) (Saved[V], error),
	save func(context.Context, Saved[V]) (Saved[V], error), what string,
) (saved Saved[V], err error) {
	for range saveTries {
		var now Saved[V]
		if now, err = read(ctx); err != nil {
			return saved, err
		}
		if now.Values, err = changed(now.Values, now.Version, changes, what); err != nil {
			return saved, err
		}
		now.Named = slices.Sorted(maps.Keys(changes.Body))
		saved, err = save(ctx, now)
		if err == nil || pair.CodeOf(err) != pair.Stale || changes.IfMatch != "" {
			return saved, err
		}
	}
	return saved, err
}
