package pair

import (
	"cmp"
	"slices"
	"strings"
)

// Change is one value that somebody changed, for the audit.
type Change struct {
	Key           string // of a setting, or a field of an account
	Before, After string
	Secret        bool // neither value is told
}

// Label is what the console calls the field of a key; the key itself if it has none.
func Label(key string) string {
	if _, field, found := cutLast(key); found && strings.HasPrefix(key, webhookPrefix) {
		name := strings.TrimSuffix(strings.TrimPrefix(key, webhookPrefix), "."+field)
		return "webhook " + name + ", " + cmp.Or(labels()["webhook."+field], labels()["tell."+field], field)
	}
	if field, mail := strings.CutPrefix(key, "mail."); mail {
		return cmp.Or(labels()[key], "mail, "+cmp.Or(labels()["tell."+field], field))
	}
	return cmp.Or(labels()[key], key)
}

func cutLast(key string) (before, after string, found bool) {
	at := strings.LastIndexByte(key, '.')
	if at < 0 {
		return key, "", false
	}
	return key[:at], key[at+1:], true
}

func labels() map[string]string {
	return map[string]string{
		"backup_operations": "Enable Backup Operations", "automatic_failover": "Enable Automatic Failover", "observe_only": "Observe only",
		"primary_timeout": "Primary Site Instance Timeout", "poll_interval": "Poll interval", "test_ips": "Network Connectivity Test IPs",
		"test_ips_required": "How many must answer", "sync_schedule": "Data-Sync Interval", "sync_every": "Time between data syncs",
		"sync_day": "Day of data syncs", "sync_time": "Time of data syncs", "bandwidth_limit": "Data-Sync Bandwidth Limit",
		"max_data_age": "Highest data age for automatic failover", "site_check": "Site check", "time_zone": "Time zone",
		"name": "Site name", "host_name": "Host name", "title": "Title", "message": "Message",
		"password_length": "Least length of passwords", "session_timeout": "Session timeout", "console_networks": "Allowed networks for the console",
		"mail.host": "Mail server", "mail.port": "Port of the mail server", "mail.encryption": "Encryption of mail", "mail.user": "User at the mail server",
		"mail.from": "Sender", "mail.to": "Recipients", "mail.enabled": "Send mail", "mail.password": "Password at the mail server", "daily_at": "Time of the daily notice",
		"webhook.url": "Address", "webhook.enabled": "Send to this webhook", "webhook.secret": "Secret",
		"tell.conditions": "conditions from", "tell.cleared": "when they are gone", "tell.kinds": "events", "tell.daily": "daily notice",
		"display_name": "Display name", "mail": "Mail", "role": "Role",
	}
}

// ChangesOf lists what differs between two sets of values, in the order of keys.
func ChangesOf(keys []string, before, after map[string]string) (changes []Change) {
	for _, key := range keys {
		if before[key] != after[key] {
			changes = append(changes, Change{Key: key, Before: before[key], After: after[key]})
		}
	}
	return changes
}

// ChangesText says what was changed, as "Observe only from false to true"; several
// are joined by commas. A secret is only said to be another.
func ChangesText(changes []Change) string {
	texts := make([]string, len(changes))
	for i, c := range changes {
		texts[i] = Label(c.Key) + " from " + valueText(c.Before) + " to " + valueText(c.After)
		if c.Secret {
			texts[i] = Label(c.Key) + " (the value is not told)"
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

// ChangesTo lists what differs between these notifications and those after. Password,
// secrets and the addresses of webhooks, which may hold one, are not told.
func (n Notifications) ChangesTo(after Notifications) []Change {
	was, is := n.Map(), after.Map()
	keys := n.Keys()
	for _, key := range after.Keys() {
		if _, known := was[key]; !known {
			keys = append(keys, key)
		}
	}
	changes := ChangesOf(keys, was, is)
	for i, c := range changes {
		changes[i].Secret = strings.HasPrefix(c.Key, webhookPrefix) && strings.HasSuffix(c.Key, ".url")
	}
	if n.Mail.Password != after.Mail.Password {
		changes = append(changes, Change{Key: "mail.password", Secret: true})
	}
	for _, w := range after.Webhooks {
		i := slices.IndexFunc(n.Webhooks, func(before Webhook) bool { return before.ID == w.ID })
		if i < 0 && w.Secret != "" || i >= 0 && n.Webhooks[i].Secret != w.Secret {
			changes = append(changes, Change{Key: webhookPrefix + w.Name + ".secret", Secret: true})
		}
	}
	return changes
}
