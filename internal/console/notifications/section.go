// Package notifications has the page Management > Notifications and those of its webhooks.
package notifications

import (
	"embed"

	"baton/internal/api"
	"baton/internal/console/page"
	"baton/internal/pair"
)

const path = "/management/notifications"

// notifications is the page and those of its webhooks.
type notifications struct{ backend api.Notifications }

//go:embed templates
var files embed.FS

// Section is Management > Notifications.
func Section(backend api.Notifications) page.Section {
	p := notifications{backend}
	return page.Section{
		Routes: []page.Route{
			page.Get(path, pair.Viewer, p.page().Show),
			page.Submit(path+"/mail", pair.Administrator, "mail", p.saveMail),
			page.Submit(path+"/daily", pair.Administrator, "daily", p.saveDaily),
			page.Post(path+"/test/{channel}", pair.Administrator, p.testChannel),
			page.Get(path+"/webhooks/new", pair.Administrator, p.showWebhook),
			page.Submit(path+"/webhooks/new", pair.Administrator, "", p.saveWebhook),
			page.Get(path+"/webhooks/edit/{id}", pair.Administrator, p.showWebhook),
			page.Submit(path+"/webhooks/edit/{id}", pair.Administrator, "", p.saveWebhook),
			page.Submit(path+"/webhooks/remove/{id}", pair.Administrator, "", p.removeWebhook),
		},
		Templates: files,
		Live:      []page.Live{p.page().Live("live-channels")},
	}
}
