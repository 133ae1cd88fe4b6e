package console

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"baton/internal/api"
	"baton/internal/pair"
)

func (c *Console) securityRoutes() []route {
	return []route{
		get("/management/security", administrator, c.showSecurity),
		post("/management/security", administrator, c.saveSecurity),
		post("/management/security/end-previous-key", administrator, c.endPreviousKey),
	}
}

// securityPage is the Security page.
type securityPage struct {
	Form      *form
	Key       api.KeyState
	SavedAt   string
	Generated bool // the key in the form was made here and is not saved
	From      string
}

func (c *Console) showSecurity(v *visit) error {
	saved, err := c.backend.Security.Security(v.ctx())
	if err != nil {
		return err
	}
	return v.securityPage(securityForm(saved), 200)
}

// securityForm shows options as a person writes them: minutes, a network a line.
func securityForm(saved api.Saved[pair.Security]) *form {
	text := pair.Texts(saved.Values)
	return newForm(map[string]string{
		"password_length":  text["password_length"],
		"session_timeout":  strconv.FormatFloat(saved.Values.SessionTimeout.Minutes(), 'f', -1, 64),
		"console_networks": strings.ReplaceAll(text["console_networks"], ",", "\n"),
		"version":          strconv.FormatInt(saved.Version, 10),
	})
}

func (v *visit) securityPage(f *form, status int) error {
	key, err := v.console.backend.Keys.Key(v.ctx())
	if err != nil {
		return err
	}
	page := securityPage{Form: f, Key: key, From: v.caller.From, Generated: f.get("key") != ""}
	if key.SavedAt != nil {
		page.SavedAt = clock(v.zone, *key.SavedAt)
	}
	return v.show(status, "security", "Security", page)
}

func (c *Console) saveSecurity(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	if f.get("action") == "generate" {
		key, err := c.backend.Keys.GenerateKey(v.ctx())
		if err != nil {
			return err
		}
		f.Values.Set("key", key)
		return v.securityPage(f, 200)
	}
	notice, err := c.trySecurity(v, f)
	if err == nil {
		return v.done("/management/security", notice)
	}
	if !f.refused(err) {
		return err
	}
	f.forget("key")
	return v.securityPage(f, statusOf(pair.CodeOf(err)))
}

// trySecurity saves the options and, if one was typed, the key. It looks at the
// options first, so that a mistake in them is found before the key is another.
func (c *Console) trySecurity(v *visit, f *form) (notice string, err error) {
	wanted, changed, err := c.wantedSecurity(v, f)
	if err != nil {
		return "", err
	}
	notice = "Saved."
	if key := f.get("key"); key != "" {
		state, err := c.backend.Keys.SetKey(v.ctx(), key)
		if pair.CodeOf(err) == pair.Usage {
			return "", refuseField("key", err.Error())
		}
		if err != nil {
			return "", err
		}
		notice = "Saved. The fingerprint of the key is " + state.Fingerprint + ": it has to be the same on the other appliance."
	}
	if changed {
		_, err = c.backend.Security.SaveSecurity(v.ctx(), wanted)
	}
	return notice, err
}

// wantedSecurity reads the options that were typed, and says whether they differ
// from those that are saved. On a backup nothing can be typed there.
func (c *Console) wantedSecurity(v *visit, f *form) (wanted api.Saved[pair.Security], changed bool, err error) {
	saved, err := c.backend.Security.Security(v.ctx())
	if err != nil || v.status.Role == pair.Backup {
		return saved, false, err
	}
	values, err := pair.With(saved.Values, map[string]string{
		"password_length": f.get("password_length"), "session_timeout": minutes(f.get("session_timeout")), "console_networks": f.get("console_networks"),
	})
	if err != nil {
		return saved, false, inMinutes(err, f.get("session_timeout"))
	}
	if err := api.CheckAdmits(values, v.caller); err != nil {
		return saved, false, err
	}
	if f.get("version") != strconv.FormatInt(saved.Version, 10) {
		f.Values.Set("version", strconv.FormatInt(saved.Version, 10))
		return saved, false, pair.Refuse(pair.Stale, "somebody else has changed these options meanwhile: %s. "+
			"What you typed is still here, but for the key: save again to replace theirs", securityText(saved.Values))
	}
	return api.Saved[pair.Security]{Values: values, Version: saved.Version}, securityText(values) != securityText(saved.Values), nil
}

// minutes makes a duration of a number of minutes; what is none stays as it is,
// to be refused.
func minutes(text string) string {
	if n, err := strconv.ParseFloat(strings.TrimSpace(text), 64); err == nil {
		return pair.DurationText(time.Duration(n * float64(time.Minute)))
	}
	return text
}

// inMinutes has a refused session timeout speak of what was typed, and of minutes.
func inMinutes(err error, typed string) error {
	fields := pair.FieldsOf(err)
	for i := range fields {
		if fields[i].Name == "session_timeout" {
			fields[i].Text = fmt.Sprintf("%q is no session timeout: use %g to %g minutes", typed, pair.MinSessionTimeout.Minutes(), pair.MaxSessionTimeout.Minutes())
		}
	}
	return err
}

func securityText(s pair.Security) string {
	networks := pair.Texts(s)["console_networks"]
	if networks == "" {
		networks = "none"
	}
	return fmt.Sprintf("passwords of %d characters, session timeout %s, allowed networks %s", s.PasswordLength, pair.LastingText(s.SessionTimeout), networks)
}

func (c *Console) endPreviousKey(v *visit) error {
	err := c.backend.Keys.EndPreviousKey(v.ctx())
	if code := pair.CodeOf(err); err != nil && code == pair.Refused {
		return v.warn("/management/security", sentence(err.Error()))
	}
	if err != nil {
		return err
	}
	return v.done("/management/security", "Only the present key is valid on this appliance now.")
}
