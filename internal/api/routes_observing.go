package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"baton/internal/pair"
)

// streamLife bounds a status stream, so that a revoked token does not go on
// listening. Clients connect again by themselves.
const streamLife = 15 * time.Minute

// maxStreams bounds the status streams that are open at a time: each costs a look
// at the whole appliance every second.
const maxStreams = 64

// MaxEvents is how many events one history answer holds at most.
const MaxEvents = 10000

const defaultEvents = 100 // if the question names no limit

type historyQuery struct {
	Since time.Time `query:"since" doc:"RFC 3339: this instant and later"`
	Until time.Time `query:"until" doc:"RFC 3339: before this instant"`
	Kinds []string  `query:"kind" maxItems:"32" doc:"Any of these kinds, comma separated"`
	Limit int       `query:"limit" minimum:"1" maximum:"10000" doc:"The newest so many; 100 if absent"`
}

func (s *Server) addObserving() {
	add(s, endpoint{method: http.MethodGet, path: "/status", name: "status", least: pair.Viewer, summary: "What this appliance is and sees now"},
		func(ctx context.Context, _ *none) (*answer[pair.Status], error) {
			status, err := s.backend.Overview.Status(ctx)
			return one(whole(status), err)
		})
	add(s, endpoint{
		method: http.MethodGet, path: "/status/stream", name: "watch-status", least: pair.Viewer, replies: "text/event-stream",
		summary: "The status now and whenever it changes, as server-sent events named status",
	}, func(context.Context, *none) (*huma.StreamResponse, error) {
		return s.stream("text/event-stream", s.watch), nil
	})
	add(s, endpoint{method: http.MethodGet, path: "/history", name: "history", least: pair.Viewer, summary: "What happened, oldest first"},
		func(ctx context.Context, in *historyQuery) (*answer[[]Event], error) {
			limit := in.Limit
			if limit == 0 {
				limit = defaultEvents
			}
			events, err := s.backend.Overview.History(ctx, HistoryFilter{
				Since: in.Since, Until: in.Until, Kinds: in.Kinds, Limit: min(limit, MaxEvents),
			})
			return list(written(events), err)
		})
	add(s, endpoint{method: http.MethodGet, path: "/doctor", name: "doctor", least: pair.Viewer, timeout: time.Minute, summary: "Readiness of this pair, each check with its next step"},
		func(ctx context.Context, _ *none) (*answer[[]Check], error) {
			return list(s.backend.Upkeep.Doctor(ctx))
		})
	add(s, endpoint{method: http.MethodGet, path: "/version", name: "version", least: pair.Viewer, summary: "Version of the product and of this interface"},
		func(context.Context, *none) (*answer[Version], error) {
			return one(Version{Version: s.options.Version, API: "1"}, nil)
		})
}

func (s *Server) watch(ctx context.Context, w *streamWriter) error {
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		return pair.Refuse(pair.Refused, "%d programs watch the status already: close some, or ask for /api/v1/status instead", maxStreams)
	}
	bounded, cancel := context.WithTimeout(ctx, streamLife)
	defer cancel()
	err := s.backend.Overview.WatchStatus(bounded, func(status pair.Status) error { return writeStatus(w, status) })
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func writeStatus(w *streamWriter, status pair.Status) error {
	text, err := json.Marshal(whole(status))
	if err != nil {
		return err
	}
	if _, err := w.Write([]byte("event: status\ndata: " + string(text) + "\n\n")); err != nil {
		return err
	}
	return w.control.Flush()
}

// whole replaces absent lists by empty ones: the shape of the status does not
// depend on what there is.
func whole(status pair.Status) pair.Status {
	if status.SharedIPs == nil {
		status.SharedIPs = []pair.SharedIPStatus{}
	}
	if status.Services == nil {
		status.Services = []pair.ServiceStatus{}
	}
	if status.Conditions == nil {
		status.Conditions = []pair.Condition{}
	}
	return status
}
