package console

import (
	"strings"
	"time"

	"baton/internal/api"
	"baton/internal/pair"
)

// sessionRow is one session in a list.
type sessionRow struct {
	ID      string
	User    string
	Browser string
	From    string
	Since   string
	Seen    string
	Own     bool // the one that asks
}

// sessionRows lists sessions, those of one user only unless of is empty.
func (v *visit) sessionRows(of string) ([]sessionRow, error) {
	sessions, err := v.console.backend.Sessions.Sessions(v.ctx())
	if err != nil {
		return nil, err
	}
	own, _ := v.console.session(v.ctx())
	var rows []sessionRow
	for _, s := range sessions {
		if of != "" && s.User != of {
			continue
		}
		rows = append(rows, sessionRow{
			ID: s.ID, User: s.User, Browser: browserName(s.Browser), From: s.From,
			Since: clock(v.zone, s.Since), Seen: v.console.seenText(s), Own: s.ID == own.ID,
		})
	}
	return rows, nil
}

// seenText is as exact as what is kept.
func (c *Console) seenText(s api.Session) string {
	if c.now().Sub(s.Seen) < time.Minute {
		return "now"
	}
	return pair.LastingText(c.now().Sub(s.Seen).Truncate(time.Minute)) + " ago"
}

// browserName makes a short name of what a browser says of itself, like
// Firefox on Linux. It is a guess: browsers claim to be one another.
func browserName(agent string) string {
	browser := firstNamed(agent, "Edg/", "Edge", "OPR/", "Opera", "Firefox/", "Firefox", "Chrome/", "Chrome", "CriOS/", "Chrome", "FxiOS/", "Firefox", "Safari/", "Safari")
	system := firstNamed(agent, "Android", "Android", "iPhone", "iPhone", "iPad", "iPad", "Windows", "Windows", "Mac OS X", "macOS", "CrOS", "ChromeOS", "Linux", "Linux")
	switch {
	case browser != "" && system != "":
		return browser + " on " + system
	case browser+system != "":
		return browser + system
	case agent == "":
		return "unknown browser"
	}
	name, _, _ := strings.Cut(agent, " ")
	return name[:min(len(name), 40)]
}

// firstNamed returns the name behind the first mark that a text holds; marks and
// names come in turn.
func firstNamed(text string, marks ...string) string {
	for i := 0; i+1 < len(marks); i += 2 {
		if strings.Contains(text, marks[i]) {
			return marks[i+1]
		}
	}
	return ""
}
