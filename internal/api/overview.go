package api

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"

	"baton/internal/cause"
	"baton/internal/pair"
)

// Overview answers what is and what was.
type Overview interface {
	Status(ctx context.Context) (pair.Status, error)
	// WatchStatus sends the status at once, whenever it changes, and at least
	// every 10 s, until ctx ends or send fails; it returns that error.
	WatchStatus(ctx context.Context, send func(pair.Status) error) error
	// History returns the newest Limit events that match, oldest first.
	History(ctx context.Context, filter HistoryFilter) ([]pair.Event, error)
	Health(ctx context.Context) Health
	Figures(ctx context.Context) (Figures, error)
}

// GetStatus tells what the appliance is and sees now.
func GetStatus() Op[Overview, None, pair.Status] {
	return ask(get("/status", "status", pair.Viewer, "What this appliance is and sees now"), Overview.Status)
}

// streamStatus is what WatchStatus listens to.
func streamStatus() Stream[*Server, None] {
	return stream[None](
		get("/status/stream", "watch-status", pair.Viewer, "The status now and whenever it changes, as server-sent events named status").
			as("text/event-stream"),
		(*Server).watch)
}

// ListHistory lists what happened, oldest first.
func ListHistory() Op[Overview, HistoryFilter, []Event] {
	return askBy(get("/history", "history", pair.Viewer, "What happened, oldest first"),
		func(o Overview, ctx context.Context, filter HistoryFilter) ([]Event, error) {
			if filter.Limit == 0 {
				filter.Limit = defaultEvents
			}
			filter.Limit = min(filter.Limit, MaxEvents)
			for _, kind := range filter.Kinds {
				if !slices.Contains(pair.Kinds(), kind) {
					return nil, pair.Refuse(pair.Usage, "the history has no events of the kind %.40q: use some of %s", kind, strings.Join(pair.Kinds(), ", "))
				}
			}
			events, err := o.History(ctx, filter)
			return written(events), err
		})
}

// GetVersion names the product and this interface.
func GetVersion() Op[*Server, None, Version] {
	return ask(get("/version", "version", pair.Viewer, "Version of the product and of this interface"),
		func(s *Server, _ context.Context) (Version, error) {
			return Version{Version: s.options.Version, API: "1"}, nil
		})
}

func (s *Server) serveOverview() {
	serve(s, s.backend.Overview, GetStatus())
	streamStatus().serve(s, s)
	serve(s, s.backend.Overview, ListHistory())
	serve(s, s, GetVersion())
}

// HistoryFilter selects events. Zero fields select everything.
type HistoryFilter struct {
	Since time.Time `query:"since" doc:"RFC 3339: this instant and later"`
	Until time.Time `query:"until" doc:"RFC 3339: before this instant"`
	Kinds []string  `query:"kind" maxItems:"32" doc:"Any of these kinds, comma separated"`
	Limit int       `query:"limit" minimum:"1" maximum:"10000" doc:"The newest so many; 100 if absent"`
}

// Event is a pair.Event as this interface writes it: detail is always there.
type Event struct {
	ID        string            `json:"id"`
	Time      time.Time         `json:"time"`
	Appliance pair.ApplianceID  `json:"appliance"`
	Kind      string            `json:"kind"`
	Text      string            `json:"text"`
	Detail    map[string]string `json:"detail"`
}

func written(events []pair.Event) []Event {
	out := make([]Event, len(events))
	for i, event := range events {
		out[i] = Written(event)
	}
	return out
}

// Written returns an event as this interface writes it.
func Written(event pair.Event) Event {
	if event.Detail == nil {
		event.Detail = map[string]string{}
	}
	return Event(event)
}

// Health is the answer for load balancers and monitors.
type Health struct {
	Serving bool   // a primary that holds the shared IP and serves
	Text    string // one plain sentence
}

// Figures are the running totals that metrics show and status does not.
type Figures struct {
	Takeovers     uint64        // in the history of the pair, automatic and forced
	TrafficLapses uint64        // how often the traffic lease ran out while entitled, since the daemon started
	SyncBytes     uint64        // bytes received by data syncs since the daemon started
	SyncDuration  time.Duration // of the last data sync that ended
}

// Version names the product and this interface.
type Version struct {
	Version string `json:"version"`
	API     string `json:"api"`
}

// streamLife bounds a status stream; clients connect again by themselves. RecheckEvery is how
// often a stream looks whether its token still counts.
const (
	streamLife   = 15 * time.Minute
	recheckEvery = 5 * time.Second
)

// errEnded ends a stream whose caller may no longer have it.
var errEnded = errors.New("the stream has ended")

// maxStreams bounds the status streams that are open at a time: each costs a look
// at the whole appliance every second.
const maxStreams = 64

// MaxEvents is how many events one history answer holds at most.
const MaxEvents = 10000

const defaultEvents = 100 // if the question names no limit

func (s *Server) watch(ctx context.Context, _ None, w *streamWriter) error {
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		return pair.Refuse(pair.Refused, "%d programs watch the status already: close some, or ask for /api/v1/status instead", maxStreams)
	}
	bounded, cancel := context.WithTimeout(ctx, streamLife)
	defer cancel()
	allowed, checked := exchangeFrom(ctx).allowed, s.options.Now()
	err := s.backend.Overview.WatchStatus(bounded, func(status pair.Status) error {
		if now := s.options.Now(); now.Sub(checked) >= recheckEvery {
			if checked = now; allowed() != nil {
				return errEnded
			}
		}
		return writeStatus(w, status)
	})
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.Is(err, errEnded) {
		return nil
	}
	return err
}

func writeStatus(w *streamWriter, status pair.Status) error {
	fillLists(reflect.ValueOf(&status).Elem())
	text, err := json.Marshal(status)
	if err != nil {
		return err
	}
	if _, err := w.Write([]byte("event: status\ndata: " + string(text) + "\n\n")); err != nil {
		return err
	}
	return w.control.Flush()
}

// WatchStatus shows the status now and whenever it changes, until ctx ends, show
// fails, or the appliance stops answering.
func WatchStatus(ctx context.Context, c *Client, show func(pair.Status) error) error {
	for {
		if err := watchOnce(ctx, c, show); err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// watchOnce watches until the server ends the stream, which it does now and then.
func watchOnce(ctx context.Context, c *Client, show func(pair.Status) error) error {
	var stopped error // by us, or for want of an answer, not by the stream
	err := streamStatus().Call(ctx, c, None{}, func(stream io.Reader) error {
		events := 0
		err := readEvents(stream, func(data string) error {
			events++
			var status pair.Status
			if stopped = json.Unmarshal([]byte(data), &status); stopped != nil {
				stopped = pair.Refuse(pair.Failed, "the status of %s cannot be read: is it a Baton of this version? (%w)", c.where(), cause.Plain(stopped))
				return stopped
			}
			stopped = show(status)
			return stopped
		})
		if stopped == nil && (err != nil || events == 0) {
			stopped = pair.Refuse(pair.Unreachable, "%s stopped answering: it may be restarting; try again", c.where())
		}
		return stopped
	})
	return cmp.Or(ctx.Err(), stopped, err)
}

// readEvents calls take with the data of every server-sent event.
func readEvents(stream io.Reader, take func(data string) error) error {
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, maxBody)
	var data []string
	for lines.Scan() {
		line := lines.Text()
		if part, found := strings.CutPrefix(line, "data:"); found {
			data = append(data, strings.TrimPrefix(part, " "))
		}
		if line != "" || len(data) == 0 {
			continue
		}
		if err := take(strings.Join(data, "\n")); err != nil {
			return err
		}
		data = nil
	}
	return lines.Err()
}
