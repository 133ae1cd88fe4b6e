package access_test

import (
	"net/http"
	"strings"
	"testing"

	"baton/internal/console/consoletest"
	"baton/internal/console/page"
	"baton/internal/pair"
)

const tokens = page.Root + "/management/api"

func TestATokenIsShownOnceAndInNoAddress(t *testing.T) {
	b := consoletest.Open(t).SignIn(pair.Administrator)
	made := b.Post(tokens, "name", "monitor", "role", "viewer", "expires", "90")
	made.Has(t, "baton_", "readonly", "shown this once", "curl -sk", "/api/v1/openapi.json")
	if made.Path != tokens {
		t.Errorf("the secret led to %s", made.Path)
	}
	again := b.Get(tokens)
	again.Has(t, "monitor")
	if strings.Contains(again.Body, "baton_") {
		t.Error("the secret is shown again")
	}
	list, err := b.Appliance.People().Tokens.Tokens(t.Context())
	if err != nil || len(list) != 1 || list[0].Expires.IsZero() {
		t.Fatalf("%+v %v", list, err)
	}
	b.Get(tokens+"/revoke?id="+list[0].ID).Has(t, "Revoke monitor", "It cannot be brought back")
	b.Post(tokens+"/revoke", "id", list[0].ID).Has(t, "is revoked")
	if list, err := b.Appliance.People().Tokens.Tokens(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("%+v %v", list, err)
	}
	if p := b.Get(tokens + "/revoke?id=" + list[0].ID); p.Status != http.StatusNotFound {
		t.Errorf("a token that is gone: %d", p.Status)
	}
}

func TestARefusedTokenFormKeepsWhatWasTyped(t *testing.T) {
	b := consoletest.Open(t).SignIn(pair.Administrator)
	p := b.Post(tokens, "name", "", "role", "root", "expires", "soon")
	if p.Status != http.StatusUnprocessableEntity {
		t.Fatal(p.Status)
	}
	p.Has(t, "Name what the token is for", "Choose viewer, operator or administrator", "Choose how long", "Nothing was saved")
	if list, err := b.Appliance.People().Tokens.Tokens(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("%+v %v", list, err)
	}
}

func TestOnlyAdministratorsSeeTokens(t *testing.T) {
	for _, role := range []pair.Access{pair.Viewer, pair.Operator} {
		if p := consoletest.Open(t).SignIn(role).Get(tokens); p.Status != http.StatusForbidden {
			t.Errorf("a %s: %d", role, p.Status)
		}
	}
}
