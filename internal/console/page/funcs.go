package page

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"baton/internal/pair"
)

// funcs are the words that templates have of their own.
func (s *Server) funcs() template.FuncMap {
	return template.FuncMap{
		"root":     func() string { return Root },
		"asset":    s.assets.url,
		"icon":     icon,
		"bytes":    pair.BytesText,
		"lasting":  pair.LastingText,
		"millis":   pair.MillisText,
		"ago":      s.ago,
		"clock":    Clock,
		"day":      func(zone *time.Location, t time.Time) string { return t.In(zone).Format("2006-01-02") },
		"machine":  func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) },
		"sentence": Sentence,
		"title":    Capital,
		"percent":  Percent,
		"count":    Count,
		"dict":     dict,
		"hinted":   func(text string, f Field) Field { return f.Hint(text) },
	}
}

// icon is a picture of the console, drawn in the colour of the text beside it, which
// says the same.
func icon(name string) (template.HTML, error) {
	text, err := frameFiles.ReadFile("icons/" + name + ".svg")
	if err != nil {
		return "", fmt.Errorf("there is no icon %q", name)
	}
	return template.HTML(text), nil //nolint:gosec // a file of this program
}

func (s *Server) ago(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	d := s.now().Sub(t)
	if d < time.Second {
		return "just now"
	}
	return pair.LastingText(d.Truncate(time.Second)) + " ago"
}

// Clock renders an instant in the site's zone.
func Clock(zone *time.Location, t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.In(zone).Format("2006-01-02 15:04:05 MST")
}

// Sentence begins with a capital and ends with a point.
func Sentence(text string) string {
	text = strings.TrimSpace(text)
	if text == "" {
		return ""
	}
	if last, _ := utf8.DecodeLastRuneInString(text); !strings.ContainsRune(".!?", last) {
		text += "."
	}
	return Capital(text)
}

// Capital begins with a capital.
func Capital(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:]
}

// Percent is how much of a whole is done, from 0 to 100; 0 while the whole is unknown.
func Percent(done, whole int64) int64 {
	if whole <= 0 {
		return 0
	}
	return min(max(done*100/whole, 0), 100)
}

// Count renders a number, grouped, and its noun.
func Count(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Grouped(n) + " " + many
}

// Grouped renders a number with thin groups of three.
func Grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "\u202f" + text[i:]
	}
	return text
}

// dict makes a map of names and values, to hand several to a part.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict wants names and values, not %d things", len(pairs))
	}
	values := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict wants a name, not %v", pairs[i])
		}
		values[name] = pairs[i+1]
	}
	return values, nil
}
