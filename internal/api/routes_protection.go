package api

import (
	"context"
	"net/http"

	"baton/internal/cause"
	"baton/internal/pair"
)

func (s *Server) addProtection() {
	add(s, endpoint{method: http.MethodGet, path: "/data", name: "data", least: pair.Viewer, summary: "Protected data"},
		func(ctx context.Context, _ *none) (*answer[[]Data], error) { return list(s.backend.Data.Data(ctx)) })
	add(s, endpoint{method: http.MethodPost, path: "/data", name: "add-data", least: pair.Administrator, status: http.StatusNoContent, summary: "Protect a directory or database"},
		func(ctx context.Context, in *question[DataSpec]) (*none, error) {
			if err := in.Body.check(); err != nil {
				return nil, err
			}
			return done(s.backend.Data.AddData(ctx, in.Body))
		})
	add(s, endpoint{method: http.MethodPost, path: "/data/test", name: "test-data", least: pair.Administrator, summary: "What adding it would meet; nothing is changed"},
		func(ctx context.Context, in *question[DataSpec]) (*answer[[]Check], error) {
			if err := in.Body.check(); err != nil {
				return nil, err
			}
			return list(s.backend.Data.TestData(ctx, in.Body))
		})
	add(s, endpoint{method: http.MethodGet, path: "/protection", name: "protection", least: pair.Viewer, summary: "Protected data with size, last sync and health"},
		func(ctx context.Context, _ *none) (*answer[Protection], error) {
			all, err := s.backend.Data.Protection(ctx)
			if all.Data == nil {
				all.Data = []ProtectedPart{} // a list is never null
			}
			return one(all, err)
		})
	add(s, endpoint{method: http.MethodGet, path: "/allowance", name: "allowance", least: pair.Viewer, summary: "Which directories may be protected on this machine"},
		func(ctx context.Context, _ *none) (*answer[Allowance], error) {
			return one(s.backend.Data.Allowance(ctx))
		})
	add(s, endpoint{method: http.MethodPost, path: "/allowance", name: "allow", least: pair.Administrator, status: http.StatusNoContent, summary: "Allow a directory on this machine; over the local socket only"},
		func(ctx context.Context, in *question[AllowedPath]) (*none, error) {
			if err := (DataSpec{Kind: "dir", Path: in.Body.Path}).check(); err != nil {
				return nil, err
			}
			return done(s.backend.Data.Allow(ctx, in.Body.Path))
		})
	add(s, endpoint{method: http.MethodPost, path: "/allowance/end", name: "disallow", least: pair.Administrator, status: http.StatusNoContent, summary: "Allow it no longer; over the local socket only"},
		func(ctx context.Context, in *question[AllowedPath]) (*none, error) {
			return done(s.backend.Data.Disallow(ctx, in.Body.Path))
		})
	add(s, endpoint{method: http.MethodDelete, path: "/data/{name}", name: "remove-data", least: pair.Administrator, summary: "Protect it no longer; nothing is deleted"},
		func(ctx context.Context, in *named) (*none, error) {
			return done(s.backend.Data.RemoveData(ctx, in.Name))
		})
	add(s, endpoint{method: http.MethodGet, path: "/services", name: "services", least: pair.Viewer, summary: "Services that run on the primary only"},
		func(ctx context.Context, _ *none) (*answer[[]Service], error) {
			return list(s.backend.Services.Services(ctx))
		})
	add(s, endpoint{method: http.MethodPost, path: "/services", name: "add-service", least: pair.Administrator, status: http.StatusNoContent, summary: "Let a service run on the primary only"},
		func(ctx context.Context, in *question[Service]) (*none, error) {
			if err := in.Body.check(); err != nil {
				return nil, err
			}
			return done(s.backend.Services.AddService(ctx, in.Body))
		})
	add(s, endpoint{method: http.MethodDelete, path: "/services/{name}", name: "remove-service", least: pair.Administrator, summary: "Leave the service alone from now on"},
		func(ctx context.Context, in *named) (*none, error) {
			return done(s.backend.Services.RemoveService(ctx, in.Name))
		})
}

// check refuses what no appliance could protect.
func (d DataSpec) check() error {
	for _, path := range []string{d.Path, d.PGData, d.Bin} {
		if path == "" {
			continue
		}
		if _, err := pair.ParsePath(path); err != nil {
			return pair.Refuse(pair.Usage, "%s", cause.Plain(err))
		}
	}
	switch {
	case d.Kind == "postgres" && d.PGData == "":
		return pair.Refuse(pair.Usage, "a PostgreSQL cluster needs its data directory: add --pgdata DIR")
	case d.Kind == "postgres" && d.Path != "", d.Kind != "postgres" && (d.PGData != "" || d.Bin != ""):
		return pair.Refuse(pair.Usage, "%s takes other options: see baton data add --help", d.Kind)
	case d.Kind != "postgres" && d.Path == "":
		return pair.Refuse(pair.Usage, "a path is needed: write it like /srv/site")
	case d.Path == "/":
		return pair.Refuse(pair.Usage, "%w", pair.CheckProtectable("/"))
	}
	return nil
}

// check refuses what no appliance could run.
func (s Service) check() error {
	switch {
	case s.Kind == "unit" && s.Unit == "":
		return pair.Refuse(pair.Usage, "a unit is needed: name it like nginx.service")
	case s.Kind == "command" && len(s.Command) == 0:
		return pair.Refuse(pair.Usage, "a command is needed: write it after --")
	case s.Kind == "unit" && len(s.Command) > 0, s.Kind == "command" && s.Unit != "":
		return pair.Refuse(pair.Usage, "a service is a unit or a command, not both: name one")
	}
	return nil
}
