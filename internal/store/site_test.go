package store

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"baton/internal/pair"
	"baton/internal/store/schema"
)

const (
	alpha = pair.ApplianceID("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	beta  = pair.ApplianceID("bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb")
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func openSite(t *testing.T, self pair.ApplianceID) *Site {
	t.Helper()
	return reopenSite(t, filepath.Join(t.TempDir(), "site.db"), self)
}

func reopenSite(t *testing.T, path string, self pair.ApplianceID) *Site {
	t.Helper()
	s, err := OpenSite(t.Context(), path, self, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func wantCode(t *testing.T, err error, code pair.Code, words string) {
	t.Helper()
	if err == nil || pair.CodeOf(err) != code || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "\n") {
		t.Errorf("got error %v, want code %s with %q in one line", err, code, words)
	}
}

// wantFields checks which fields are refused, all at once.
func wantFields(t *testing.T, err error, fields ...string) {
	t.Helper()
	var names []string
	if refusal := pair.RefusalOf(err); refusal != nil {
		for _, field := range refusal.Fields {
			names = append(names, field.Name)
		}
	}
	if !slices.Equal(names, fields) {
		t.Errorf("refused fields %v, want %v (error: %v)", names, fields, err)
	}
}

func wantField(t *testing.T, err error, field string) {
	t.Helper()
	refused := pair.RefusalOf(err)
	if refused == nil || len(refused.Fields) == 0 || refused.Fields[0].Name != field {
		t.Errorf("got error %v, want field %s refused", err, field)
	}
}

func settingsWith(t *testing.T, changes map[string]string) pair.Settings {
	t.Helper()
	settings, err := pair.With(pair.DefaultSettings(), changes)
	if err != nil {
		t.Fatal(err)
	}
	return settings
}

func TestSettingsBeginWithDefaultsAndChangeTogether(t *testing.T) {
	s := openSite(t, alpha)
	settings, version, err := s.Settings.Get(t.Context())
	if err != nil || version != 1 || settings.PrimaryTimeout != 5*time.Second {
		t.Fatalf("got %v, version %d, %v", settings, version, err)
	}
	newest, err := s.Settings.Save(t.Context(), settingsWith(t, map[string]string{"primary_timeout": "800ms", "test_ips": "198.51.100.1"}), 1, pair.Actor{Name: "ann"})
	if err != nil || newest != 2 {
		t.Fatalf("got version %d, %v", newest, err)
	}
	settings, version, err = s.Settings.Get(t.Context())
	if err != nil || version != 2 || settings.PrimaryTimeout != 800*time.Millisecond || pair.Texts(settings)["test_ips"] != "198.51.100.1" {
		t.Errorf("got %v, version %d, %v", settings, version, err)
	}
	_, err = s.Settings.Save(t.Context(), settingsWith(t, map[string]string{"observe_only": "on"}), 1, pair.Actor{Name: "bob"})
	wantCode(t, err, pair.Stale, "somebody else")
	impossible := settings
	impossible.ObserveOnly, impossible.PrimaryTimeout = true, time.Millisecond
	_, err = s.Settings.Save(t.Context(), impossible, 0, pair.Actor{Name: "bob"})
	wantField(t, err, "primary_timeout")
	if settings, version, _ = s.Settings.Get(t.Context()); settings.ObserveOnly || version != 2 {
		t.Errorf("a refused change left a trace: %v, version %d", settings, version)
	}
}

func TestAChangeOfSettingsIsInTheHistoryAndNoChangeIsNot(t *testing.T) {
	s := openSite(t, alpha)
	for range 2 {
		if _, err := s.Settings.Save(t.Context(), settingsWith(t, map[string]string{"observe_only": "on"}), 0, pair.Actor{Name: "ann"}); err != nil {
			t.Fatal(err)
		}
	}
	events, err := s.History.Events(t.Context(), Filter{})
	if err != nil || len(events) != 1 {
		t.Fatalf("got %v, %v", events, err)
	}
	e := events[0]
	if e.Kind != pair.KindSettingChanged || e.Text != "ann changed Observe only from false to true." || e.Detail["observe_only_before"] != "false" || e.Detail["by"] != "ann" {
		t.Errorf("got %+v", e)
	}
}

func TestUsersSignInUntilDisabled(t *testing.T) {
	s := openSite(t, alpha)
	ctx := t.Context()
	add := func(name string, role pair.Access) error {
		return s.Users.Add(ctx, pair.NewUser{Name: name, Mail: name + "@example.org", Role: role, Password: "correct horse"})
	}
	if err := errors.Join(add("ann", pair.Administrator), add("bob", pair.Viewer)); err != nil {
		t.Fatal(err)
	}
	wantCode(t, add("ann", pair.Viewer), pair.Refused, "already a user")
	wantField(t, add("Ann!", pair.Viewer), "name")
	wantField(t, add("eve", "owner"), "role")
	wantField(t, s.Users.Add(ctx, pair.NewUser{Name: "eve", Role: pair.Viewer, Password: "short"}), "password")
	wantField(t, s.Users.Add(ctx, pair.NewUser{Name: "eve", Role: pair.Viewer, Mail: "no", Password: "correct horse"}), "mail")
	wantFields(t, s.Users.Check(ctx, pair.NewUser{Name: "Eve!", Mail: "no", DisplayName: strings.Repeat("e", 201), Role: "owner"}), "name", "mail", "display_name", "role")
	wantFields(t, s.Users.Check(ctx, pair.NewUser{Name: "ann", Mail: "no", Role: pair.Viewer}), "name", "mail")
	wantFields(t, s.Users.Check(ctx, pair.NewUser{Name: "eve", Role: pair.Viewer}))

	user, err := s.Users.Authenticate(ctx, "ann", "correct horse")
	s.Users.NoteLogin(ctx, "ann")
	if err != nil || user.Role != pair.Administrator || !user.LastLogin.IsZero() {
		t.Errorf("got %+v, %v", user, err)
	}
	for _, pass := range []string{"correct horsf", "", strings.Repeat("x", 2000)} {
		_, err = s.Users.Authenticate(ctx, "ann", pass)
		wantCode(t, err, pair.Unauthorized, "wrong")
	}
	_, err = s.Users.Authenticate(ctx, "nobody", "correct horse")
	wantCode(t, err, pair.Unauthorized, "wrong")

	if err := errors.Join(s.Users.Disable(ctx, "bob"), s.Users.SetPassword(ctx, "ann", "another horse")); err != nil {
		t.Fatal(err)
	}
	_, err = s.Users.Authenticate(ctx, "bob", "correct horse")
	wantCode(t, err, pair.Unauthorized, "wrong")
	_, err = s.Users.Authenticate(ctx, "ann", "correct horse")
	wantCode(t, err, pair.Unauthorized, "wrong")
	wantCode(t, s.Users.Disable(ctx, "ann"), pair.Refused, "last administrator")
	wantCode(t, s.Users.Enable(ctx, "zoe"), pair.NotFound, "no user")
	if err := s.Users.Enable(ctx, "bob"); err != nil {
		t.Error(err)
	}
	users, err := s.Users.List(ctx)
	if err != nil || len(users) != 2 || users[0].Name != "ann" || users[0].LastLogin.IsZero() || users[1].Disabled {
		t.Errorf("got %+v, %v", users, err)
	}
}

func TestTokensAuthenticateUntilExpiredOrRevoked(t *testing.T) {
	s := openSite(t, alpha)
	ctx := t.Context()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s.db.now = func() time.Time { return now }
	made, err := s.Tokens.Create(ctx, pair.NewToken{Name: "monitor", Role: pair.Viewer, Expires: now.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Tokens.Create(ctx, pair.NewToken{Name: "monitor", Role: pair.Viewer})
	wantCode(t, err, pair.Refused, "already a token")
	_, err = s.Tokens.Create(ctx, pair.NewToken{Name: "late", Role: pair.Viewer, Expires: now})
	wantField(t, err, "expires")
	token, err := s.Tokens.Authenticate(ctx, made.Secret)
	if err != nil || token.Name != "monitor" || token.Role != pair.Viewer || !token.LastUsed.Equal(now) {
		t.Errorf("got %+v, %v", token, err)
	}
	_, err = s.Tokens.Authenticate(ctx, made.Secret+"x")
	wantCode(t, err, pair.Unauthorized, "token")
	now = now.Add(time.Hour)
	_, err = s.Tokens.Authenticate(ctx, made.Secret)
	wantCode(t, err, pair.Unauthorized, "expired")
	now = now.Add(-time.Minute)
	if err := s.Tokens.Revoke(ctx, "monitor"); err != nil {
		t.Fatal(err)
	}
	_, err = s.Tokens.Authenticate(ctx, made.Secret)
	wantCode(t, err, pair.Unauthorized, "revoked")
	wantCode(t, s.Tokens.Revoke(ctx, "monitor"), pair.NotFound, "no token")
}

func TestProtectedDataKeepsApart(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenSite(t.Context(), filepath.Join(dir, "baton", "site.db"), alpha, quiet(), "/var/lib/other")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	add := func(name, path string) error {
		return s.Data.Add(t.Context(), pair.Data{Name: name, Spec: pair.Directory{Path: pair.Path(path)}})
	}
	if err := errors.Join(add("www", "/srv/www"), add("wiki", "/srv/wiki")); err != nil {
		t.Fatal(err)
	}
	wantCode(t, add("www", "/srv/other"), pair.Refused, "another name")
	check := func(name, path string) error {
		return s.Data.Check(t.Context(), pair.Data{Name: name, Spec: pair.Directory{Path: pair.Path(path)}})
	}
	wantCode(t, check("www", "/srv/other"), pair.Refused, "another name")
	wantCode(t, check("w2", "/srv/www/static"), pair.Refused, "overlaps")
	wantFields(t, check("Bad Name", "relative"), "name", "path")
	wantFields(t, check("www", "/srv/www/static"), "name", "path")
	wantFields(t, check("www", ""), "name", "path")
	wantField(t, check("bad", dir), "path")
	if err := check("free", "/srv/free"); err != nil {
		t.Error(err)
	}
	wantCode(t, add("w2", "/srv/www/static"), pair.Refused, `/srv/www/static overlaps /srv/www, which is protected as "www"`)
	wantCode(t, add("all", "/srv"), pair.Refused, "overlaps")
	wantField(t, add("Bad Name", "/x"), "name")
	for _, path := range []string{"/", "srv", "/srv/../x", "/srv/", "", "/proc/1", "/sys", "/dev/shm", "/boot", "/usr/lib/x", "/var", "/var/lib", "/var/lib/other/x", dir, filepath.Join(dir, "baton", "in")} {
		wantField(t, add("bad", path), "path")
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(filepath.Join(dir, "baton"), link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{link, filepath.Join(link, "made later")} {
		wantField(t, add("bad", path), "path")
	}
	wantField(t, s.Data.Add(t.Context(), pair.Data{Name: "db", Spec: pair.SiteDatabase{}}), "kind")
	if err := add("neighbour", "/srv/www2"); err != nil {
		t.Error(err)
	}
	if err := s.Data.Remove(t.Context(), "wiki"); err != nil {
		t.Error(err)
	}
	wantCode(t, s.Data.Remove(t.Context(), "wiki"), pair.NotFound, "no protected data")
	all, err := s.Data.List(t.Context())
	if err != nil || len(all) != 2 || all[1].Spec != pair.Spec(pair.Directory{Path: "/srv/www"}) {
		t.Errorf("got %v, %v", all, err)
	}
}

// A database that is protected by itself is left out of the directories in which it lies, for as long as it is.
func TestADatabaseIsLeftOutOfItsDirectory(t *testing.T) {
	s := openSite(t, alpha)
	ctx := t.Context()
	data := func(name string, spec pair.Spec) pair.Data { return pair.Data{Name: name, Spec: spec} }
	of := func(name string) pair.Directory {
		t.Helper()
		all, err := s.Data.List(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range all {
			if one.Name == name {
				return one.Spec.(pair.Directory)
			}
		}
		t.Fatalf("%s is not protected", name)
		return pair.Directory{}
	}
	leaves := func(dir pair.Directory, path string) bool { return dir.Exclude.Matcher().Excludes(path) }
	if err := errors.Join(s.Data.Add(ctx, data("www", pair.Directory{Path: "/srv/www"})), s.Data.Add(ctx, data("app", pair.SQLite{Path: "/srv/www/app/a.db"}))); err != nil {
		t.Fatal(err)
	}
	if dir := of("www"); !leaves(dir, "app/a.db") || !leaves(dir, "app/a.db-wal") || leaves(dir, "app/b.db") {
		t.Errorf("www leaves out %q", dir.Exclude.List())
	}
	if err := s.Data.Set(ctx, data("www", pair.Directory{Path: "/srv/www"})); err != nil {
		t.Fatal(err)
	}
	if dir := of("www"); !leaves(dir, "app/a.db-shm") {
		t.Errorf("after it was set anew, www leaves out %q", dir.Exclude.List())
	}
	wantCode(t, s.Data.Add(ctx, data("again", pair.SQLite{Path: "/srv/www/app/a.db"})), pair.Refused, "overlaps")
	wantCode(t, s.Data.Add(ctx, data("inner", pair.Directory{Path: "/srv/www/app"})), pair.Refused, "overlaps")
	wantCode(t, s.Data.Check(ctx, data("long", pair.SQLite{Path: pair.Path("/srv/long/" + strings.Repeat("n", 241))})), pair.Usage, "at most 240")
	wantCode(t, s.Data.Add(ctx, data("bytes", pair.SQLite{Path: "/srv/long/\xff.db"})), pair.Usage, "UTF-8")
	if err := errors.Join(s.Data.Add(ctx, data("other", pair.SQLite{Path: "/srv/other/o.db"})), s.Data.Add(ctx, data("others", pair.Directory{Path: "/srv/other"}))); err != nil {
		t.Fatal(err)
	}
	if dir := of("others"); !leaves(dir, "o.db") {
		t.Errorf("a directory that comes later leaves out %q", dir.Exclude.List())
	}
	if err := s.Data.Remove(ctx, "app"); err != nil {
		t.Fatal(err)
	}
	if dir := of("www"); len(dir.Exclude.List()) > 0 {
		t.Errorf("once the database is not protected by itself, www leaves out %q", dir.Exclude.List())
	}
}

func TestAnExportReplacesAllButTheHistory(t *testing.T) {
	ctx := t.Context()
	from, to := openSite(t, alpha), openSite(t, beta)
	if err := errors.Join(
		from.Users.Add(ctx, pair.NewUser{Name: "ann", Role: pair.Administrator, Password: "correct horse"}),
		from.Data.Add(ctx, pair.Data{Name: "www", Spec: pair.Directory{Path: "/srv/www"}}),
		saveDocument(ctx, from, `{"name":"Help desk"}`),
		to.Users.Add(ctx, pair.NewUser{Name: "old", Role: pair.Administrator, Password: "correct horse"}),
	); err != nil {
		t.Fatal(err)
	}
	if _, err := from.Settings.Save(ctx, settingsWith(t, map[string]string{"time_zone": "Europe/Berlin"}), 0, pair.Actor{Name: "ann"}); err != nil {
		t.Fatal(err)
	}
	made, err := from.Tokens.Create(ctx, pair.NewToken{Name: "monitor", Role: pair.Viewer})
	if err != nil {
		t.Fatal(err)
	}
	own, err := to.History.Append(ctx, pair.Event{Kind: pair.KindStarted, Text: "started"})
	if err != nil {
		t.Fatal(err)
	}
	var stream bytes.Buffer
	if err := from.Export(ctx, &stream); err != nil {
		t.Fatal(err)
	}
	if err := to.Import(ctx, bytes.NewReader(stream.Bytes())); err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	if err := to.Export(ctx, &again); err != nil || !bytes.Equal(stream.Bytes(), again.Bytes()) {
		t.Errorf("the copy exports otherwise (%v):\n%s\n%s", err, stream.String(), again.String())
	}
	if _, err := to.Users.Authenticate(ctx, "ann", "correct horse"); err != nil {
		t.Error(err)
	}
	if _, err := to.Tokens.Authenticate(ctx, made.Secret); err != nil {
		t.Error(err)
	}
	settings, version, err := to.Settings.Get(ctx)
	if err != nil || version != 2 || settings.TimeZone != "Europe/Berlin" {
		t.Errorf("got %v, version %d, %v", settings, version, err)
	}
	events, err := to.History.Events(ctx, Filter{})
	if err != nil || len(events) != 1 || events[0].ID != own.ID {
		t.Errorf("the history changed: %v, %v", events, err)
	}
}

func TestABadExportChangesNothing(t *testing.T) {
	ctx := t.Context()
	from, to := openSite(t, alpha), openSite(t, beta)
	if err := from.Data.Add(ctx, pair.Data{Name: "www", Spec: pair.Directory{Path: "/srv/www"}}); err != nil {
		t.Fatal(err)
	}
	if err := saveDocument(ctx, to, `"kept"`); err != nil {
		t.Fatal(err)
	}
	var stream bytes.Buffer
	if err := from.Export(ctx, &stream); err != nil {
		t.Fatal(err)
	}
	whole := stream.String()
	lines := strings.SplitAfter(whole, "\n")
	for name, bad := range map[string]struct{ stream, words string }{
		"empty":            {"", "breaks off"},
		"truncated":        {strings.Join(lines[:len(lines)-2], ""), "breaks off"},
		"cut in a line":    {whole[:len(whole)-5], "damaged"},
		"a row is missing": {lines[0] + strings.Join(lines[2:], ""), "rows"},
		"newer schema":     {`{"schema":99}` + "\n" + strings.Join(lines[1:], ""), fmt.Sprintf("has version 99 and this appliance knows %d: upgrade this appliance", schema.Version())},
		"not an export":    {"{}\n", "not an export"},
		"unknown table":    {strings.Replace(whole, `"table":"data"`, `"table":"event"`, 1), "does not know"},
		"SQL in a name":    {strings.Replace(whole, `"table":"data"`, `"table":"data; DROP TABLE user"`, 1), "does not know"},
		"unknown column":   {strings.Replace(whole, `"path":`, `"where":`, 1), "does not know"},
		"path of ours":     {strings.Replace(whole, `/srv/www`, filepath.Dir(to.db.path), 1), "baton keeps its own"},
		"relative path":    {strings.Replace(whole, `/srv/www`, `/srv/../etc`, 1), "not an absolute path"},
		"path of system":   {strings.Replace(whole, `/srv/www`, `/usr/lib/www`, 1), "belongs to the system"},
		"odd value":        {strings.Replace(whole, `"/srv/www"`, `["x"]`, 1), "neither text"},
		"no version":       {lines[0] + lines[2] + "{\"rows\":1}\n", "no version"},
	} {
		t.Run(name, func(t *testing.T) {
			err := to.Import(ctx, strings.NewReader(bad.stream))
			if err == nil || !strings.Contains(err.Error(), bad.words) {
				t.Errorf("got %v, want %q", err, bad.words)
			}
			document, _, err := to.Documents.Get(ctx, "site")
			data, dataErr := to.Data.List(ctx)
			if err != nil || dataErr != nil || string(document) != `"kept"` || len(data) != 0 {
				t.Errorf("something changed: %v %s %v %v", document, data, err, dataErr)
			}
		})
	}
}

// TestProtectedDataKeepsApartOnBothAppliances has directories lie elsewhere on the other one.
func TestProtectedDataKeepsApartOnBothAppliances(t *testing.T) {
	s, other := openSite(t, alpha), openSite(t, beta)
	add := func(name string, dir pair.Directory) error {
		return s.Data.Add(t.Context(), pair.Data{Name: name, Spec: dir})
	}
	if err := add("www", pair.Directory{Path: "/srv/www", Away: beta, Elsewhere: "/data/www", Exclude: "cache/"}); err != nil {
		t.Fatal(err)
	}
	wantField(t, add("same", pair.Directory{Path: "/data/www"}), "path")
	wantField(t, add("in", pair.Directory{Path: "/srv/in", Away: beta, Elsewhere: "/data/www/in"}), "path")
	wantField(t, add("relative", pair.Directory{Path: "/srv/in", Away: beta, Elsewhere: "in"}), "peer_path")
	wantField(t, add("detour", pair.Directory{Path: "/srv/in", Away: beta, Elsewhere: "/data/../in"}), "peer_path")
	wantField(t, add("system", pair.Directory{Path: "/srv/in", Away: beta, Elsewhere: "/usr/lib/x"}), "peer_path")
	if err := add("apart", pair.Directory{Path: "/srv/apart", Away: beta, Elsewhere: "/srv/www"}); err != nil {
		t.Error(err)
	}
	changed, err := s.Data.Named(t.Context(), "www")
	if err != nil {
		t.Fatal(err)
	}
	if changed.Spec, err = changed.Spec.(pair.Directory).Excluding([]string{"*.tmp"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Data.Set(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	wantCode(t, s.Data.Set(t.Context(), pair.Data{Name: "none", Spec: changed.Spec}), pair.NotFound, "no protected data")
	var export bytes.Buffer
	if err := errors.Join(s.Export(t.Context(), &export), other.Import(t.Context(), &export)); err != nil {
		t.Fatal(err)
	}
	for site, want := range map[*Site][]pair.Spec{
		s:     {pair.Directory{Path: "/srv/apart"}, pair.Directory{Path: "/srv/www", Exclude: "*.tmp"}},
		other: {pair.Directory{Path: "/srv/www"}, pair.Directory{Path: "/data/www", Exclude: "*.tmp"}},
	} {
		here, err := site.Data.Here(t.Context())
		if err != nil || len(here) != 2 || here[0].Spec != want[0] || here[1].Spec != want[1] {
			t.Errorf("%+v, %v, want %+v", here, err, want)
		}
	}
}
