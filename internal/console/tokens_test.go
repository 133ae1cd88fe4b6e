package console

import (
	"net/http"
	"strings"
	"testing"

	"baton/internal/pair"
)

const tokens = Root + "/management/api"

func TestATokenIsShownOnceAndInNoAddress(t *testing.T) {
	b := open(t).signIn(pair.Administrator)
	made := b.post(tokens, "name", "monitor", "role", "viewer", "expires", "90")
	made.has(t, "baton_", "readonly", "shown this once", "curl -sk", "/api/v1/openapi.json")
	if made.path != tokens {
		t.Errorf("the secret led to %s", made.path)
	}
	again := b.get(tokens)
	again.has(t, "monitor")
	if strings.Contains(again.body, "baton_") {
		t.Error("the secret is shown again")
	}
	list, err := b.appliance.People().Tokens.Tokens(t.Context())
	if err != nil || len(list) != 1 || list[0].Expires.IsZero() {
		t.Fatalf("%+v %v", list, err)
	}
	b.get(tokens+"/revoke?id="+list[0].ID).has(t, "Revoke monitor", "It cannot be brought back")
	b.post(tokens+"/revoke", "id", list[0].ID).has(t, "is revoked")
	if list, err := b.appliance.People().Tokens.Tokens(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("%+v %v", list, err)
	}
	if p := b.get(tokens + "/revoke?id=" + list[0].ID); p.status != http.StatusNotFound {
		t.Errorf("a token that is gone: %d", p.status)
	}
}

func TestARefusedTokenFormKeepsWhatWasTyped(t *testing.T) {
	b := open(t).signIn(pair.Administrator)
	p := b.post(tokens, "name", "", "role", "root", "expires", "soon")
	if p.status != http.StatusUnprocessableEntity {
		t.Fatal(p.status)
	}
	p.has(t, "Name what the token is for", "Choose viewer, operator or administrator", "Choose how long", "Nothing was saved")
	if list, err := b.appliance.People().Tokens.Tokens(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("%+v %v", list, err)
	}
}

func TestOnlyAdministratorsSeeTokens(t *testing.T) {
	for _, role := range []pair.Access{pair.Viewer, pair.Operator} {
		if p := open(t).signIn(role).get(tokens); p.status != http.StatusForbidden {
			t.Errorf("a %s: %d", role, p.status)
		}
	}
}
