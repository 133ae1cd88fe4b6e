package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"baton/internal/api"
	"baton/internal/pair"
)

// operation is one entry of the OpenAPI document.
type operation struct {
	method, path string
	ID           string            `json:"operationId"`
	Least        string            `json:"x-minimum-role"`
	Parameters   []json.RawMessage `json:"parameters"`
	Responses    map[string]any    `json:"responses"`
	Security     []any             `json:"security"`
}

func operations(t *testing.T, b *bench) []operation {
	t.Helper()
	w := b.ask("GET", "/api/v1/openapi.json", "", "")
	var document struct {
		OpenAPI string                          `json:"openapi"`
		Paths   map[string]map[string]operation `json:"paths"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &document); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(document.OpenAPI, "3.1") || len(document.Paths) < 30 {
		t.Fatalf("OpenAPI %s with %d paths", document.OpenAPI, len(document.Paths))
	}
	var all []operation
	for path, methods := range document.Paths {
		for method, op := range methods {
			op.method, op.path = strings.ToUpper(method), path
			all = append(all, op)
		}
	}
	return all
}

func TestEveryRouteHasAMinimumRoleAndNoViewerActs(t *testing.T) {
	for _, op := range operations(t, newBench(t)) {
		least := pair.Access(op.Least)
		if !slices.Contains(pair.Accesses(), least) && least != api.SetupOnly {
			t.Errorf("%s %s declares no minimum role", op.method, op.path)
		}
		if op.method != http.MethodGet && pair.Viewer.Covers(least) {
			t.Errorf("%s %s: a viewer may act", op.method, op.path)
		}
		if (least == api.SetupOnly) != (op.ID == "setup") {
			t.Errorf("%s %s: only setup goes without a token", op.method, op.path)
		}
		if (len(op.Security) == 0) != (least == api.SetupOnly) {
			t.Errorf("%s %s: security %v, minimum %s", op.method, op.path, op.Security, least)
		}
	}
}

// TestEveryRouteEnforcesItsRole asks every route with every token: the answer to
// too little is 401 or 403, whatever else is wrong with the question.
func TestEveryRouteEnforcesItsRole(t *testing.T) {
	b := newBench(t)
	parameter := regexp.MustCompile(`\{\w+\}`)
	for i, op := range operations(t, b) {
		if op.Least == string(api.SetupOnly) || op.ID == "watch-status" {
			continue
		}
		path := parameter.ReplaceAllString(op.path, "x")
		from := fmt.Sprintf("203.0.113.%d:1", i) // nobody is locked out by another
		if w := b.askFrom(from, op.method, path, "", "{}"); w.Code != 401 || w.Header().Get("WWW-Authenticate") == "" {
			t.Errorf("%s %s without a token: %d", op.method, path, w.Code)
		}
		if w := b.askFrom(from, op.method, path, "guess", "{}"); w.Code != 401 {
			t.Errorf("%s %s with a wrong token: %d", op.method, path, w.Code)
		}
		for _, access := range pair.Accesses() {
			w := b.askFrom(from, op.method, path, string(access), "{}")
			may := access.Covers(pair.Access(op.Least))
			if may == (w.Code == 401 || w.Code == 403) {
				t.Errorf("%s %s needs %s, and a token of a %s gets %d", op.method, path, op.Least, access, w.Code)
			}
		}
	}
}

func TestOperatorsDoNotForce(t *testing.T) {
	b := newBench(t)
	if p := problemIn(t, b.ask("POST", "/api/v1/role", "operator", `{"role":"primary","force":true}`)); p.Status != 403 {
		t.Errorf("an operator's force: %+v", p)
	}
	if p := problemIn(t, b.ask("POST", "/api/v1/role", "administrator", `{"role":"primary","force":true}`)); p.Status != 409 {
		t.Errorf("an administrator's force on a standalone appliance: %+v", p)
	}
}

func TestGuessingATokenIsSlowedDown(t *testing.T) {
	b := newBench(t)
	for range 10 {
		if w := b.ask("GET", "/api/v1/status", "guess", ""); w.Code != 401 {
			t.Fatalf("a wrong token: %d", w.Code)
		}
	}
	w := b.ask("GET", "/api/v1/status", "viewer", "")
	if w.Code != 429 || w.Header().Get("Retry-After") == "" {
		t.Errorf("after 10 wrong tokens: %d", w.Code)
	}
	if w := b.askFrom("203.0.113.6:1", "GET", "/api/v1/status", "viewer", ""); w.Code != 200 {
		t.Errorf("from another address: %d", w.Code)
	}
	b.now = b.now.Add(7 * time.Second)
	if w := b.ask("GET", "/api/v1/status", "viewer", ""); w.Code != 200 {
		t.Errorf("seven seconds later: %d", w.Code)
	}
}

func TestGuessingFromOneIPv6NetworkIsOneSource(t *testing.T) {
	b := newBench(t)
	for i := range 10 {
		b.askFrom(fmt.Sprintf("[2001:db8::%d]:1", i+1), "GET", "/api/v1/status", "guess", "")
	}
	if w := b.askFrom("[2001:db8::ffff]:1", "GET", "/api/v1/status", "viewer", ""); w.Code != 429 {
		t.Errorf("the same /64: %d", w.Code)
	}
	if w := b.askFrom("[2001:db8:0:1::1]:1", "GET", "/api/v1/status", "viewer", ""); w.Code != 200 {
		t.Errorf("another /64: %d", w.Code)
	}
}

func TestGuessesAreForgottenBeforeMemoryFills(t *testing.T) {
	b := newBench(t)
	for i := range 5000 {
		b.askFrom(fmt.Sprintf("198.18.%d.%d:1", i/256, i%256), "GET", "/api/v1/status", "guess", "")
	}
	if w := b.ask("GET", "/api/v1/status", "viewer", ""); w.Code != 200 {
		t.Errorf("after guesses of 5000 others: %d", w.Code)
	}
}

func TestSetupFromTheNetworkTakesTheOneTimeToken(t *testing.T) {
	b := newBench(t)
	setup := func(from, token string) int {
		return b.askFrom(from, "POST", "/api/v1/setup", "", `{"user":"anna","password":"correct horse","token":"`+token+`"}`).Code
	}
	if code := setup("203.0.113.1:1", ""); code != 401 {
		t.Errorf("without the token: %d", code)
	}
	for range 9 {
		setup("203.0.113.1:1", "guess")
	}
	if code := setup("203.0.113.1:1", "setup-token-1"); code != 429 {
		t.Errorf("after ten guesses: %d", code)
	}
	if code := setup("203.0.113.2:1", "setup-token-1"); code != 204 {
		t.Errorf("with the token: %d", code)
	}
	if code := setup("203.0.113.2:1", "setup-token-1"); code != 409 {
		t.Errorf("a second time: %d", code)
	}
}

func TestOpenAPIDocumentIsSound(t *testing.T) {
	b := newBench(t)
	var document map[string]any
	if err := json.Unmarshal(b.ask("GET", "/api/v1/openapi.json", "", "").Body.Bytes(), &document); err != nil {
		t.Fatal(err)
	}
	eachReference(document, func(reference string) {
		at := any(document)
		for part := range strings.SplitSeq(strings.TrimPrefix(reference, "#/"), "/") {
			object, _ := at.(map[string]any)
			at = object[part]
		}
		if at == nil {
			t.Errorf("reference %s leads nowhere", reference)
		}
	})
	seen := map[string]bool{}
	for _, op := range operations(t, b) {
		if op.ID == "" || seen[op.ID] {
			t.Errorf("%s %s: operation id %q is missing or used twice", op.method, op.path, op.ID)
		}
		seen[op.ID] = true
		if len(op.Parameters) < strings.Count(op.path, "{") {
			t.Errorf("%s %s: a path parameter is not described", op.method, op.path)
		}
		if op.Responses["default"] == nil || len(op.Responses) < 2 {
			t.Errorf("%s %s: responses %v", op.method, op.path, op.Responses)
		}
	}
}

func eachReference(node any, visit func(string)) {
	switch node := node.(type) {
	case map[string]any:
		for key, value := range node {
			if text, ok := value.(string); ok && key == "$ref" {
				visit(text)
			}
			eachReference(value, visit)
		}
	case []any:
		for _, value := range node {
			eachReference(value, visit)
		}
	}
}
