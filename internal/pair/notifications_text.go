package pair

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// noticeKey reads and writes one value of the notifications as text, for the
// command line. Password and secrets have no key: whoever lists the processes of a
// machine reads its command lines.
type noticeKey struct {
	name string
	get  func(Notifications) string
	set  func(*Notifications, string) error
}

// webhookPrefix is what the keys of a webhook begin with, before its name.
const webhookPrefix = "webhook."

func (n Notifications) keys() []noticeKey {
	keys := []noticeKey{
		noticeText("mail.host", func(n *Notifications) *string { return &n.Mail.Host }),
		{"mail.port", func(n Notifications) string { return strconv.Itoa(n.Mail.Port) }, setMailPort},
		noticeText("mail.encryption", func(n *Notifications) *Encryption { return &n.Mail.Encryption }),
		noticeText("mail.user", func(n *Notifications) *string { return &n.Mail.User }),
		noticeText("mail.from", func(n *Notifications) *string { return &n.Mail.From }),
		noticeList("mail.to", func(n *Notifications) *[]string { return &n.Mail.To }),
		noticeBool("mail.enabled", func(n *Notifications) *bool { return &n.Mail.Enabled }),
	}
	keys = append(keys, tellKeys("mail.", func(n *Notifications) *Tell { return &n.Mail.Tell })...)
	for i, w := range n.Webhooks {
		hook := func(n *Notifications) *Webhook { return &n.Webhooks[i] }
		prefix := webhookPrefix + w.Name + "."
		keys = append(
			keys, noticeText(prefix+"url", func(n *Notifications) *string { return &hook(n).URL }),
			noticeBool(prefix+"enabled", func(n *Notifications) *bool { return &hook(n).Enabled }),
		)
		keys = append(keys, tellKeys(prefix, func(n *Notifications) *Tell { return &hook(n).Tell })...)
	}
	return append(keys, noticeKey{
		"daily_at", func(n Notifications) string { return n.DailyAt.String() },
		func(n *Notifications, v string) (err error) { n.DailyAt, err = ParseTimeOfDay(v); return err },
	})
}

func tellKeys(prefix string, tell func(*Notifications) *Tell) []noticeKey {
	return []noticeKey{
		noticeText(prefix+"conditions", func(n *Notifications) *Severity { return &tell(n).Conditions }),
		noticeBool(prefix+"cleared", func(n *Notifications) *bool { return &tell(n).Cleared }),
		noticeList(prefix+"kinds", func(n *Notifications) *[]string { return &tell(n).Kinds }),
		noticeBool(prefix+"daily", func(n *Notifications) *bool { return &tell(n).Daily }),
	}
}

func noticeText[T ~string](name string, field func(*Notifications) *T) noticeKey {
	return noticeKey{
		name, func(n Notifications) string { return string(*field(&n)) },
		func(n *Notifications, v string) error { *field(n) = T(v); return nil },
	}
}

func noticeBool(name string, field func(*Notifications) *bool) noticeKey {
	return noticeKey{
		name, func(n Notifications) string { return strconv.FormatBool(*field(&n)) },
		func(n *Notifications, v string) (err error) { *field(n), err = parseBool(v); return err },
	}
}

func noticeList(name string, field func(*Notifications) *[]string) noticeKey {
	return noticeKey{
		name, func(n Notifications) string { return strings.Join(*field(&n), ",") },
		func(n *Notifications, v string) error {
			words := []string{}
			for word := range strings.SplitSeq(v, ",") {
				if word = strings.TrimSpace(word); word != "" {
					words = append(words, word)
				}
			}
			*field(n) = words
			return nil
		},
	}
}

func setMailPort(n *Notifications, v string) (err error) {
	if n.Mail.Port, err = strconv.Atoi(v); err != nil {
		return fmt.Errorf("%q is not a number: use 587 for STARTTLS, 465 for TLS, 25 without", v)
	}
	return nil
}

// Keys lists every key of With, in the order in which they are shown.
func (n Notifications) Keys() []string {
	var names []string
	for _, key := range n.keys() {
		names = append(names, key.name)
	}
	return names
}

// Map returns the values by key; password and secrets are not among them.
func (n Notifications) Map() map[string]string {
	all := map[string]string{}
	for _, key := range n.keys() {
		all[key.name] = key.get(n)
	}
	return all
}

// With returns the notifications with one value changed. The result is not judged:
// whoever saves it does.
func (n Notifications) With(key, value string) (Notifications, error) {
	keys := n.keys()
	i := slices.IndexFunc(keys, func(k noticeKey) bool { return k.name == key })
	if i < 0 {
		return n, RefuseField(key, "%s", "this is not known: use one of "+strings.Join(n.Keys(), ", "))
	}
	n.Webhooks = slices.Clone(n.Webhooks)
	if err := keys[i].set(&n, strings.TrimSpace(value)); err != nil {
		return n, RefuseField(key, "%s", err.Error())
	}
	return n, nil
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
