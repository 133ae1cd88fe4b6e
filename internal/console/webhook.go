package console

import (
	"crypto/rand"
	"net/http"
	"slices"
	"strconv"

	"baton/internal/api"
	"baton/internal/pair"
)

// webhookPage is one webhook, or a new one.
type webhookPage struct {
	ID        string // empty: a new one
	Form      *form
	ReadOnly  bool
	Generated bool // the secret in the form was made here and is not saved
}

// webhook returns the place of the webhook that the path names; that of a new one is
// behind the last.
func (c *Console) webhook(v *visit) (saved api.SavedNotifications, at int, err error) {
	saved, err = c.backend.Notifications.Notifications(v.ctx())
	if err != nil {
		return saved, 0, err
	}
	id := v.r.PathValue("id")
	if id == "" {
		return saved, len(saved.Webhooks), nil
	}
	if at = slices.IndexFunc(saved.Webhooks, func(w pair.Webhook) bool { return w.ID == id }); at < 0 {
		return saved, at, pair.Refuse(pair.NotFound, "there is no such webhook now: choose one on the Notifications page")
	}
	return saved, at, nil
}

func (c *Console) showWebhook(v *visit) error {
	saved, at, err := c.webhook(v)
	if err != nil {
		return err
	}
	w := pair.Webhook{Enabled: true, Tell: pair.DefaultTell()}
	if at < len(saved.Webhooks) {
		w = saved.Webhooks[at]
	}
	f := newForm(map[string]string{"enabled": strconv.FormatBool(w.Enabled), "name": w.Name, "url": w.URL, "version": versionText(saved)})
	f.showTell(w.Tell)
	return v.webhookPage(http.StatusOK, f)
}

func (v *visit) webhookPage(status int, f *form) error {
	page := webhookPage{ID: v.r.PathValue("id"), Form: f, ReadOnly: v.status.Role == pair.Backup, Generated: f.get("secret") != ""}
	title := "Add a webhook"
	if page.ID != "" {
		title = "Webhook"
	}
	return v.show(status, "webhook", title, page)
}

func (c *Console) saveWebhook(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	if f.get("action") == "generate" {
		f.Values.Set("secret", rand.Text())
		return v.webhookPage(http.StatusOK, f)
	}
	_, at, err := c.webhook(v)
	if err != nil {
		return err
	}
	err = c.saveNotifications(v, f, func(n *pair.Notifications) error {
		wanted := pair.Webhook{
			ID: v.r.PathValue("id"), Name: f.get("name"), Enabled: f.on("enabled"), URL: f.get("url"), Secret: f.get("secret"), Tell: f.tell(),
		}
		if at < len(n.Webhooks) {
			n.Webhooks[at] = wanted
		} else {
			n.Webhooks = append(n.Webhooks, wanted)
		}
		return nil
	})
	if err == nil {
		return v.done(notificationsPath, "The webhook "+f.get("name")+" is saved. Test it on both appliances.")
	}
	if !f.refused(within("webhooks."+strconv.Itoa(at), err)) {
		return err
	}
	f.forget("secret")
	return v.webhookPage(statusOf(pair.CodeOf(err)), f)
}

func (c *Console) removeWebhook(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	_, at, err := c.webhook(v)
	if err != nil {
		return err
	}
	name := ""
	err = c.saveNotifications(v, f, func(n *pair.Notifications) error {
		name = n.Webhooks[at].Name
		n.Webhooks = slices.Delete(slices.Clone(n.Webhooks), at, at+1)
		return nil
	})
	if err != nil {
		if slices.Contains([]pair.Code{pair.Stale, pair.Refused}, pair.CodeOf(err)) {
			return v.warn(notificationsPath+"/webhooks/edit/"+v.r.PathValue("id"), sentence(err.Error()))
		}
		return err
	}
	return v.done(notificationsPath, "The webhook "+name+" is removed.")
}
