package pair

import "slices"

// webhookPrefix is what the keys of a webhook begin with, before its name.
const webhookPrefix = "webhook."

// Keys implements Keyed. Password and secrets have no key: anybody who lists the
// processes of a machine reads its command lines. The values are not judged here: package notify
// does that when they are saved.
func (n Notifications) Keys() []Key[Notifications] {
	keys := []Key[Notifications]{
		textKey("mail.host", "Mail server", func(n *Notifications) *string { return &n.Mail.Host }),
		numberKey("mail.port", "Port of the mail server", "587 for STARTTLS, 465 for TLS, 25 without", func(n *Notifications) *int { return &n.Mail.Port }),
		textKey("mail.encryption", "Encryption of mail", func(n *Notifications) *Encryption { return &n.Mail.Encryption }),
		textKey("mail.user", "User at the mail server", func(n *Notifications) *string { return &n.Mail.User }),
		textKey("mail.from", "Sender", func(n *Notifications) *string { return &n.Mail.From }),
		wordsKey("mail.to", "Recipients", func(n *Notifications) *[]string { return &n.Mail.To }),
		boolKey("mail.enabled", "Send mail", func(n *Notifications) *bool { return &n.Mail.Enabled }),
	}
	keys = append(keys, tellKeys("mail.", "mail, ", func(n *Notifications) *Tell { return &n.Mail.Tell })...)
	for i, w := range n.Webhooks {
		keys = append(keys, webhookKeys(w.Name, func(n *Notifications) *Webhook { return &n.Webhooks[i] })...)
	}
	return append(keys, timeKey("daily_at", "Time of the daily notice", func(n *Notifications) *TimeOfDay { return &n.DailyAt }))
}

func webhookKeys(name string, hook func(*Notifications) *Webhook) []Key[Notifications] {
	prefix, label := webhookPrefix+name+".", webhookLabel(name)
	address := textKey(prefix+"url", label+"Address", func(n *Notifications) *string { return &hook(n).URL })
	address.Secret = true // it may hold one
	keys := append([]Key[Notifications]{
		address, boolKey(prefix+"enabled", label+"Send to this webhook", func(n *Notifications) *bool { return &hook(n).Enabled }),
	}, tellKeys(prefix, label, func(n *Notifications) *Tell { return &hook(n).Tell })...)
	for i := range keys {
		parse := keys[i].Parse
		keys[i].Parse = func(n *Notifications, text string) error {
			n.Webhooks = slices.Clone(n.Webhooks) // others may have them as they were
			return parse(n, text)
		}
	}
	return keys
}

func webhookLabel(name string) string { return "webhook " + name + ", " }

func tellKeys(prefix, label string, tell func(*Notifications) *Tell) []Key[Notifications] {
	return []Key[Notifications]{
		textKey(prefix+"conditions", label+"conditions from", func(n *Notifications) *Severity { return &tell(n).Conditions }),
		boolKey(prefix+"cleared", label+"when they are gone", func(n *Notifications) *bool { return &tell(n).Cleared }),
		wordsKey(prefix+"kinds", label+"events", func(n *Notifications) *[]string { return &tell(n).Kinds }),
		boolKey(prefix+"daily", label+"daily notice", func(n *Notifications) *bool { return &tell(n).Daily }),
	}
}

func wordsKey(name, label string, field func(*Notifications) *[]string) Key[Notifications] {
	return listKey(name, label, commas, field, func(word string) string { return word }, func(word string) (string, error) { return word, nil })
}

// ChangesTo lists the differences between these notifications and those after; of password
// and secrets it tells only that they changed.
func (n Notifications) ChangesTo(after Notifications) []Change {
	changes := Changes(n, after)
	if n.Mail.Password != after.Mail.Password {
		changes = append(changes, Change{Key: "mail.password", Label: "Password at the mail server", Secret: true})
	}
	for _, w := range after.Webhooks {
		i := slices.IndexFunc(n.Webhooks, func(before Webhook) bool { return before.ID == w.ID })
		if i < 0 && w.Secret != "" || i >= 0 && n.Webhooks[i].Secret != w.Secret {
			changes = append(changes, Change{Key: webhookPrefix + w.Name + ".secret", Label: webhookLabel(w.Name) + "Secret", Secret: true})
		}
	}
	return changes
}

// FindWebhook returns the index of the webhook with a name, or else with an id; -1
// if there is none.
func (n Notifications) FindWebhook(name string) int {
	for _, same := range []func(Webhook) bool{
		func(w Webhook) bool { return w.Name == name },
		func(w Webhook) bool { return w.ID == name },
	} {
		if i := slices.IndexFunc(n.Webhooks, same); i >= 0 {
			return i
		}
	}
	return -1
}
