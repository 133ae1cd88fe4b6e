package console

import (
	"maps"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"baton/internal/api"
	"baton/internal/pair"
)

// configuration is the part of the Failover page that is saved.
type configuration struct {
	Form    *form
	IPs     []sharedIP
	Tested  []pair.Reach // by the Test button
	Zone    string       // name of the site's zone
	NextRun *time.Time
}

// sharedIP is one box: an address of this appliance's configuration file.
type sharedIP struct {
	pair.SharedIPStatus
	Field string
	Off   string // the field that says that its owner was told what taking it off does
}

// configKeys are the settings of the page, in its order.
func configKeys() []string {
	return []string{
		"backup_operations", "sync_schedule", "sync_every", "sync_day", "sync_time", "bandwidth_limit",
		"automatic_failover", "primary_timeout", "test_ips", "test_ips_required", "observe_only", "max_data_age", "site_check",
	}
}

// typed renders a setting as its field shows it: numbers in the field's unit, one
// test IP a line, nothing for what is off.
func typed(s pair.Settings, key string) string {
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

// number renders one without needless digits; 0 as nothing.
func number(value float64) string {
	if value == 0 {
		return ""
	}
	return strconv.FormatFloat(value, 'f', -1, 64)
}

// settingOf is the inverse of typed.
func settingOf(key, text string) (string, error) {
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
	if !(value >= 0 && value <= 1e7) { // as NaN is not either
		return "", pair.RefuseField(key, "%s is out of range: write how many %s, from 0 to 10,000,000", text, unit)
	}
	switch {
	case value == 0:
		return "0", nil
	case key == "bandwidth_limit":
		return strconv.FormatFloat(value, 'f', -1, 64) + "Mbit", nil
	case unit == "minutes":
		return time.Duration(value * float64(time.Minute)).String(), nil
	}
	return time.Duration(value * float64(time.Second)).String(), nil
}

// plainNumber is a number without the unit of its field, which stands beside it: many
// type it as well.
func plainNumber(text, unit string) string {
	forms := map[string][]string{"seconds": {"seconds", "sec", "s"}, "minutes": {"minutes", "min", "m"}, "Mbit/s": {"Mbit/s", "Mbit"}}
	for _, form := range forms[unit] {
		if number, found := strings.CutSuffix(text, form); found {
			return strings.TrimSpace(number)
		}
	}
	return text
}

// configuration shows what is saved.
func (v *visit) configuration(saved api.Saved[pair.Settings]) configuration {
	values := map[string]string{"version": strconv.FormatInt(saved.Version, 10)}
	for _, key := range configKeys() {
		values[key] = typed(saved.Values, key)
	}
	made := configuration{IPs: v.sharedIPs(), Zone: saved.Values.TimeZone}
	if saved.Values.SyncSchedule != pair.ScheduleContinuous { // else it is now, again and again
		made.NextRun = v.status.Sync.NextRun
	}
	for _, ip := range made.IPs {
		if ip.Shared {
			values[ip.Field] = "true"
		}
	}
	made.Form = newForm(values)
	made.Form.ID = "config"
	return made
}

// sharedIPs are the boxes of this appliance.
func (v *visit) sharedIPs() []sharedIP {
	var all []sharedIP
	for _, ip := range v.status.SharedIPs {
		all = append(all, sharedIP{SharedIPStatus: ip, Field: "ip-" + ip.Address, Off: "off-ip-" + ip.Address})
	}
	return all
}

// settingsIn applies what was typed to saved settings. A field that shows what is
// saved leaves it alone, to the last digit.
func settingsIn(f *form, saved pair.Settings) pair.Settings {
	changes := map[string]string{}
	for _, key := range configKeys() {
		if f.get(key) == typed(saved, key) {
			continue
		}
		var err error
		if changes[key], err = settingOf(key, f.get(key)); err != nil {
			f.refused(err)
			delete(changes, key)
		}
	}
	wanted, err := pair.With(saved, changes)
	f.refused(err)
	return wanted
}

// saveFailover is Save Changes: the settings of the pair, then the boxes of this
// appliance.
func (c *Console) saveFailover(v *visit) error {
	f, saved, err := v.configForm()
	if err != nil {
		return err
	}
	if f.get("version") != strconv.FormatInt(saved.Version, 10) {
		f.overtaken(v.configuration(saved).Form, configKeys())
	}
	wanted := settingsIn(f, saved.Values)
	v.askOff(f)
	if !f.right() {
		return v.configAgain(f, saved, nil)
	}
	var unconfirmed error
	if !maps.Equal(pair.Texts(wanted), pair.Texts(saved.Values)) { // a backup can save its boxes also while its primary is away
		_, unconfirmed = c.backend.Settings.SaveSettings(v.ctx(), api.Saved[pair.Settings]{Values: wanted, Version: saved.Version})
		if unconfirmed != nil && pair.CodeOf(unconfirmed) != pair.Unconfirmed {
			if !f.refused(unconfirmed) {
				return unconfirmed
			}
			return v.configAgain(f, saved, nil)
		}
	}
	if err := v.tick(f); err != nil {
		if !f.refused(err) {
			return err
		}
		f.Problem = "The settings are saved, but the shared IP is not: " + f.Problem
		return v.configAgain(f, saved, nil)
	}
	if unconfirmed != nil {
		return v.warn(failoverPath, sentence(unconfirmed.Error()))
	}
	return v.done(failoverPath, "The changes are saved.")
}

// configForm reads what was typed, and what is saved.
func (v *visit) configForm() (*form, api.Saved[pair.Settings], error) {
	f, err := v.form()
	if err != nil {
		return nil, api.Saved[pair.Settings]{}, err
	}
	f.ID = "config"
	f.Values.Set("test_ips", strings.ReplaceAll(f.get("test_ips"), "\r\n", "\n")) // as browsers end lines
	for _, ip := range v.sharedIPs() {
		if f.on(ip.Field) != f.on(wasField(ip.Field)) {
			continue
		}
		f.forget(ip.Field) // not touched, but perhaps changed by somebody else since
		if ip.Shared {
			f.Values.Set(ip.Field, "true")
		}
	}
	saved, err := v.console.backend.Settings.Settings(v.ctx())
	return f, saved, err
}

// tick enables and disables the shared IPs whose box was changed.
func (v *visit) tick(f *form) error {
	for _, ip := range v.sharedIPs() {
		prefix, err := netip.ParsePrefix(ip.Address)
		if err != nil || f.on(ip.Field) == ip.Shared {
			continue
		}
		change := v.console.backend.Addresses.DisableSharedIP
		if f.on(ip.Field) {
			change = v.console.backend.Addresses.EnableSharedIP
		}
		if err := change(v.ctx(), prefix.Addr()); err != nil {
			return err
		}
	}
	return nil
}

// askOff refuses, once, to take off an address at which this appliance is reached.
func (v *visit) askOff(f *form) {
	for _, ip := range v.sharedIPs() {
		switch {
		case f.on(ip.Field):
			f.forget(ip.Off)
		case ip.Held && ip.Shared && !f.on(ip.Off):
			f.Values.Set(ip.Off, "true")
			address, _, _ := strings.Cut(ip.Address, "/")
			f.refuse(ip.Field, "nobody reaches the site at "+address+" any more once this is saved: check the box again, or save once more to take it off")
		}
	}
}

// configAgain shows the form with what was typed.
func (v *visit) configAgain(f *form, saved api.Saved[pair.Settings], tested []pair.Reach) error {
	data, err := v.failoverPage()
	if err != nil {
		return err
	}
	data.Config = v.configuration(saved)
	data.Config.Form, data.Config.Tested = f, tested
	if f.right() {
		return v.page("failover", "Failover", data)
	}
	return v.again("failover", "Failover", data)
}

// testIPs is the Test button: it pings what is typed, and saves nothing.
func (c *Console) testIPs(v *visit) error {
	f, saved, err := v.configForm()
	if err != nil {
		return err
	}
	if !v.may(administrator) { // whose other fields cannot be typed into
		shown := v.configuration(saved).Form
		shown.Values.Set("test_ips", f.get("test_ips"))
		f = shown
	}
	wanted, err := pair.With(pair.DefaultSettings(), f.texts([]string{"test_ips"}))
	if err != nil {
		f.refused(err)
		return v.configAgain(f, saved, nil)
	}
	if len(wanted.TestIPs) == 0 {
		f.refuse("test_ips", "write at least one address to test, one a line")
		return v.configAgain(f, saved, nil)
	}
	tested, err := c.backend.Addresses.TestIPs(v.ctx(), wanted.TestIPs)
	if err != nil && !f.refused(err) {
		return err
	}
	return v.configAgain(f, saved, tested)
}
