package proxy

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"baton/internal/front/page"
	"baton/internal/pair"
)

// pages are what clients get in place of an answer.
type pages struct{ unreachable, busy, broken, late notice }

// notice is a page with its status.
type notice struct {
	page   *page.Page
	status int
	retry  time.Duration // when to try again; 0: it is not said
}

// newPages writes them for a site, in its own words where it has any.
func newPages(site pair.Site) (*pages, error) {
	unreachable := site
	if site.Title == "" && site.Message == "" {
		unreachable.Title, unreachable.Message = "Back in a moment", "The site cannot be reached right now. Please try again in a few seconds."
	}
	var failed []error
	write := func(status int, retry time.Duration, shown pair.Site) notice {
		made, err := page.New(shown)
		failed = append(failed, err)
		return notice{page: made, status: status, retry: retry}
	}
	made := &pages{
		unreachable: write(http.StatusServiceUnavailable, 5*time.Second, unreachable),
		busy:        write(http.StatusServiceUnavailable, time.Second, pair.Site{Name: site.Name, Title: "Too many requests at a time", Message: "Please try again in a moment."}),
		broken:      write(http.StatusBadGateway, 0, pair.Site{Name: site.Name, Title: "No answer", Message: "The site gave no complete answer. Please try again."}),
		late:        write(http.StatusGatewayTimeout, 0, pair.Site{Name: site.Name, Title: "No answer in time", Message: "The site took too long to answer. Please try again later."}),
	}
	return made, errors.Join(failed...)
}

func (n notice) serve(w http.ResponseWriter) {
	if n.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(n.retry/time.Second)))
	}
	n.page.Serve(w, n.status)
}

// fail answers a request that the application has not answered.
func (s *Site) fail(w http.ResponseWriter, r *http.Request, err error) {
	if of, is := errors.AsType[*bodyError](err); is && errors.Is(of, os.ErrDeadlineExceeded) {
		w.Header().Set("Connection", "close")
		http.Error(w, "The request came too slowly.", http.StatusRequestTimeout)
		return
	} else if is || r.Context().Err() != nil {
		panic(http.ErrAbortHandler) // the client has gone, or nothing may be told to it any more
	}
	announceClose(w.Header(), r)
	shown := s.pages.Load()
	late, isNet := errors.AsType[net.Error](err)
	s.log.note("it does not answer: " + err.Error())
	switch {
	case errors.As(err, new(*unreachableError)):
		shown.unreachable.serve(w)
	case isNet && late.Timeout():
		shown.late.serve(w)
	default:
		shown.broken.serve(w)
	}
}

// rarely logs what may happen at every request: one line in a while.
type rarely struct {
	log     *slog.Logger
	address string // of the application

	mu     sync.Mutex
	next   time.Time // when there may be another line
	silent int       // how often there was none
}

// logEvery is the while.
const logEvery = 10 * time.Second

func (l *rarely) note(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if now.Before(l.next) {
		l.silent++
		return
	}
	l.log.LogAttrs(context.Background(), slog.LevelWarn, "the site's application", slog.String("address", l.address), slog.String("error", text), slog.Int("not_logged_before", l.silent))
	l.next, l.silent = now.Add(logEvery), 0
}
