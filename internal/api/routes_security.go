package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"baton/internal/pair"
)

func (s *Server) addSecurity() {
	add(s, endpoint{method: http.MethodGet, path: "/security", name: "security", least: pair.Administrator, summary: "Security options, by key"},
		func(ctx context.Context, _ *none) (*settingsAnswer, error) {
			return securityOut(s.backend.Security.Security(ctx))
		})
	add(s, endpoint{method: http.MethodPatch, path: "/security", name: "change-security", least: pair.Administrator, summary: "Change some security options; all of them or none"},
		func(ctx context.Context, in *settingsChange) (*settingsAnswer, error) {
			return securityOut(s.changeSecurity(ctx, in.Body, in.IfMatch))
		})
}

func securityOut(saved Saved[pair.Security], err error) (*settingsAnswer, error) {
	if err != nil {
		return nil, err
	}
	return &settingsAnswer{ETag: etag(saved.Version), Body: pair.Texts(saved.Values)}, nil
}

// changeSecurity applies changes to the newest options, which must be at the
// wanted version if one is named.
func (s *Server) changeSecurity(ctx context.Context, changes map[string]string, wanted string) (Saved[pair.Security], error) {
	if len(changes) == 0 {
		return Saved[pair.Security]{}, pair.Refuse(pair.Usage, "nothing to change: name at least one of %s", strings.Join(pair.Names(pair.Security{}), ", "))
	}
	current, err := s.backend.Security.Security(ctx)
	if err != nil {
		return Saved[pair.Security]{}, err
	}
	if version, bad := strconv.ParseInt(strings.Trim(wanted, `"`), 10, 64); wanted != "" && wanted != "*" && (bad != nil || version != current.Version) {
		return Saved[pair.Security]{}, pair.Refuse(pair.Stale, "somebody else changed the security options meanwhile: read them again and repeat the change")
	}
	if current.Values, err = pair.With(current.Values, changes); err != nil {
		return Saved[pair.Security]{}, err
	}
	return s.backend.Security.SaveSecurity(ctx, current)
}
