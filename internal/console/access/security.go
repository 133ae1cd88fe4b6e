package access

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"baton/internal/api"
	"baton/internal/console/page"
	"baton/internal/pair"
)

const securityPath = "/management/security"

// security is Management > Security.
type security struct{ backend Backend }

func (p security) routes() []page.Route {
	return []page.Route{
		page.Get(securityPath, pair.Administrator, p.page().Show),
		page.Submit(securityPath, pair.Administrator, "", p.save),
		page.Post(securityPath+"/end-previous-key", pair.Administrator, p.endPreviousKey),
	}
}

// securityPage is the Security page.
type securityPage struct {
	Form    *page.Form
	Key     api.KeyState
	SavedAt string
	From    string
}

// Generated reports whether this appliance made the key in the form, and has not saved it.
func (p securityPage) Generated() bool { return p.Form.Get("key") != "" }

func (p security) page() page.Of[securityPage] {
	return page.Of[securityPage]{Name: "security", Title: "Security", Read: p.read}
}

func (p security) read(v *page.Visit) (securityPage, error) {
	saved, err := p.backend.Security.Security(v.Context())
	if err != nil {
		return securityPage{}, err
	}
	key, err := p.backend.Keys.Key(v.Context())
	data := securityPage{Form: securityForm(saved), Key: key, From: v.Caller.From}
	if key.SavedAt != nil {
		data.SavedAt = page.Clock(v.Zone, *key.SavedAt)
	}
	return data, err
}

// securityForm shows options as a person writes them: minutes, a network a line.
func securityForm(saved api.Saved[pair.Security]) *page.Form {
	text := pair.Texts(saved.Values)
	return page.NewForm("", map[string]string{
		"password_length":  text["password_length"],
		"session_timeout":  strconv.FormatFloat(saved.Values.SessionTimeout.Minutes(), 'f', -1, 64),
		"console_networks": strings.ReplaceAll(text["console_networks"], ",", "\n"),
		"version":          strconv.FormatInt(saved.Version, 10),
	})
}

func (p security) save(v *page.Visit, f *page.Form) error {
	if f.Get("action") == "generate" {
		key, err := p.backend.Keys.GenerateKey(v.Context())
		if err != nil {
			return err
		}
		f.Values.Set("key", key)
		return p.page().With(v, http.StatusOK, func(data *securityPage) { data.Form = f })
	}
	notice, err := p.trySave(v, f)
	if err == nil {
		return v.Done(securityPath, notice)
	}
	f.Forget("key")
	return p.page().Refused(v, f, err, func(data *securityPage) { data.Form = f })
}

// trySave saves the options and, if one was typed, the key. It checks the options first,
// so that a mistake in them is refused before the key changes.
func (p security) trySave(v *page.Visit, f *page.Form) (notice string, err error) {
	wanted, changed, err := p.wanted(v, f)
	if err != nil {
		return "", err
	}
	notice = "Saved."
	if key := f.Get("key"); key != "" {
		state, err := p.backend.Keys.SetKey(v.Context(), key)
		if pair.CodeOf(err) == pair.Usage {
			return "", pair.RefuseField("key", "%s", err.Error())
		}
		if err != nil {
			return "", err
		}
		notice = "Saved. The fingerprint of the key is " + state.Fingerprint + ": it has to be the same on the other appliance."
	}
	if changed {
		_, err = p.backend.Security.SaveSecurity(v.Context(), wanted)
	}
	return notice, err
}

// wanted reads the options that were typed, and says whether they differ
// from those that are saved. On a backup nothing can be typed there.
func (p security) wanted(v *page.Visit, f *page.Form) (wanted api.Saved[pair.Security], changed bool, err error) {
	saved, err := p.backend.Security.Security(v.Context())
	if err != nil || v.Status.Role == pair.Backup {
		return saved, false, err
	}
	values, err := pair.With(saved.Values, map[string]string{
		"password_length": f.Get("password_length"), "session_timeout": minutes(f.Get("session_timeout")), "console_networks": f.Get("console_networks"),
	})
	if err != nil {
		return saved, false, inMinutes(err, f.Get("session_timeout"))
	}
	if err := api.CheckAdmits(values, v.Caller); err != nil {
		return saved, false, err
	}
	if f.Get("version") != strconv.FormatInt(saved.Version, 10) {
		f.Values.Set("version", strconv.FormatInt(saved.Version, 10))
		return saved, false, pair.Refuse(pair.Stale, "somebody else has changed these options meanwhile: %s. "+
			"What you typed is still here, but for the key: save again to replace theirs", securityText(saved.Values))
	}
	return api.Saved[pair.Security]{Values: values, Version: saved.Version}, securityText(values) != securityText(saved.Values), nil
}

// minutes makes a duration of a number of minutes. Other text stays as it is, to be
// refused.
func minutes(text string) string {
	if n, err := strconv.ParseFloat(strings.TrimSpace(text), 64); err == nil {
		return pair.DurationText(time.Duration(math.Round(n * float64(time.Minute))))
	}
	return text
}

// inMinutes rewrites the refusal of a session timeout: what was typed, and the bounds in
// minutes.
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

func (p security) endPreviousKey(v *page.Visit) error {
	err := p.backend.Keys.EndPreviousKey(v.Context())
	if code := pair.CodeOf(err); err != nil && code == pair.Refused {
		return v.Warn(securityPath, page.Sentence(err.Error()))
	}
	if err != nil {
		return err
	}
	return v.Done(securityPath, "Only the present key is valid on this appliance now.")
}
