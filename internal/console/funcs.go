package console

import (
	"embed"
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"baton/internal/pair"
)

//go:embed icons
var iconFiles embed.FS

// funcs are the words that templates have of their own.
func (c *Console) funcs() template.FuncMap {
	return template.FuncMap{
		"root":     func() string { return Root },
		"asset":    c.assets.url,
		"icon":     icon,
		"bytes":    pair.BytesText,
		"lasting":  pair.LastingText,
		"millis":   pair.MillisText,
		"ago":      c.ago,
		"clock":    clock,
		"day":      func(zone *time.Location, t time.Time) string { return t.In(zone).Format("2006-01-02") },
		"machine":  func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) },
		"sentence": sentence,
		"title":    capital,
		"percent":  percent,
		"count":    count,
		"dict":     dict,
		"hinted":   func(text string, f field) field { return f.Hint(text) },
	}
}

// icon is a picture of ours, drawn in the colour of the text beside it, which
// says the same.
func icon(name string) (template.HTML, error) {
	text, err := iconFiles.ReadFile("icons/" + name + ".svg")
	if err != nil {
		return "", fmt.Errorf("there is no icon %q", name)
	}
	return template.HTML(text), nil //nolint:gosec // a file of this program
}

func (c *Console) ago(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	d := c.now().Sub(t)
	if d < time.Second {
		return "just now"
	}
	return pair.LastingText(d.Truncate(time.Second)) + " ago"
}

// clock renders an instant in the site's zone.
func clock(zone *time.Location, t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.In(zone).Format("2006-01-02 15:04:05 MST")
}

// sentence begins with a capital and ends with a point.
func sentence(text string) string {
	text = strings.TrimSpace(text)
	if text == "" {
		return ""
	}
	if last, _ := utf8.DecodeLastRuneInString(text); !strings.ContainsRune(".!?", last) {
		text += "."
	}
	return capital(text)
}

func capital(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:]
}

// percent is how much of a whole is done, from 0 to 100; 0 while the whole is unknown.
func percent(done, whole int64) int64 {
	if whole <= 0 {
		return 0
	}
	return min(max(done*100/whole, 0), 100)
}

// count renders a number with thin groups of three, and its noun.
func count(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return grouped(n) + " " + many
}

func grouped(n int64) string {
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
	made := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict wants a name, not %v", pairs[i])
		}
		made[name] = pairs[i+1]
	}
	return made, nil
}
