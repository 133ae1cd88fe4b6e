package console

import (
	"cmp"
	"strconv"
	"strings"

	"baton/internal/api"
	"baton/internal/pair"
)

const sitePath = "/site"

func (c *Console) siteRoutes() []route {
	return siteOnly(
		get(sitePath, viewer, c.showSite),
		post(sitePath, administrator, c.saveSite),
		post(sitePath+"/time-zone", administrator, c.saveTimeZone),
		upload(post(sitePath+"/certificate", administrator, c.saveCertificate), maxCertificateForm),
		post(sitePath+"/certificate/self-signed", administrator, c.selfSign),
		post(sitePath+"/certificate/remove", administrator, c.removeCertificate),
	)
}

// sitePage is the Site page: its forms and what stands beside them.
type sitePage struct {
	Site        *form
	Zone        *form
	Zones       []string
	Now         string // in the site's zone
	Address     string // of the site, to look at it; empty: unknown
	Certificate *form
	Known       certificatesShown
	Front       api.Front
}

func (c *Console) showSite(v *visit) error {
	page, err := v.sitePage()
	if err != nil {
		return err
	}
	return v.page("site", "Site", page)
}

// sitePage shows what is saved.
func (v *visit) sitePage() (sitePage, error) {
	backend := v.console.backend
	saved, err := backend.Site.Site(v.ctx())
	if err != nil {
		return sitePage{}, err
	}
	settings, err := backend.Settings.Settings(v.ctx())
	if err != nil {
		return sitePage{}, err
	}
	known, err := v.certificates()
	if err != nil {
		return sitePage{}, err
	}
	page := sitePage{
		Site: siteForm(saved), Zone: zoneForm(settings), Zones: commonZones(), Certificate: certificateForm(known.Version),
		Now: clock(v.zone, v.console.now()), Known: known, Front: saved.Front, Address: v.siteAddress(saved.HostName),
	}
	return page, nil
}

// siteAddress is where the site can be looked at: under its name, or at a shared IP.
func (v *visit) siteAddress(hostName string) string {
	host := hostName
	for _, ip := range v.status.SharedIPs {
		address, _, _ := strings.Cut(ip.Address, "/")
		if strings.Contains(address, ":") {
			address = "[" + address + "]"
		}
		if ip.Shared {
			host = cmp.Or(host, address)
		}
	}
	if host == "" {
		return ""
	}
	return "https://" + host + "/"
}

func siteForm(saved api.SavedSite) *form {
	values := pair.Texts(saved.Site)
	values["version"] = strconv.FormatInt(saved.Version, 10)
	f := newForm(values)
	f.ID = "site"
	return f
}

func (c *Console) saveSite(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	f.ID = "site"
	err = c.trySite(v, f)
	page, failure := v.sitePage()
	if failure != nil {
		return failure
	}
	if pair.CodeOf(err) == pair.Stale {
		if f.overtaken(page.Site, pair.Names(pair.Site{})); f.right() { // they changed other fields
			err = c.trySite(v, f)
		}
	}
	if err == nil {
		return v.done(sitePath, "The site is saved.")
	}
	if f.right() && !f.refused(err) {
		return err
	}
	page.Site = f
	return v.show(statusOf(pair.CodeOf(err)), "site", "Site", page)
}

func (c *Console) trySite(v *visit, f *form) error {
	site, err := pair.With(pair.Site{}, f.texts(pair.Names(pair.Site{})))
	if err != nil {
		return err
	}
	_, err = c.backend.Site.SaveSite(v.ctx(), api.SavedSite{Site: site, Version: f.version()})
	return err
}

// version is the one that the form was drawn from; one that is none is never the
// newest.
func (f *form) version() int64 {
	version, err := strconv.ParseInt(f.get("version"), 10, 62)
	if err != nil {
		return 1<<62 - 1
	}
	return version
}

func zoneForm(saved api.Saved[pair.Settings]) *form {
	f := newForm(map[string]string{"time_zone": saved.Values.TimeZone})
	f.ID = "zone"
	return f
}

// saveTimeZone changes the one setting of the pair that is on this page.
func (c *Console) saveTimeZone(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	f.ID = "zone"
	saved, err := c.backend.Settings.Settings(v.ctx())
	if err != nil {
		return err
	}
	if err = c.tryTimeZone(v, f, saved); err == nil {
		return v.done(sitePath, "The time zone is saved.")
	}
	if !f.refused(err) {
		return err
	}
	page, failure := v.sitePage()
	if failure != nil {
		return failure
	}
	if pair.CodeOf(err) == pair.Stale {
		f.overtaken(page.Zone, []string{"time_zone"})
	}
	page.Zone = f
	return v.show(statusOf(pair.CodeOf(err)), "site", "Site", page)
}

func (c *Console) tryTimeZone(v *visit, f *form, saved api.Saved[pair.Settings]) error {
	if saved.Values.TimeZone != f.get(wasField("time_zone")) { // other settings may have changed: they are not of this form
		return pair.Refuse(pair.Stale, "somebody else has saved a time zone meanwhile")
	}
	wanted, err := pair.With(saved.Values, f.texts([]string{"time_zone"}))
	if err != nil {
		return err
	}
	_, err = c.backend.Settings.SaveSettings(v.ctx(), api.Saved[pair.Settings]{Values: wanted, Version: saved.Version})
	if pair.CodeOf(err) == pair.Unconfirmed {
		return nil // what times are shown in can wait
	}
	return err
}

// commonZones are proposed while somebody types; any other of the time zone
// database is taken as well.
func commonZones() []string {
	return strings.Fields(`UTC
Africa/Cairo Africa/Casablanca Africa/Johannesburg Africa/Lagos Africa/Nairobi
America/Anchorage America/Argentina/Buenos_Aires America/Bogota America/Chicago America/Denver America/Halifax America/Lima
America/Los_Angeles America/Mexico_City America/New_York America/Phoenix America/Santiago America/Sao_Paulo America/St_Johns America/Toronto
America/Vancouver Asia/Bangkok Asia/Dhaka Asia/Dubai Asia/Hong_Kong Asia/Jakarta Asia/Jerusalem Asia/Karachi Asia/Kathmandu Asia/Kolkata
Asia/Manila Asia/Riyadh Asia/Seoul Asia/Shanghai Asia/Singapore Asia/Taipei Asia/Tehran Asia/Tokyo
Atlantic/Azores Atlantic/Reykjavik Australia/Adelaide Australia/Brisbane Australia/Melbourne Australia/Perth Australia/Sydney
Europe/Amsterdam Europe/Athens Europe/Berlin Europe/Brussels Europe/Bucharest Europe/Budapest Europe/Copenhagen Europe/Dublin
Europe/Helsinki Europe/Istanbul Europe/Kyiv Europe/Lisbon Europe/London Europe/Madrid Europe/Moscow Europe/Oslo Europe/Paris Europe/Prague
Europe/Rome Europe/Sofia Europe/Stockholm Europe/Vienna Europe/Warsaw Europe/Zurich
Pacific/Auckland Pacific/Honolulu`)
}

// upload lets a route take more, or less, than an ordinary form.
func upload(r route, most int64) route {
	r.upload = most
	return r
}
