package failover

import (
	"maps"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"baton/internal/api"
	"baton/internal/console/page"
	"baton/internal/pair"
)

// configuration is the part of the Failover page that is saved.
type configuration struct {
	Form    *page.Form
	IPs     []sharedIP
	Tested  []pair.Reach // by the Test button
	Zone    string       // name of the site's zone
	NextRun *time.Time
}

// sharedIP is one box: an address of this appliance's configuration file.
type sharedIP struct {
	pair.SharedIPStatus
	Field string
	Off   string // the field that says that the user has read what taking it off does
}

// configKeys are the settings of the page, in its order.
func configKeys() []string {
	return []string{
		"backup_operations", "sync_schedule", "sync_every", "sync_day", "sync_time", "bandwidth_limit", "restore_points",
		"automatic_failover", "primary_timeout", "test_ips", "test_ips_required", "observe_only", "max_data_age", "site_check",
	}
}

// fieldText renders a setting as its field shows it: numbers in the field's unit, one
// test IP a line, nothing for what is off.
func fieldText(s pair.Settings, key string) string {
	switch key {
	case "sync_every":
		return number(s.SyncEvery.Minutes())
	case "max_data_age":
		return number(s.MaxDataAge.Minutes())
	case "primary_timeout":
		return number(s.PrimaryTimeout.Seconds())
	case "bandwidth_limit":
		return number(float64(s.BandwidthLimit) * 8 / 1e6)
	}
	text := pair.Texts(s)[key]
	if text == "false" {
		return ""
	}
	if key == "test_ips" {
		return strings.ReplaceAll(text, ",", "\n")
	}
	return text
}

// number renders a number without needless digits, and 0 as nothing.
func number(value float64) string {
	if value == 0 {
		return ""
	}
	return strconv.FormatFloat(value, 'f', -1, 64)
}

// settingText is the inverse of fieldText.
func settingText(key, text string) (string, error) {
	text = strings.TrimSpace(text)
	units := map[string]string{"sync_every": "minutes", "max_data_age": "minutes", "primary_timeout": "seconds", "bandwidth_limit": "Mbit/s"}
	unit, numeric := units[key]
	if !numeric {
		switch key {
		case "backup_operations", "automatic_failover", "observe_only":
			return strconv.FormatBool(text != ""), nil
		}
		return text, nil
	}
	if text == "" {
		text = "0"
	}
	value, err := strconv.ParseFloat(strings.Replace(plainNumber(text, unit), ",", ".", 1), 64)
	if err != nil {
		return "", pair.RefuseField(key, "%q is not a number: write how many %s", text, unit)
	}
	if !(value >= 0 && value <= 1e7) { // also refuses NaN
		return "", pair.RefuseField(key, "%s is out of range: write how many %s, from 0 to 10,000,000", text, unit)
	}
	switch {
	case value == 0:
		return "0", nil
	case key == "bandwidth_limit":
		return strconv.FormatFloat(value, 'f', -1, 64) + "Mbit", nil
	case unit == "minutes":
		return time.Duration(math.Round(value * float64(time.Minute))).String(), nil
	}
	return time.Duration(math.Round(value * float64(time.Second))).String(), nil
}

// plainNumber removes the unit from a number: it stands beside the field, and many people
// type it as well.
func plainNumber(text, unit string) string {
	forms := map[string][]string{"seconds": {"seconds", "sec", "s"}, "minutes": {"minutes", "min", "m"}, "Mbit/s": {"Mbit/s", "Mbit"}}
	for _, form := range forms[unit] {
		if number, ok := strings.CutSuffix(text, form); ok {
			return strings.TrimSpace(number)
		}
	}
	return text
}

// newConfiguration shows what is saved.
func newConfiguration(status pair.Status, saved api.Saved[pair.Settings]) configuration {
	values := map[string]string{"version": strconv.FormatInt(saved.Version, 10)}
	for _, key := range configKeys() {
		values[key] = fieldText(saved.Values, key)
	}
	config := configuration{IPs: sharedIPs(status), Zone: saved.Values.TimeZone}
	if saved.Values.SyncSchedule != pair.ScheduleContinuous { // else it is now, again and again
		config.NextRun = status.Sync.NextRun
	}
	for _, ip := range config.IPs {
		if ip.Shared {
			values[ip.Field] = "true"
		}
	}
	config.Form = page.NewForm("config", values)
	return config
}

// sharedIPs are the boxes of this appliance.
func sharedIPs(status pair.Status) []sharedIP {
	var all []sharedIP
	for _, ip := range status.SharedIPs {
		all = append(all, sharedIP{SharedIPStatus: ip, Field: "ip-" + ip.Address, Off: "off-ip-" + ip.Address})
	}
	return all
}

// settingsIn applies what was typed to saved settings. A field whose text did not change
// keeps the saved value, to the last digit.
func settingsIn(f *page.Form, saved pair.Settings) pair.Settings {
	changes := map[string]string{}
	for _, key := range configKeys() {
		if f.Get(key) == fieldText(saved, key) {
			continue
		}
		var err error
		if changes[key], err = settingText(key, f.Get(key)); err != nil {
			f.Refused(err)
			delete(changes, key)
		}
	}
	wanted, err := pair.With(saved, changes)
	f.Refused(err)
	return wanted
}

// saveSettings is Save Changes: the settings of the pair, then the boxes of this
// appliance.
func (p management) saveSettings(v *page.Visit) error {
	f, saved, err := p.configForm(v)
	if err != nil {
		return err
	}
	if f.Get("version") != strconv.FormatInt(saved.Version, 10) {
		f.Overtaken(newConfiguration(v.Status, saved).Form, configKeys())
	}
	wanted := settingsIn(f, saved.Values)
	askOff(f, v.Status)
	if !f.Right() {
		return p.configAgain(v, f, saved, nil)
	}
	var unconfirmed error
	if !maps.Equal(pair.Texts(wanted), pair.Texts(saved.Values)) { // a backup can save its boxes also while its primary is away
		_, unconfirmed = p.backend.Settings.SaveSettings(v.Context(), api.Saved[pair.Settings]{Values: wanted, Version: saved.Version})
		if unconfirmed != nil && pair.CodeOf(unconfirmed) != pair.Unconfirmed {
			if !f.Refused(unconfirmed) {
				return unconfirmed
			}
			return p.configAgain(v, f, saved, nil)
		}
	}
	if err := p.saveSharedIPs(v, f); err != nil {
		if !f.Refused(err) {
			return err
		}
		f.Problem = "The settings are saved, but the shared IP is not: " + f.Problem
		return p.configAgain(v, f, saved, nil)
	}
	if unconfirmed != nil {
		return v.Warn(failoverPath, page.Sentence(unconfirmed.Error()))
	}
	return v.Done(failoverPath, "The changes are saved.")
}

// configForm reads what was typed, and what is saved.
func (p management) configForm(v *page.Visit) (*page.Form, api.Saved[pair.Settings], error) {
	f, err := v.Form("config")
	if err != nil {
		return nil, api.Saved[pair.Settings]{}, err
	}
	f.Values.Set("test_ips", strings.ReplaceAll(f.Get("test_ips"), "\r\n", "\n")) // as browsers end lines
	for _, ip := range sharedIPs(v.Status) {
		if f.On(ip.Field) != f.On(page.WasField(ip.Field)) {
			continue
		}
		f.Forget(ip.Field) // not touched, but perhaps changed by somebody else since
		if ip.Shared {
			f.Values.Set(ip.Field, "true")
		}
	}
	saved, err := p.backend.Settings.Settings(v.Context())
	return f, saved, err
}

// saveSharedIPs enables and disables the shared IPs whose box was changed.
func (p management) saveSharedIPs(v *page.Visit, f *page.Form) error {
	for _, ip := range sharedIPs(v.Status) {
		prefix, err := netip.ParsePrefix(ip.Address)
		if err != nil || f.On(ip.Field) == ip.Shared {
			continue
		}
		change := p.backend.Addresses.DisableSharedIP
		if f.On(ip.Field) {
			change = p.backend.Addresses.EnableSharedIP
		}
		if err := change(v.Context(), prefix.Addr()); err != nil {
			return err
		}
	}
	return nil
}

// askOff refuses once to take off an address at which this appliance answers.
func askOff(f *page.Form, status pair.Status) {
	for _, ip := range sharedIPs(status) {
		switch {
		case f.On(ip.Field):
			f.Forget(ip.Off)
		case ip.Held && ip.Shared && !f.On(ip.Off):
			f.Values.Set(ip.Off, "true")
			address, _, _ := strings.Cut(ip.Address, "/")
			f.Refuse(ip.Field, "nobody reaches the site at "+address+" any more once this is saved: check the box again, or save once more to take it off")
		}
	}
}

// configAgain shows the form with what was typed.
func (p management) configAgain(v *page.Visit, f *page.Form, saved api.Saved[pair.Settings], tested []pair.Reach) error {
	status := http.StatusOK
	if !f.Right() {
		status = http.StatusUnprocessableEntity
	}
	return p.page().With(v, status, func(data *failoverPage) {
		data.Config = newConfiguration(v.Status, saved)
		data.Config.Form, data.Config.Tested = f, tested
	})
}

// testIPs is the Test button: it pings what is typed, and saves nothing.
func (p management) testIPs(v *page.Visit) error {
	f, saved, err := p.configForm(v)
	if err != nil {
		return err
	}
	if !v.May(pair.Administrator) { // whose other fields cannot be typed into
		shown := newConfiguration(v.Status, saved).Form
		shown.Values.Set("test_ips", f.Get("test_ips"))
		f = shown
	}
	wanted, err := pair.With(pair.DefaultSettings(), f.Texts([]string{"test_ips"}))
	if err != nil {
		f.Refused(err)
		return p.configAgain(v, f, saved, nil)
	}
	if len(wanted.TestIPs) == 0 {
		f.Refuse("test_ips", "write at least one address to test, one a line")
		return p.configAgain(v, f, saved, nil)
	}
	tested, err := p.backend.Addresses.TestIPs(v.Context(), wanted.TestIPs)
	if err != nil && !f.Refused(err) {
		return err
	}
	return p.configAgain(v, f, saved, tested)
}
