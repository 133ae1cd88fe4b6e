package api

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"baton/internal/pair"
)

func (s *Server) addSecurity() {
	add(s, endpoint{method: http.MethodGet, path: "/security", name: "security", least: Administrator, summary: "Security options, by key"},
		func(ctx context.Context, _ *none) (*settingsAnswer, error) {
			return securityOut(s.backend.Security(ctx))
		})
	add(s, endpoint{method: http.MethodPatch, path: "/security", name: "change-security", least: Administrator, summary: "Change some security options; all of them or none"},
		func(ctx context.Context, in *settingsChange) (*settingsAnswer, error) {
			return securityOut(s.changeSecurity(ctx, in.Body, in.IfMatch))
		})
}

func securityOut(saved SavedSecurity, err error) (*settingsAnswer, error) {
	if err != nil {
		return nil, err
	}
	return &settingsAnswer{ETag: etag(uint64(max(saved.Version, 0))), Body: saved.Values.Map()}, nil
}

// changeSecurity applies changes to the newest options, which must be at the
// wanted version if one is named.
func (s *Server) changeSecurity(ctx context.Context, changes map[string]string, wanted string) (SavedSecurity, error) {
	if len(changes) == 0 {
		return SavedSecurity{}, pair.Refuse(pair.Usage, "nothing to change: name at least one of %s", strings.Join(pair.SecurityKeys(), ", "))
	}
	current, err := s.backend.Security(ctx)
	if err != nil {
		return SavedSecurity{}, err
	}
	if version, bad := strconv.ParseInt(strings.Trim(wanted, `"`), 10, 64); wanted != "" && wanted != "*" && (bad != nil || version != current.Version) {
		return SavedSecurity{}, pair.Refuse(pair.Stale, "somebody else changed the security options meanwhile: read them again and repeat the change")
	}
	if current.Values, err = SecurityWith(current.Values, changes); err != nil {
		return SavedSecurity{}, err
	}
	return s.backend.SaveSecurity(ctx, current)
}

// SecurityWith applies all changes, then checks the whole. Its error names every
// refused field.
func SecurityWith(security pair.Security, changes map[string]string) (pair.Security, error) {
	var refused []error
	for _, key := range slices.Sorted(maps.Keys(changes)) {
		changed, err := security.With(key, changes[key])
		if err != nil {
			refused = append(refused, err)
			continue
		}
		security = changed
	}
	if len(refused) == 0 {
		refused = append(refused, security.Validate())
	}
	if err := errors.Join(refused...); err != nil {
		return security, pair.RefusalOf(err)
	}
	return security, nil
}
