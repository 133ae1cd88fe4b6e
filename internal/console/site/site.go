package site

import (
	"cmp"
	"strconv"
	"strings"

	"baton/internal/api"
	"baton/internal/console/page"
	"baton/internal/pair"
)

const sitePath = "/site"

// site is the Site page.
type site struct{ backend Backend }

func (p site) routes() []page.Route {
	return page.FromPrimary("the site",
		page.Get(sitePath, pair.Viewer, p.page().Show),
		page.Submit(sitePath, pair.Administrator, "site", p.saveSite),
		page.Submit(sitePath+"/time-zone", pair.Administrator, "zone", p.saveTimeZone),
		page.Upload(sitePath+"/certificate", pair.Administrator, maxCertificateForm, p.saveCertificate),
		page.Submit(sitePath+"/certificate/self-signed", pair.Administrator, "certificate", p.selfSign),
		page.Submit(sitePath+"/certificate/remove", pair.Administrator, "certificate", p.removeCertificate),
	)
}

// sitePage is the Site page: its forms and what stands beside them.
type sitePage struct {
	Site         *page.Form
	Zone         *page.Form
	Zones        []string
	Now          string // in the site's zone
	Address      string // of the site; empty: unknown
	Certificate  *page.Form
	Certificates certificateCards
	Front        api.Front
}

func (p site) page() page.Of[sitePage] {
	return page.Of[sitePage]{Name: "site", Title: "Site", Read: p.read}
}

func (p site) read(v *page.Visit) (sitePage, error) {
	saved, err := p.backend.Site.Site(v.Context())
	if err != nil {
		return sitePage{}, err
	}
	settings, err := p.backend.Settings.Settings(v.Context())
	if err != nil {
		return sitePage{}, err
	}
	certificates, err := p.certificates(v)
	if err != nil {
		return sitePage{}, err
	}
	return sitePage{
		Site: siteForm(saved), Zone: zoneForm(settings), Zones: commonZones(), Certificate: certificateForm(certificates.Version),
		Now: page.Clock(v.Zone, v.Now()), Certificates: certificates, Front: saved.Front, Address: siteAddress(v.Status, saved.HostName),
	}, nil
}

// siteAddress is where the site answers: under its name, or at a shared IP.
func siteAddress(status pair.Status, hostName string) string {
	host := hostName
	for _, ip := range status.SharedIPs {
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

func siteForm(saved api.SavedSite) *page.Form {
	values := pair.Texts(saved.Site)
	values["version"] = strconv.FormatInt(saved.Version, 10)
	return page.NewForm("site", values)
}

func (p site) saveSite(v *page.Visit, f *page.Form) error {
	err := p.trySite(v, f)
	if pair.CodeOf(err) == pair.Stale {
		saved, failure := p.backend.Site.Site(v.Context())
		if failure != nil {
			return failure
		}
		if f.Overtaken(siteForm(saved), pair.Names(pair.Site{})); f.Right() { // the other person changed other fields
			err = p.trySite(v, f)
		}
	}
	if err == nil {
		return v.Done(sitePath, "The site is saved.")
	}
	if f.Right() && !f.Refused(err) {
		return err
	}
	return p.page().With(v, page.StatusOf(err), func(data *sitePage) { data.Site = f })
}

func (p site) trySite(v *page.Visit, f *page.Form) error {
	site, err := pair.With(pair.Site{}, f.Texts(pair.Names(pair.Site{})))
	if err != nil {
		return err
	}
	_, err = p.backend.Site.SaveSite(v.Context(), api.SavedSite{Site: site, Version: f.Version()})
	return err
}

func zoneForm(saved api.Saved[pair.Settings]) *page.Form {
	return page.NewForm("zone", map[string]string{"time_zone": saved.Values.TimeZone})
}

// saveTimeZone changes the one setting of the pair that is on this page.
func (p site) saveTimeZone(v *page.Visit, f *page.Form) error {
	saved, err := p.backend.Settings.Settings(v.Context())
	if err != nil {
		return err
	}
	if err = p.tryTimeZone(v, f, saved); err == nil {
		return v.Done(sitePath, "The time zone is saved.")
	}
	return p.page().Refused(v, f, err, func(data *sitePage) {
		if pair.CodeOf(err) == pair.Stale {
			f.Overtaken(data.Zone, []string{"time_zone"})
		}
		data.Zone = f
	})
}

func (p site) tryTimeZone(v *page.Visit, f *page.Form, saved api.Saved[pair.Settings]) error {
	if saved.Values.TimeZone != f.Get(page.WasField("time_zone")) { // others may have changed: they are not in this form
		return pair.Refuse(pair.Stale, "somebody else has saved a time zone meanwhile")
	}
	wanted, err := pair.With(saved.Values, f.Texts([]string{"time_zone"}))
	if err != nil {
		return err
	}
	_, err = p.backend.Settings.SaveSettings(v.Context(), api.Saved[pair.Settings]{Values: wanted, Version: saved.Version})
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
