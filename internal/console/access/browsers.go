package access

import (
	"strings"
	"time"

	"baton/internal/api"
	"baton/internal/console/page"
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
	Own     bool // that of this request
}

// sessionRows lists the sessions of one user, or of all if the user is empty.
func sessionRows(v *page.Visit, backend api.Sessions, user string) ([]sessionRow, error) {
	sessions, err := backend.Sessions(v.Context())
	if err != nil {
		return nil, err
	}
	own, _ := v.Session()
	var rows []sessionRow
	for _, s := range sessions {
		if user != "" && s.User != user {
			continue
		}
		rows = append(rows, sessionRow{
			ID: s.ID, User: s.User, Browser: browserName(s.Browser), From: s.From,
			Since: page.Clock(v.Zone, s.Since), Seen: seenText(v.Now().Sub(s.Seen)), Own: s.ID == own.ID,
		})
	}
	return rows, nil
}

// seenText rounds to minutes: the last use of a session is kept no more exactly.
func seenText(age time.Duration) string {
	if age < time.Minute {
		return "now"
	}
	return pair.LastingText(age.Truncate(time.Minute)) + " ago"
}

// browserName makes a short name of what a browser says of itself, as
// Firefox on Linux. It is a guess: browsers also name others.
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
