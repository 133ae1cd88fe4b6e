package signin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"baton/internal/act"
	"baton/internal/act/acttest"
	"baton/internal/api"
	"baton/internal/inforce"
	"baton/internal/pair"
	"baton/internal/store"
)

const secretWords = "correct horse battery"

// tested is all of this package, on a site database.
type tested struct {
	*SignIn
	*Sessions
	*Account
	*Users
	*Security

	people *people
}

// withUsers has anna, an administrator, and olga, an operator.
func withUsers(t *testing.T) *tested {
	t.Helper()
	site, err := store.OpenSite(t.Context(), filepath.Join(t.TempDir(), "site.db"), pair.ApplianceID(strings.Repeat("a", 32)), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = site.Close() })
	record := func(event pair.Event) {
		event.Time = time.Now()
		if _, err := site.History.Append(t.Context(), event); err != nil {
			t.Error(err)
		}
	}
	lead := &act.Lead{Agent: acttest.NewAgent(), Link: &acttest.Link{}, Audit: act.Audit{Record: record}}
	all := New(Options{Name: "alpha", Store: site, Lead: lead, Rules: inforce.NewSecurity(), Token: "token", Log: slog.New(slog.DiscardHandler)})
	b := &tested{all.SignIn, all.Sessions, all.Account, all.Users, all.Security, all.Users.people}
	for name, role := range map[string]pair.Access{"anna": pair.Administrator, "olga": pair.Operator} {
		if err := b.AddUser(fromLocal(t.Context()), pair.NewUser{Name: name, Role: role, Password: secretWords}); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func fromLocal(ctx context.Context) context.Context {
	return api.WithCaller(ctx, api.Caller{Name: "root", From: "local", Local: true, Access: pair.Administrator})
}

func stranger(t *testing.T, address string) context.Context {
	t.Helper()
	return api.WithCaller(t.Context(), api.Caller{From: address})
}

func (b *tested) try(ctx context.Context, name, password string) error {
	_, err := b.SignIn.SignIn(ctx, api.Credentials{Name: name, Password: password, Browser: "Browser"})
	return err
}

// told returns the texts of the events of some kinds.
func told(t *testing.T, b *tested, kinds ...string) []string {
	t.Helper()
	events, err := b.people.store.History.Events(t.Context(), store.Filter{Kinds: kinds})
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, event := range events {
		texts = append(texts, event.Text)
	}
	return texts
}

func TestAStrangerLearnsNothingFromARefusal(t *testing.T) {
	b := withUsers(t)
	if err := b.DisableUser(fromLocal(t.Context()), "olga"); err != nil {
		t.Fatal(err)
	}
	texts := map[string]bool{}
	for i, name := range []string{"anna", "olga", "nobody", "", strings.Repeat("x", 500)} {
		password := secretWords
		if name == "anna" {
			password = "wrong"
		}
		err := b.try(stranger(t, fmt.Sprintf("203.0.113.%d", i)), name, password)
		if pair.CodeOf(err) != pair.Unauthorized {
			t.Errorf("%q: %v", name, err)
		}
		texts[fmt.Sprint(err)] = true
	}
	if len(texts) != 1 {
		t.Errorf("refusals differ: %v", texts)
	}
}

// stopped is a clock that stands still: on a slow machine a password may take longer
// than the interval after which one more is allowed.
func stopped() func() time.Time {
	now := time.Now()
	return func() time.Time { return now }
}

func TestGuessingPasswordsIsSlowedDown(t *testing.T) {
	b := withUsers(t)
	b.people.gate = newGate(stopped())
	if err := b.try(stranger(t, "198.51.100.7"), "anna", secretWords); err != nil {
		t.Fatal(err)
	}
	for i := range wrongOfAccount { // each from another source
		if err := b.try(stranger(t, fmt.Sprintf("203.0.113.%d", i)), "anna", "wrong"); pair.CodeOf(err) != pair.Unauthorized {
			t.Fatal(err)
		}
	}
	if err := b.try(stranger(t, "203.0.113.99"), "anna", secretWords); pair.CodeOf(err) != pair.TooMany {
		t.Errorf("an account that was guessed at: %v", err)
	}
	if err := b.try(stranger(t, "198.51.100.7"), "anna", secretWords); err != nil {
		t.Errorf("others lock anna out where she has signed in before: %v", err)
	}
	for i := range wrongPasswords { // one network
		b.people.gate.wrong(fmt.Sprintf("name%d", i), source(stranger(t, fmt.Sprintf("2001:db8::%d", i+1))))
	}
	if err := b.try(stranger(t, "2001:db8::ffff"), "olga", secretWords); pair.CodeOf(err) != pair.TooMany {
		t.Errorf("a network that has guessed: %v", err)
	}
	if err := b.try(stranger(t, "2001:db8:0:1::1"), "olga", secretWords); err != nil {
		t.Errorf("another network: %v", err)
	}
}

// Each of these is looked at before any of them has failed.
func TestGuessesAtTheSameTimeAreNoMoreThanOneAfterTheOther(t *testing.T) {
	t.Parallel()
	g := newGate(stopped())
	for i := range wrongOfAccount + 5 {
		if _, err := g.begin("anna", source(stranger(t, fmt.Sprintf("203.0.113.%d", i)))); (err == nil) != (i < wrongOfAccount) {
			t.Errorf("password %d at a time: %v", i+1, err)
		}
	}
	ends := []func(){}
	for i := range wrongCodes + 5 {
		end, allowed := g.codes.Begin("anna")
		if allowed != (i < wrongCodes) {
			t.Errorf("code %d at a time: %t", i+1, allowed)
		}
		if allowed {
			ends = append(ends, end)
		}
	}
	g.codes.Failed("anna")
	for _, end := range ends {
		end()
	}
	if _, allowed := g.codes.Begin("anna"); !allowed {
		t.Error("tries that were right count for ever")
	}
}

func TestHugeNamesAreNotRemembered(t *testing.T) {
	t.Parallel()
	g := newGate(stopped())
	huge := strings.Repeat("x", 1<<20)
	for range wrongOfAccount {
		g.wrong(huge+"a", source(stranger(t, "203.0.113.1")))
	}
	if g.accounts.Allowed(huge[:maxAccount]) {
		t.Error("more of a name is remembered than an account may have")
	}
}

func TestOneTimeCodesAskForThePassword(t *testing.T) {
	b := withUsers(t)
	b.people.gate = newGate(stopped())
	ctx := stranger(t, "198.51.100.7")
	enable := func(password string) error {
		key, err := b.NewTOTP(ctx, "anna")
		if err != nil {
			t.Fatal(err)
		}
		code, err := totp.GenerateCode(key.Secret, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = b.EnableTOTP(ctx, "anna", api.TOTPProof{Password: password, Secret: key.Secret, Code: code})
		return err
	}
	for i := range wrongPasswords { // guesses here count as at the sign-in
		if err := enable("wrong"); pair.CodeOf(err) != pair.Usage || !strings.Contains(err.Error(), "not your password") {
			t.Errorf("guess %d: %v", i+1, err)
		}
	}
	if err := enable(secretWords); pair.CodeOf(err) != pair.TooMany {
		t.Errorf("after %d guesses: %v", wrongPasswords, err)
	}
	b.people.gate = newGate(stopped())
	if err := enable(secretWords); err != nil {
		t.Fatal(err)
	}
	if err := enable(secretWords); pair.CodeOf(err) != pair.Refused {
		t.Errorf("replaced: %v", err)
	}
}

func TestAFloodOfFailuresDoesNotFillTheHistory(t *testing.T) {
	b := withUsers(t)
	now := time.Now()
	b.people.gate = newGate(func() time.Time { return now })
	ctx := stranger(t, "203.0.113.1")
	for range 500 {
		b.people.failed(ctx, "hunter2", "the user name or the password was wrong")
	}
	texts := told(t, b, pair.KindSignInFailed)
	if len(texts) != failuresNoted || strings.Contains(strings.Join(texts, ""), "hunter2") {
		t.Errorf("%d lines: %v", len(texts), texts)
	}
	now = now.Add(failuresEvery)
	b.people.failed(ctx, "anna", "the user name or the password was wrong")
	texts = told(t, b, pair.KindSignInFailed)
	if last := texts[len(texts)-1]; !strings.Contains(last, "as anna from 203.0.113.1") || !strings.Contains(last, "480 more failed") {
		t.Errorf("got %q", last)
	}
}

func TestSignInsAreInTheHistory(t *testing.T) {
	b := withUsers(t)
	ctx := stranger(t, "198.51.100.7")
	ticket, err := b.SignIn.SignIn(ctx, api.Credentials{Name: "anna", Password: secretWords, Browser: "Browser"})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.BeginSession(ctx, api.NewSession{ID: "one", Ticket: ticket, Browser: "Browser", Expires: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if err := b.EndSession(api.WithCaller(ctx, api.Caller{Name: "anna", From: "198.51.100.7"}), "one"); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(told(t, b, pair.KindSignedIn, pair.KindSignedOut), " ")
	if got != "anna signed in from 198.51.100.7. anna signed out." {
		t.Errorf("got %q", got)
	}
	users, err := b.Users.Users(ctx)
	if err != nil || users[0].LastLogin.IsZero() {
		t.Errorf("got %+v, %v", users, err)
	}
}

func TestTheCodeIsAskedForOnceThePasswordIsRight(t *testing.T) {
	b := withUsers(t)
	b.people.gate = newGate(stopped())
	ctx := stranger(t, "198.51.100.7")
	key, err := b.NewTOTP(ctx, "anna")
	if err != nil {
		t.Fatal(err)
	}
	code := func(ago time.Duration) string {
		code, err := totp.GenerateCode(key.Secret, time.Now().Add(-ago))
		if err != nil {
			t.Fatal(err)
		}
		return code
	}
	recovery, _, err := b.EnableTOTP(ctx, "anna", api.TOTPProof{Password: secretWords, Secret: key.Secret, Code: code(30 * time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.try(ctx, "anna", "wrong"); pair.CodeOf(err) != pair.Unauthorized || strings.Contains(err.Error(), "code") {
		t.Errorf("a wrong password: %v", err)
	}
	ticket, err := b.SignIn.SignIn(ctx, api.Credentials{Name: "anna", Password: secretWords})
	if err != nil || !ticket.CodeNeeded {
		t.Fatalf("%+v, %v", ticket, err)
	}
	if err := b.BeginSession(ctx, api.NewSession{ID: "one", Ticket: ticket, Expires: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	session, err := b.Session(ctx, "one")
	if err != nil || !session.CodeNeeded || time.Until(session.Expires) > codeTime {
		t.Fatalf("%+v, %v", session, err)
	}
	if list, err := b.Sessions.Sessions(ctx); err != nil || len(list) != 0 {
		t.Errorf("signed in with half of what is asked for: %v, %v", list, err)
	}
	if len(told(t, b, pair.KindSignedIn)) != 0 {
		t.Error("half a sign-in is in the history")
	}
	signIn := func(code string) error {
		_, err := b.SignInWithCode(ctx, session, code)
		return err
	}
	if err := errors.Join(signIn(code(0)), signIn(recovery[0])); err != nil {
		t.Error(err)
	}
	for i := range wrongCodes {
		if err := signIn(recovery[0]); pair.CodeOf(err) != pair.Unauthorized {
			t.Errorf("try %d: %v", i, err)
		}
	}
	if err := signIn(recovery[1]); pair.CodeOf(err) != pair.TooMany {
		t.Errorf("after %d wrong codes: %v", wrongCodes, err)
	}
	if err := b.ResetTOTP(fromLocal(t.Context()), "anna"); err != nil {
		t.Fatal(err)
	}
	if ticket, err := b.SignIn.SignIn(ctx, api.Credentials{Name: "anna", Password: secretWords}); err != nil || ticket.CodeNeeded {
		t.Errorf("after the reset: %+v, %v", ticket, err)
	}
}

func TestWhoLacksTheCodeDoesNotKeepItsOwnerOut(t *testing.T) {
	b := withUsers(t)
	b.people.gate = newGate(stopped())
	home, away := stranger(t, "198.51.100.7"), stranger(t, "203.0.113.1")
	key, err := b.NewTOTP(home, "anna")
	if err != nil {
		t.Fatal(err)
	}
	code, err := totp.GenerateCode(key.Secret, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	recovery, _, err := b.EnableTOTP(home, "anna", api.TOTPProof{Password: secretWords, Secret: key.Secret, Code: code})
	if err != nil {
		t.Fatal(err)
	}
	anna := api.SignedIn{Account: pair.User{Name: "anna"}, CodeNeeded: true}
	try := func(from context.Context, code string) pair.Code {
		_, err := b.SignInWithCode(from, anna, code)
		if err == nil {
			return ""
		}
		return pair.CodeOf(err)
	}
	if got := try(home, recovery[0]); got != "" {
		t.Fatal(got)
	}
	for _, from := range []context.Context{away, home} { // each has its own bound
		for i := range wrongCodes + 1 {
			want := pair.Unauthorized
			if i == wrongCodes {
				want = pair.TooMany
			}
			if got := try(from, "wrong"); got != want {
				t.Errorf("try %d from %s: %s, want %s", i+1, source(from), got, want)
			}
		}
		if from == away {
			if got := try(home, recovery[1]); got != "" {
				t.Errorf("where anna has signed in before: %s", got)
			}
		}
	}
	if got := try(stranger(t, "203.0.113.2"), recovery[2]); got != pair.TooMany {
		t.Errorf("from a third place: %s", got)
	}
}

// Who could sign in until now may have been somebody else.
func TestNoPlaceIsTrustedAfterANewPasswordOrCodes(t *testing.T) {
	b := withUsers(t)
	from := stranger(t, "198.51.100.7")
	key, err := b.NewTOTP(from, "anna")
	if err != nil {
		t.Fatal(err)
	}
	code, err := totp.GenerateCode(key.Secret, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	password := secretWords
	for _, change := range []struct {
		what string
		do   func() error
	}{
		{"new password", func() error { password += "!"; return b.SetPassword(from, "anna", password) }},
		{"codes on", func() error {
			_, _, err := b.EnableTOTP(from, "anna", api.TOTPProof{Secret: key.Secret, Code: code, Password: password})
			return err
		}},
		{"codes off", func() error { return b.ResetTOTP(from, "anna") }},
	} {
		b.people.gate.right("anna", source(from))
		if err := change.do(); err != nil {
			t.Fatal(change.what, err)
		}
		if b.people.gate.trusts("anna", source(from)) {
			t.Errorf("%s: the place is trusted still", change.what)
		}
	}
}

func TestOwnPasswordAsksForTheOldOne(t *testing.T) {
	b := withUsers(t)
	ctx := api.WithCaller(t.Context(), api.Caller{Name: "olga", From: "198.51.100.7"})
	field := func(err error) string {
		refused, _ := errors.AsType[*pair.Refusal](err)
		if refused == nil || len(refused.Fields) == 0 {
			return fmt.Sprint(err)
		}
		return refused.Fields[0].Name
	}
	if _, err := b.ChangePassword(ctx, "olga", "wrong", "another horse battery"); field(err) != "old" {
		t.Errorf("got %v", err)
	}
	if _, err := b.ChangePassword(ctx, "olga", secretWords, "short"); field(err) != "password" {
		t.Errorf("got %v", err)
	}
	ticket, err := b.ChangePassword(ctx, "olga", secretWords, "another horse battery")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.BeginSession(ctx, api.NewSession{ID: "new", Ticket: ticket, Expires: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Session(ctx, "new"); err != nil {
		t.Errorf("the ticket for the new password begins nothing: %v", err)
	}
	if err := b.try(stranger(t, "198.51.100.7"), "olga", "another horse battery"); err != nil {
		t.Error(err)
	}
}

func TestSecurityOptionsAreInForceAtOnceAndLockNobodyOutWhoSavesThem(t *testing.T) {
	b := withUsers(t)
	ctx := api.WithCaller(t.Context(), api.Caller{Name: "anna", Access: pair.Administrator, From: "198.51.100.7"})
	saved, err := b.Security.Security(ctx)
	if err != nil || saved.Values.PasswordLength != pair.MinPasswordLength {
		t.Fatal(saved, err)
	}
	change := func(ctx context.Context, saved api.Saved[pair.Security], changes map[string]string) (api.Saved[pair.Security], error) {
		var err error
		if saved.Values, err = pair.With(saved.Values, changes); err != nil {
			t.Fatal(err)
		}
		return b.SaveSecurity(ctx, saved)
	}
	if _, err := change(ctx, saved, map[string]string{"console_networks": "203.0.113.0/24"}); pair.CodeOf(err) != pair.Usage || !strings.Contains(err.Error(), "198.51.100.7") {
		t.Errorf("anna may lock herself out: %v", err)
	}
	newer, err := change(ctx, saved, map[string]string{"console_networks": "198.51.100.0/24", "password_length": "30"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := change(ctx, saved, map[string]string{"password_length": "12"}); pair.CodeOf(err) != pair.Stale {
		t.Errorf("an old version: %v", err)
	}
	if b.Admits(source(stranger(t, "203.0.113.1")).Addr()) || !b.Admits(source(ctx).Addr()) {
		t.Error("the networks are not in force")
	}
	if err := b.SetPassword(ctx, "olga", strings.Repeat("x", 29)); pair.CodeOf(err) != pair.Usage || !strings.Contains(err.Error(), "30") {
		t.Errorf("a short password: %v", err)
	}
	if _, err := change(fromLocal(t.Context()), newer, map[string]string{"console_networks": "192.0.2.0/24"}); err != nil {
		t.Errorf("over the local socket: %v", err)
	}
	texts := told(t, b, pair.KindSettingChanged)
	if last := texts[len(texts)-1]; last != "root from local changed Allowed networks for the console from 198.51.100.0/24 to 192.0.2.0/24." {
		t.Errorf("got %q", last)
	}
}
