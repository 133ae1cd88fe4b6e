package notify

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"baton/internal/pair"
)

// mostSubject bounds the subject of a mail, in characters.
const mostSubject = 160

// oneLine makes a text one line of at most so many characters, without anything
// that could end a header or turn the reading direction.
func oneLine(text string, most int) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r), unicode.Is(unicode.Zl, r), unicode.Is(unicode.Zp, r):
			return ' '
		case unicode.Is(unicode.Bidi_Control, r), r == utf8.RuneError:
			return -1
		}
		return r
	}, text)
	clean = strings.Join(strings.Fields(clean), " ")
	if runes := []rune(clean); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return clean
}

// subject is a notice in one line.
func subject(notice Notice) string {
	place := notice.From.place() + ": "
	switch notice.Kind {
	case KindTest:
		return place + "test notification"
	case KindDaily:
		return place + dailySubject(notice.Daily.Status)
	case KindEvents:
	}
	if len(notice.Items) == 0 {
		return place + "notification"
	}
	first := slices.MaxFunc(notice.Items, func(a, b Item) int { return cmp.Compare(weight(a.Event), weight(b.Event)) })
	text := place + headline(first.Event)
	if others := len(notice.Items) - 1; others > 0 {
		text += " (and " + strconv.Itoa(others) + " more)"
	}
	return text
}

func headline(event pair.Event) string {
	text := oneLine(event.Text, 110)
	switch {
	case event.Kind == pair.KindConditionRaised:
		return string(severity(event)) + ": " + text
	case condition(event) != "":
		return text
	}
	return event.Kind + ": " + text
}

// weight ranks what is said first.
func weight(event pair.Event) int {
	switch event.Kind {
	case pair.KindTakeover:
		return 9
	case pair.KindSteppedDown, pair.KindHandover:
		return 8
	case pair.KindConditionRaised:
		return map[pair.Severity]int{pair.Critical: 7, pair.Warning: 5, pair.Info: 2}[severity(event)]
	case pair.KindSyncFailed, pair.KindDiverged, pair.KindObserved, pair.KindServiceFailed:
		return 4
	case pair.KindConditionCleared:
		return 3
	}
	return 1
}

func dailySubject(status pair.Status) string {
	worst := map[pair.Severity]int{}
	for _, c := range status.Conditions {
		worst[c.Severity]++
	}
	switch {
	case worst[pair.Critical] > 0:
		return "daily notice, " + count(worst[pair.Critical], "critical condition")
	case worst[pair.Warning] > 0:
		return "daily notice, " + count(worst[pair.Warning], "warning")
	}
	return "daily notice, all is well"
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// body is the text of a mail.
func body(notice Notice) string {
	var b strings.Builder
	switch notice.Kind {
	case KindTest:
		b.WriteString("This is a test: notifications of this kind arrive.\n")
	case KindDaily:
		writeDaily(&b, notice)
	case KindEvents:
		for _, item := range notice.Items {
			writeItem(&b, item, notice.From.Zone)
		}
		if notice.Dropped > 0 {
			fmt.Fprintf(&b, "\n%s before these could not be told; the history has all of them.\n", count(notice.Dropped, "event"))
		}
	}
	b.WriteString("\n-- \n")
	fmt.Fprintf(&b, "%s, %s, %s\n", oneLine(notice.From.place(), mostSubject), notice.From.Role, notice.Time.In(notice.From.Zone).Format("2 January 2006 15:04:05 MST"))
	if notice.From.Console != "" {
		fmt.Fprintf(&b, "Console: %s\n", notice.From.Console)
	}
	return b.String()
}

func writeItem(b *strings.Builder, item Item, zone *time.Location) {
	event := item.Event
	what := event.Kind
	switch event.Kind {
	case pair.KindConditionRaised:
		what = string(severity(event)) + " condition " + condition(event)
	case pair.KindConditionCleared:
		what = "cleared condition " + condition(event)
	}
	fmt.Fprintf(b, "%s  %s\n", event.Time.In(zone).Format("2 Jan 15:04:05"), what)
	fmt.Fprintf(b, "    %s\n", oneLine(event.Text, longestText))
	if item.Times > 1 || item.Times == 1 && event.Kind == pair.KindConditionCleared {
		fmt.Fprintf(b, "    %s since %s.\n", count(item.Times, "time"), item.First.In(zone).Format("2 Jan 15:04:05"))
	}
	if step := event.Detail["next_step"]; step != "" && event.Kind == pair.KindConditionRaised {
		fmt.Fprintf(b, "    What to do: %s\n", oneLine(step, longestText))
	}
}

func writeDaily(b *strings.Builder, notice Notice) {
	d, s := notice.Daily, notice.Daily.Status
	fmt.Fprintf(b, "%-17s %s, %s\n", oneLine(s.Appliance.Name, mostName), s.Role, s.State)
	if p := s.Peer; p != nil {
		reach := "does not answer"
		if p.Reachable {
			reach = "answers"
		}
		fmt.Fprintf(b, "%-17s %s, %s\n", oneLine(p.Name, mostName), p.Role, reach)
	}
	if s.Role != pair.Standalone {
		fmt.Fprintf(b, "%-17s %d of 4\n", "Protection level", s.ProtectionLevel)
		fmt.Fprintf(b, "%-17s %s\n", "Data age", age(s.Sync.DataAgeMS))
	}
	b.WriteString("\nOpen conditions\n")
	for _, c := range s.Conditions {
		fmt.Fprintf(b, "    %s: %s\n        What to do: %s\n", c.Severity, oneLine(c.Text, longestText), oneLine(c.NextStep, longestText))
	}
	if len(s.Conditions) == 0 {
		b.WriteString("    none\n")
	}
	fmt.Fprintf(b, "\nSince %s\n", d.Since.In(notice.From.Zone).Format("2 January 15:04 MST"))
	for _, c := range d.Counts {
		fmt.Fprintf(b, "    %5d  %s\n", c.Times, c.Kind)
	}
	if len(d.Counts) == 0 {
		b.WriteString("    nothing happened\n")
	}
	if len(d.Events) > 0 {
		b.WriteString("\n")
	}
	for _, event := range d.Events {
		writeItem(b, Item{Event: event}, notice.From.Zone)
	}
}

func age(ms int64) string {
	if ms < 0 {
		return "no snapshot yet"
	}
	return pair.MillisText(ms)
}
