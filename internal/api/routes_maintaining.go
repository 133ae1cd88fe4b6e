package api

import (
	"context"
	"net/http"

	"baton/internal/pair"

	"github.com/danielgtaylor/huma/v2"
)

func (s *Server) addMaintaining() {
	add(s, endpoint{method: http.MethodGet, path: "/software", name: "software", least: pair.Viewer, summary: "What runs on this appliance and on its peer"},
		func(ctx context.Context, _ *none) (*answer[Software], error) {
			return one(s.backend.Software.Software(ctx))
		})
	add(s, endpoint{method: http.MethodGet, path: "/licences", name: "licences", least: pair.Viewer, summary: "The licence of Baton, and those of what is linked into it"},
		func(ctx context.Context, _ *none) (*answer[[]Licence], error) {
			return list(s.backend.Software.Licences(ctx))
		})
	add(s, endpoint{method: http.MethodGet, path: "/support-bundle", name: "support-bundle", least: pair.Administrator, replies: "application/gzip", summary: "What a supporter needs, without secrets: a tar archive compressed with gzip"},
		func(context.Context, *none) (*huma.StreamResponse, error) {
			return s.stream("application/gzip", func(ctx context.Context, w *streamWriter) error {
				return s.backend.Software.SupportBundle(ctx, w)
			}), nil
		})
}
