package page

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"baton/internal/pair"
)

// Bounds of live pages.
const (
	maxFollowers = 256             // pages that follow at a time
	maxEach      = 64              // of them, those of one user
	recheck      = 5 * time.Second // how often the session of a follower is checked
)

// errEnded ends a stream whose visitor has no session any more.
var errEnded = errors.New("the session has ended")

// Live says what of a page follows the appliance, besides the frame.
type Live struct {
	Page  string                    // name of its template
	Load  func(*Visit) (any, error) // the page's Data
	Parts []string                  // templates of the page, each inside an element of the same id
}

// follow streams the live parts of a page until its reader leaves.
func follow(v *Visit) error {
	s := v.server
	leave, err := s.followers.enter(v.Caller.Name)
	if err != nil {
		return err
	}
	defer leave()
	query := v.Request.URL.Query()
	name := query.Get("page")
	if _, known := s.templates[name]; !known {
		return pair.Refuse(pair.NotFound, "there is no page %q to follow", name)
	}
	// The page's own path and filters, as its handler saw them.
	if page, err := url.Parse(query.Get("at")); err == nil {
		v.Request.URL = page
	}
	v.Writer.Header().Set("Content-Type", "text/event-stream")
	v.Writer.Header().Set("X-Accel-Buffering", "no")
	f := &follower{visit: v, live: s.live[name], name: name, moment: query.Get("seen"), sent: map[string]string{}, checked: s.now(), control: http.NewResponseController(v.Writer)}
	err = s.backend.Overview.WatchStatus(v.Context(), f.send)
	if errors.Is(err, errEnded) || v.Context().Err() != nil {
		return nil
	}
	s.log.Debug("live page ended", slog.String("error", err.Error()))
	return nil
}

// follower is one open page.
type follower struct {
	visit   *Visit
	live    Live // none: only the frame follows
	name    string
	moment  string            // when the page was drawn
	sent    map[string]string // by part: what the page shows
	checked time.Time         // when its session was checked last
	control *http.ResponseController
}

// send brings the page up to a status.
func (f *follower) send(status pair.Status) error {
	if err := f.stillSignedIn(); err != nil {
		return err
	}
	f.visit.Status = status
	var message bytes.Buffer
	if err := f.frame(&message); err != nil {
		return err
	}
	if err := f.parts(&message); err != nil {
		return err
	}
	if message.Len() == 0 {
		message.WriteString("event: beat\ndata: \n\n")
	}
	return f.write(message.Bytes())
}

// frame follows what every page shows: the head, and whether the site has moved.
func (f *follower) frame(to *bytes.Buffer) error {
	v := f.visit.view(f.name, "", nil)
	for _, part := range []string{"live-head", "live-site"} {
		if err := f.part(to, part, v); err != nil {
			return err
		}
	}
	// What a page said when it was drawn stays until something moves again.
	if v.Moved = f.visit.moved(f.moment); v.Moved == nil {
		return nil
	}
	if err := f.part(to, "live-moved", v); err != nil {
		return err
	}
	if f.sent["changed"] == "" {
		f.sent["changed"] = "sent"
		to.WriteString("event: changed\ndata: \n\n")
	}
	return nil
}

func (f *follower) parts(to *bytes.Buffer) error {
	if f.live.Load == nil {
		return nil
	}
	data, err := f.live.Load(f.visit)
	if err != nil {
		return err
	}
	v := f.visit.view(f.name, "", data)
	for _, part := range f.live.Parts {
		if err := f.part(to, part, v); err != nil {
			return err
		}
	}
	return nil
}

// part adds a part to the message if the page does not show it so already.
func (f *follower) part(to *bytes.Buffer, part string, v view) error {
	// A carriage return ends a line of the stream, too: a browser would read what follows
	// one in a name as a field of the stream.
	lineEnds := strings.NewReplacer("\r\n", "\n", "\r", "\n")
	var text bytes.Buffer
	if err := f.visit.server.templates.render(&text, f.name, part, v); err != nil {
		return err
	}
	if f.sent[part] == text.String() {
		return nil
	}
	f.sent[part] = text.String()
	fmt.Fprintf(to, "data: <hx-partial hx-target=\"#%s\" hx-swap=\"innerMorph\">\n", part)
	for line := range strings.Lines(lineEnds.Replace(text.String())) {
		to.WriteString("data: " + strings.TrimRight(line, "\n") + "\n")
	}
	to.WriteString("data: </hx-partial>\n\n")
	return nil
}

func (f *follower) write(message []byte) error {
	if _, err := f.visit.Writer.Write(message); err != nil {
		return err
	}
	return f.control.Flush()
}

// stillSignedIn ends the stream soon after the session.
func (f *follower) stillSignedIn() error {
	now := f.visit.Now()
	if now.Sub(f.checked) < recheck {
		return nil
	}
	f.checked = now
	caller, err := f.visit.server.callerNow(f.visit.Request)
	if err != nil {
		return err
	}
	if caller.Name != f.visit.Caller.Name || caller.Access != f.visit.Caller.Access {
		return errEnded
	}
	return nil
}
