package console

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
	recheck      = 5 * time.Second // how often a follower's session is looked at
)

// errEnded ends a stream whose visitor has no session any more.
var errEnded = errors.New("the session has ended")

// following is a page with parts that follow the appliance.
type following struct {
	load  func(*visit) (any, error) // the page's Data
	parts []string                  // templates of the page, each inside an element of the same id
}

// followed lists the pages that follow more than the frame, by template name.
func (c *Console) followed() map[string]following {
	return map[string]following{
		"status":        {load: c.followStatus, parts: []string{"live-status", "live-timeline"}},
		"protection":    {load: c.loadProtection, parts: []string{"live-protection"}},
		"failover":      {load: c.followFailover, parts: []string{"live-hosts", "live-sync", "live-cancel", "live-task", "live-history"}},
		"notifications": {load: c.loadNotifications, parts: []string{"live-channels"}},
	}
}

func (c *Console) liveRoutes() []route {
	return []route{
		get("/live", viewer, c.follow),
		get("/moved", anybody, func(v *visit) error { return v.page("moved", "Moved", v.moved(v.r.URL.Query().Get("seen"))) }),
	}
}

// follow streams a page's live parts until its reader leaves.
func (c *Console) follow(v *visit) error {
	leave, err := c.followers.enter(v.caller.Name)
	if err != nil {
		return err
	}
	defer leave()
	query := v.r.URL.Query()
	name := query.Get("page")
	if _, known := c.pages[name]; !known {
		return pair.Refuse(pair.NotFound, "there is no page %q to follow", name)
	}
	// The page's own path and filters, as its handler saw them.
	if page, err := url.Parse(query.Get("at")); err == nil {
		v.r.URL = page
	}
	v.w.Header().Set("Content-Type", "text/event-stream")
	v.w.Header().Set("X-Accel-Buffering", "no")
	f := &follower{visit: v, name: name, seen: query.Get("seen"), sent: map[string]string{}, checked: c.now(), control: http.NewResponseController(v.w)}
	err = c.backend.Overview.WatchStatus(v.ctx(), f.send)
	if errors.Is(err, errEnded) || v.ctx().Err() != nil {
		return nil
	}
	c.log.Debug("live page ended", slog.String("error", err.Error()))
	return nil
}

// follower is one open page.
type follower struct {
	*visit
	name    string
	seen    string
	sent    map[string]string // by part: what the page shows
	checked time.Time
	control *http.ResponseController
}

// send brings the page up to a status.
func (f *follower) send(status pair.Status) error {
	if err := f.stillSignedIn(); err != nil {
		return err
	}
	f.status = status
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
	v := f.view(f.name, "", nil)
	for _, part := range []string{"live-head", "live-site"} {
		if err := f.part(to, part, v); err != nil {
			return err
		}
	}
	// What a page said when it was drawn stays until something moves again.
	if v.Moved = f.moved(f.seen); v.Moved == nil {
		return nil
	}
	if err := f.part(to, "live-moved", v); err != nil {
		return err
	}
	if f.sent["changed"] == "" {
		f.sent["changed"] = "told"
		to.WriteString("event: changed\ndata: \n\n")
	}
	return nil
}

func (f *follower) parts(to *bytes.Buffer) error {
	page, known := f.console.followed()[f.name]
	if !known {
		return nil
	}
	data, err := page.load(f.visit)
	if err != nil {
		return err
	}
	v := f.view(f.name, "", data)
	for _, part := range page.parts {
		if err := f.part(to, part, v); err != nil {
			return err
		}
	}
	return nil
}

// part adds a part to the message if the page does not show it so already.
func (f *follower) part(to *bytes.Buffer, part string, v view) error {
	// To the stream a carriage return ends a line, too: what follows one in a name
	// would be read as a field of the stream.
	lineEnds := strings.NewReplacer("\r\n", "\n", "\r", "\n")
	var text bytes.Buffer
	if err := f.console.render(&text, f.name, part, v); err != nil {
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
	if _, err := f.w.Write(message); err != nil {
		return err
	}
	return f.control.Flush()
}

// stillSignedIn ends the stream soon after the session.
func (f *follower) stillSignedIn() error {
	if f.console.now().Sub(f.checked) < recheck {
		return nil
	}
	f.checked = f.console.now()
	caller, err := f.console.callerNow(f.r)
	if err != nil {
		return err
	}
	if caller.Name != f.caller.Name || caller.Access != f.caller.Access {
		return errEnded
	}
	return nil
}
