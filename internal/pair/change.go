package pair

import "strings"

// Change is one value that somebody changed, for the audit.
type Change struct {
	Key           string // of a setting, or a field of an account
	Label         string // what the console calls it
	Before, After string
	Secret        bool // neither value is told
}

// ChangesText says what was changed, as "Observe only from false to true"; several
// are joined by commas. A secret is only said to be another.
func ChangesText(changes []Change) string {
	texts := make([]string, len(changes))
	for i, c := range changes {
		texts[i] = c.Label + " from " + valueText(c.Before) + " to " + valueText(c.After)
		if c.Secret {
			texts[i] = c.Label + " (the value is not told)"
		}
	}
	return strings.Join(texts, ", ")
}

// NoteChanges adds the changes to the details of an event: the new value under its
// key, the old one under KEY_before, or "changed" for a secret.
func NoteChanges(detail map[string]string, changes []Change) {
	for _, c := range changes {
		detail[c.Key], detail[c.Key+"_before"] = c.After, c.Before
		if c.Secret {
			detail[c.Key] = "changed"
			delete(detail, c.Key+"_before")
		}
	}
}

// valueText is a value as a sentence has it: the beginning of a long one.
func valueText(value string) string {
	const most = 80
	runes := []rune(strings.Join(strings.Fields(value), " "))
	switch {
	case len(runes) == 0:
		return "nothing"
	case len(runes) > most:
		return string(runes[:most]) + "…"
	}
	return string(runes)
}
