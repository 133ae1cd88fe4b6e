package app

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"baton/internal/api"
	"baton/internal/pair"
	"baton/internal/peer/wire"
	"baton/internal/store/local"
)

// fromWeb is an administrator of the site who is not on the machine.
func fromWeb(ctx context.Context) context.Context {
	return api.WithCaller(ctx, api.Caller{Name: "anna", From: "198.51.100.7", Access: pair.Administrator})
}

// TestOnlyRootOfTheMachineSaysWhatMayBeProtected has an administrator of the console, and
// the peer, name a directory that the machine's own configuration does not.
func TestOnlyRootOfTheMachineSaysWhatMayBeProtected(t *testing.T) {
	b := withUsers(t)
	local, web := fromLocal(t.Context()), fromWeb(t.Context())
	dir := t.TempDir()
	spec := api.DataSpec{Name: "keys", Kind: "dir", Path: dir}
	wantCode(t, b.AddData(web, spec), pair.Usage, "path")
	wantCode(t, b.Allow(web, api.AllowedPath{Path: dir}), pair.Forbidden)
	wantCode(t, b.Disallow(web, api.AllowedPath{Path: dir}), pair.Forbidden)
	checks, err := b.TestData(web, spec)
	if last := checks[len(checks)-1]; err != nil || last.OK || !strings.Contains(last.NextStep, "run as root there: baton data allow "+dir) {
		t.Errorf("tested from the web: %+v, %v", checks, err)
	}
	if _, err := b.allowing.PlaceAsked(t.Context(), wire.Room{Path: dir}); err == nil || !strings.Contains(err.Error(), "does not allow") {
		t.Errorf("the peer: %v", err)
	}
	if no := b.allowing.Refusal(dir, dir); no == "" {
		t.Fatal("the question allowed it")
	}
	if checks, err := b.TestData(local, spec); err != nil || !checks[1].OK || !strings.Contains(checks[1].Text, "allows it on this machine") {
		t.Errorf("tested by root: %+v, %v", checks, err)
	}
	if err := b.AddData(local, spec); err != nil {
		t.Fatal(err)
	}
	known, err := b.Allowance(web)
	if err != nil || !slices.Equal(known.Allowed, []string{dir}) || !slices.Contains(known.Trees, "/srv") {
		t.Errorf("got %+v, %v", known, err)
	}
	if _, err := b.allowing.PlaceAsked(t.Context(), wire.Room{Path: dir + "/in"}); err != nil {
		t.Errorf("the peer, once it is allowed: %v", err)
	}
	wantCode(t, b.Allow(local, api.AllowedPath{Path: "/etc"}), pair.Usage, "path")
	wantCode(t, b.Allow(local, api.AllowedPath{Path: b.config.DataDir}), pair.Usage, "path")
	if err := b.Disallow(local, api.AllowedPath{Path: dir}); err != nil || b.allowing.Refusal(dir, dir) == "" {
		t.Errorf("still allowed: %v", err)
	}
	wantCode(t, b.Disallow(local, api.AllowedPath{Path: dir}), pair.NotFound)
	b.allowing.Site = dir
	if err := b.AddData(web, api.DataSpec{Name: "site", Kind: "dir", Path: dir}); err == nil || strings.Contains(err.Error(), "does not allow") {
		t.Errorf("[site] root, which the file names: %v", err) // it is protected already
	}
	if texts := told(t, b, pair.KindSettingChanged); !slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(text, "allowed "+dir) }) {
		t.Errorf("not in the history: %q", texts)
	}
}

// TestWhatALinkLeadsToCounts has a name in a tree that may be protected lead elsewhere.
func TestWhatALinkLeadsToCounts(t *testing.T) {
	b := withUsers(t)
	trees, elsewhere := t.TempDir(), t.TempDir()
	b.allowing.Protect = []string{trees}
	link := filepath.Join(trees, "link")
	if err := os.Symlink(elsewhere, link); err != nil {
		t.Fatal(err)
	}
	err := b.AddData(fromWeb(t.Context()), api.DataSpec{Name: "link", Kind: "dir", Path: link})
	if wantCode(t, err, pair.Usage, "path"); !strings.Contains(err.Error(), "it leads to "+elsewhere) {
		t.Errorf("got %v", err)
	}
	b.allowing.Protect = []string{link} // a tree that is a link as a whole
	if no := b.allowing.Refusal(link+"/site", elsewhere+"/site"); no != "" {
		t.Error(no)
	}
}

// TestWhatWasProtectedIsKeptAtAnUpgrade has data of a version that did not ask, and then
// some that a peer brings later.
func TestWhatWasProtectedIsKeptAtAnUpgrade(t *testing.T) {
	b := withUsers(t)
	protect := func(name, path string) {
		if err := b.site.Data.Add(t.Context(), pair.Data{Name: name, Spec: pair.Directory{Path: pair.Path(path)}}); err != nil {
			t.Fatal(err)
		}
	}
	keep := func() []string {
		kept, err := b.allowing.Keep(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b.allowing.NoteKept(kept)
		return kept
	}
	protect("conf", "/etc/nginx")
	protect("www", "/srv/www")
	if kept := keep(); len(kept) != 0 {
		t.Fatalf("a new appliance kept %v", kept)
	}
	if err := b.local.Save(t.Context(), func(s *local.State) { s.Allowed = nil }); err != nil {
		t.Fatal(err)
	}
	if kept := keep(); !slices.Equal(kept, []string{"/etc/nginx"}) || b.allowing.Refusal("/etc/nginx", "/etc/nginx") != "" {
		t.Errorf("kept %v", kept)
	}
	if texts := told(t, b, pair.KindSettingChanged); !slices.ContainsFunc(texts, func(text string) bool { return strings.HasPrefix(text, "Kept as protected") }) {
		t.Errorf("not in the history: %q", texts)
	}
	protect("cron", "/etc/cron.d")
	if kept := keep(); kept != nil || b.allowing.Refusal("/etc/cron.d", "/etc/cron.d") == "" {
		t.Errorf("kept %v at a later start", kept)
	}
}
