package notifications

import (
	"crypto/rand"
	"net/http"
	"slices"
	"strconv"

	"baton/internal/api"
	"baton/internal/console/page"
	"baton/internal/pair"
)

// webhookPage is one webhook, or a new one.
type webhookPage struct {
	ID       string // empty: a new one
	Form     tellForm
	ReadOnly bool
}

// Generated reports whether this appliance made the secret in the form, and has not saved
// it.
func (p webhookPage) Generated() bool { return p.Form.Get("secret") != "" }

// webhook returns the place of the webhook that the path names; that of a new one is
// behind the last.
func (p notifications) webhook(v *page.Visit) (saved api.SavedNotifications, at int, err error) {
	saved, err = p.backend.Notifications(v.Context())
	if err != nil {
		return saved, 0, err
	}
	id := v.Request.PathValue("id")
	if id == "" {
		return saved, len(saved.Webhooks), nil
	}
	if at = slices.IndexFunc(saved.Webhooks, func(w pair.Webhook) bool { return w.ID == id }); at < 0 {
		return saved, at, pair.Refuse(pair.NotFound, "there is no such webhook now: choose one on the Notifications page")
	}
	return saved, at, nil
}

func (p notifications) showWebhook(v *page.Visit) error {
	saved, at, err := p.webhook(v)
	if err != nil {
		return err
	}
	w := pair.Webhook{Enabled: true, Tell: pair.DefaultTell()}
	if at < len(saved.Webhooks) {
		w = saved.Webhooks[at]
	}
	f := page.NewForm("", map[string]string{"enabled": strconv.FormatBool(w.Enabled), "name": w.Name, "url": w.URL, "version": versionText(saved)})
	tellForm{f}.show(w.Tell)
	return showWebhookForm(v, http.StatusOK, f)
}

func showWebhookForm(v *page.Visit, status int, f *page.Form) error {
	data := webhookPage{ID: v.Request.PathValue("id"), Form: tellForm{f}, ReadOnly: v.Status.Role == pair.Backup}
	title := "Add a webhook"
	if data.ID != "" {
		title = "Webhook"
	}
	return v.Show(status, "webhook", title, data)
}

func (p notifications) saveWebhook(v *page.Visit, f *page.Form) error {
	if f.Get("action") == "generate" {
		f.Values.Set("secret", rand.Text())
		return showWebhookForm(v, http.StatusOK, f)
	}
	_, at, err := p.webhook(v)
	if err != nil {
		return err
	}
	err = p.save(v, f, func(n *pair.Notifications) error {
		wanted := pair.Webhook{
			ID: v.Request.PathValue("id"), Name: f.Get("name"), Enabled: f.On("enabled"), URL: f.Get("url"), Secret: f.Get("secret"), Tell: tellForm{f}.tell(),
		}
		if at < len(n.Webhooks) {
			n.Webhooks[at] = wanted
		} else {
			n.Webhooks = append(n.Webhooks, wanted)
		}
		return nil
	})
	if err == nil {
		return v.Done(path, "The webhook "+f.Get("name")+" is saved. Test it on both appliances.")
	}
	if !f.Refused(within("webhooks."+strconv.Itoa(at), err)) {
		return err
	}
	f.Forget("secret")
	return showWebhookForm(v, page.StatusOf(err), f)
}

func (p notifications) removeWebhook(v *page.Visit, f *page.Form) error {
	_, at, err := p.webhook(v)
	if err != nil {
		return err
	}
	name := ""
	err = p.save(v, f, func(n *pair.Notifications) error {
		name = n.Webhooks[at].Name
		n.Webhooks = slices.Delete(slices.Clone(n.Webhooks), at, at+1)
		return nil
	})
	if err != nil {
		if slices.Contains([]pair.Code{pair.Stale, pair.Refused}, pair.CodeOf(err)) {
			return v.Warn(path+"/webhooks/edit/"+v.Request.PathValue("id"), page.Sentence(err.Error()))
		}
		return err
	}
	return v.Done(path, "The webhook "+name+" is removed.")
}
