package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"baton/internal/pair"
	"baton/internal/store/credential"

	"github.com/pquerna/otp/totp"
)

const idle = 30 * time.Minute

// people returns a site with ann, an administrator, and bob, a viewer, and a clock to turn.
func people(t *testing.T) (*Site, *time.Time) {
	t.Helper()
	s := openSite(t, alpha)
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	s.db.now = func() time.Time { return now }
	// A hash of "correct horse" that costs little to verify.
	const phc = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$REiRt35dHGtMWJ/p+5b5FBn+NMuLR8SFnoCU9BlDUHE"
	if _, err := s.db.writer.ExecContext(t.Context(), `INSERT INTO user (name, display_name, mail, password, role, disabled, created)
		VALUES ('ann', '', '', ?1, 'administrator', 0, 0), ('bob', '', '', ?1, 'viewer', 0, 0)`, phc); err != nil {
		t.Fatal(err)
	}
	return s, &now
}

func begin(t *testing.T, s *Site, id, name string) {
	t.Helper()
	user, err := s.Users.Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	session := Session{ID: id, User: name, Stamp: user.Stamp, Address: "198.51.100.7", Browser: "Browser", Expires: s.db.now().Add(24 * time.Hour)}
	if err := s.Sessions.Begin(t.Context(), session); err != nil {
		t.Fatal(err)
	}
}

func TestWhatEndsASession(t *testing.T) {
	for name, test := range map[string]struct {
		act   func(ctx context.Context, s *Site, now *time.Time) error
		lives bool
	}{
		"nothing": {func(context.Context, *Site, *time.Time) error { return nil }, true},
		"another's password": {func(ctx context.Context, s *Site, _ *time.Time) error {
			return s.Users.SetPassword(ctx, "ann", "battery staple")
		}, true},
		"another name": {func(ctx context.Context, s *Site, _ *time.Time) error {
			return s.Users.Update(ctx, pair.UserChange{Name: "bob", DisplayName: "Bob", Role: pair.Viewer})
		}, true},
		"a sign-in": {func(ctx context.Context, s *Site, _ *time.Time) error { s.Users.NoteLogin(ctx, "bob"); return nil }, true},
		"its password": {func(ctx context.Context, s *Site, _ *time.Time) error {
			return s.Users.SetPassword(ctx, "bob", "battery staple")
		}, false},
		"another role": {func(ctx context.Context, s *Site, _ *time.Time) error {
			return s.Users.Update(ctx, pair.UserChange{Name: "bob", Role: pair.Operator})
		}, false},
		"disabled": {func(ctx context.Context, s *Site, _ *time.Time) error { return s.Users.Disable(ctx, "bob") }, false},
		"disabled and enabled again": {func(ctx context.Context, s *Site, _ *time.Time) error {
			return errors.Join(s.Users.Disable(ctx, "bob"), s.Users.Enable(ctx, "bob"))
		}, false},
		"another role and back": {func(ctx context.Context, s *Site, _ *time.Time) error {
			return errors.Join(s.Users.Update(ctx, pair.UserChange{Name: "bob", Role: pair.Operator}), s.Users.Update(ctx, pair.UserChange{Name: "bob", Role: pair.Viewer}))
		}, false},
		"one-time codes on and off again": {func(ctx context.Context, s *Site, now *time.Time) error {
			return errors.Join(enrol(ctx, s, "bob", *now), s.Users.ClearTOTP(ctx, "bob"))
		}, false},
		"ended":     {func(ctx context.Context, s *Site, _ *time.Time) error { _, err := s.Sessions.End(ctx, "b"); return err }, false},
		"all ended": {func(ctx context.Context, s *Site, _ *time.Time) error { return s.Sessions.EndAll(ctx, "bob") }, false},
		"ended everywhere": {func(ctx context.Context, s *Site, _ *time.Time) error {
			return s.Sessions.SignOutEverywhere(ctx, "bob")
		}, false},
		"one-time codes": {func(ctx context.Context, s *Site, now *time.Time) error {
			return enrol(ctx, s, "bob", *now)
		}, false},
		"time":     {func(_ context.Context, _ *Site, now *time.Time) error { *now = now.Add(24 * time.Hour); return nil }, false},
		"idleness": {func(_ context.Context, _ *Site, now *time.Time) error { *now = now.Add(idle); return nil }, false},
		"use": {func(ctx context.Context, s *Site, now *time.Time) error {
			*now = now.Add(idle - time.Minute)
			session, _, err := s.Sessions.Get(ctx, "b", idle)
			err = errors.Join(err, s.Sessions.Use(ctx, session))
			*now = now.Add(idle - time.Minute)
			return err
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			s, now := people(t)
			begin(t, s, "b", "bob")
			if err := test.act(t.Context(), s, now); err != nil {
				t.Fatal(err)
			}
			session, user, err := s.Sessions.Get(t.Context(), "b", idle)
			if (err == nil) != test.lives || err != nil && pair.CodeOf(err) != pair.Unauthorized {
				t.Errorf("got %+v of %+v, %v", session, user, err)
			}
			list, err := s.Sessions.List(t.Context(), idle)
			if err != nil || (len(list) == 1) != test.lives {
				t.Errorf("listed %+v, %v", list, err)
			}
		})
	}
}

func enrol(ctx context.Context, s *Site, name string, now time.Time) error {
	key, err := credential.NewTOTP("Help desk", name)
	if err != nil {
		return err
	}
	code, err := totp.GenerateCode(key.Secret, now)
	if err != nil {
		return err
	}
	_, err = s.Users.SetTOTP(ctx, name, key.Secret, code)
	return err
}

func TestSessionsSurviveARestartAndStayHere(t *testing.T) {
	s, now := people(t)
	begin(t, s, "a", "ann")
	again := reopenSite(t, s.db.path, alpha)
	again.db.now = func() time.Time { return *now }
	if _, user, err := again.Sessions.Get(t.Context(), "a", idle); err != nil || user.Name != "ann" {
		t.Errorf("after a restart: %+v, %v", user, err)
	}
	var stream bytes.Buffer
	if err := s.Export(t.Context(), &stream); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"session", "last_code", "spent_code"} {
		if strings.Contains(stream.String(), `"`+table+`"`) {
			t.Errorf("an export has the table %s", table)
		}
	}
}

func TestASessionEndsWithTheSyncThatBringsANewPassword(t *testing.T) {
	primary, now := people(t)
	backup := openSite(t, beta)
	backup.db.now = func() time.Time { return *now }
	pull := func() {
		t.Helper()
		var stream bytes.Buffer
		if err := errors.Join(primary.Export(t.Context(), &stream), backup.Import(t.Context(), &stream)); err != nil {
			t.Fatal(err)
		}
	}
	pull()
	begin(t, backup, "a", "ann")
	pull()
	if _, _, err := backup.Sessions.Get(t.Context(), "a", idle); err != nil {
		t.Errorf("after a sync: %v", err)
	}
	if err := primary.Users.SetPassword(t.Context(), "ann", "battery staple"); err != nil {
		t.Fatal(err)
	}
	pull()
	if _, _, err := backup.Sessions.Get(t.Context(), "a", idle); pair.CodeOf(err) != pair.Unauthorized {
		t.Errorf("after the new password: %v", err)
	}
}

func TestAUserHasABoundedNumberOfSessions(t *testing.T) {
	s, now := people(t)
	begin(t, s, "anns", "ann")
	for i := range maxSessions + 5 {
		*now = now.Add(time.Second)
		begin(t, s, strconv.Itoa(i), "bob")
	}
	list, err := s.Sessions.List(t.Context(), idle)
	if err != nil || len(list) != maxSessions+1 || list[0].ID != strconv.Itoa(maxSessions+4) || list[maxSessions].ID != "anns" {
		t.Errorf("%d sessions, %v", len(list), err)
	}
	*now = now.Add(25 * time.Hour)
	begin(t, s, "new", "ann")
	var rows int
	if err := s.db.reader.QueryRowContext(t.Context(), `SELECT count(*) FROM session`).Scan(&rows); err != nil || rows != 1 {
		t.Errorf("%d sessions kept, %v", rows, err)
	}
}

func TestWhoLacksTheCodePushesOutNobody(t *testing.T) {
	s, now := people(t)
	begin(t, s, "bobs", "bob")
	session, user, err := s.Sessions.Get(t.Context(), "bobs", idle)
	if err != nil {
		t.Fatal(err)
	}
	knock := func(id, address string) {
		t.Helper()
		*now = now.Add(time.Millisecond)
		session.ID, session.Stamp, session.Pending, session.Address = id, user.Stamp, true, address
		if err := s.Sessions.Begin(t.Context(), session); err != nil {
			t.Fatal(err)
		}
	}
	lives := func(id string) bool {
		_, _, err := s.Sessions.Get(t.Context(), id, idle)
		return err == nil
	}
	knock("bob at the code", "198.51.100.7")
	for i := range 3 * maxPending {
		knock(strconv.Itoa(i), "203.0.113.1")
	}
	var rows int
	if err := s.db.reader.QueryRowContext(t.Context(), `SELECT count(*) FROM session WHERE pending`).Scan(&rows); err != nil || rows != maxPending {
		t.Errorf("%d wait for a code, %v", rows, err)
	}
	if !lives("bobs") || !lives("bob at the code") || !lives(strconv.Itoa(3*maxPending-1)) || lives("0") {
		t.Errorf("still there: signed in %t, at the code %t, newest stranger %t, oldest stranger %t",
			lives("bobs"), lives("bob at the code"), lives(strconv.Itoa(3*maxPending-1)), lives("0"))
	}
	for i := range 3 * maxPending { // one network of IPv6 is one source, here as everywhere
		knock("six"+strconv.Itoa(i), fmt.Sprintf("2001:db8:1:2::%x", i))
	}
	if !lives("bob at the code") {
		t.Error("whoever has a network of IPv6 pushed out somebody else")
	}
	for i := range maxSessions + 5 { // nor do those who have shown both push out who is about to
		*now = now.Add(time.Millisecond)
		begin(t, s, "more"+strconv.Itoa(i), "bob")
	}
	if !lives("bob at the code") {
		t.Error("sign-ins that were complete pushed out one that was not")
	}
}

func TestACodeIsAcceptedOnce(t *testing.T) {
	s, now := people(t)
	ctx := t.Context()
	wantCode(t, s.Users.CheckCode(ctx, "bob", ""), pair.Unauthorized, "code")
	key, err := credential.NewTOTP("Help desk", "bob")
	if err != nil || !strings.HasPrefix(key.URL, "otpauth://totp/Help%20desk:bob?") {
		t.Fatal(key, err)
	}
	at := func(when time.Time) string {
		code, err := totp.GenerateCode(key.Secret, when)
		if err != nil {
			t.Fatal(err)
		}
		return code
	}
	_, err = s.Users.SetTOTP(ctx, "bob", key.Secret, "000000")
	wantField(t, err, "code")
	_, err = s.Users.SetTOTP(ctx, "bob", "GEZDGNBV", at(*now))
	wantField(t, err, "secret")
	recovery, err := s.Users.SetTOTP(ctx, "bob", key.Secret, at(*now))
	if err != nil || len(recovery) != 10 {
		t.Fatal(recovery, err)
	}
	if user, err := s.Users.Get(ctx, "bob"); err != nil || !user.TOTP {
		t.Errorf("got %+v, %v", user, err)
	}
	wantCode(t, s.Users.CheckCode(ctx, "bob", at(*now)), pair.Unauthorized, "used already") // it confirmed the enrolment
	*now = now.Add(30 * time.Second)
	if err := s.Users.CheckCode(ctx, "bob", " "+at(*now)[:3]+" "+at(*now)[3:]); err != nil {
		t.Errorf("the code of now: %v", err)
	}
	wantCode(t, s.Users.CheckCode(ctx, "bob", at(*now)), pair.Unauthorized, "used already")
	wantCode(t, s.Users.CheckCode(ctx, "bob", at(now.Add(-30*time.Second))), pair.Unauthorized, "used already")
	if err := s.Users.CheckCode(ctx, "bob", at(now.Add(30*time.Second))); err != nil {
		t.Errorf("a device 30 s ahead: %v", err)
	}
	*now = now.Add(10 * time.Minute)
	wantCode(t, s.Users.CheckCode(ctx, "bob", at(now.Add(-60*time.Second))), pair.Unauthorized, "not valid")
	wantCode(t, s.Users.CheckCode(ctx, "bob", at(now.Add(60*time.Second))), pair.Unauthorized, "not valid")
	wantCode(t, s.Users.CheckCode(ctx, "ann", at(*now)), pair.Unauthorized, "not valid")
	if err := s.Users.CheckCode(ctx, "bob", strings.ToUpper(recovery[3])); err != nil {
		t.Errorf("a recovery code: %v", err)
	}
	wantCode(t, s.Users.CheckCode(ctx, "bob", recovery[3]), pair.Unauthorized, "used already")
	if left, err := s.Users.RecoveryLeft(ctx, "bob"); err != nil || left != 10-1 {
		t.Errorf("%d left, %v", left, err)
	}
	if err := s.Users.ClearTOTP(ctx, "bob"); err != nil {
		t.Fatal(err)
	}
	wantCode(t, s.Users.CheckCode(ctx, "bob", recovery[4]), pair.Unauthorized, "not valid")
	wantCode(t, s.Users.CheckCode(ctx, "bob", at(*now)), pair.Unauthorized, "not valid")
}

func TestACodeThatWasUsedIsNotAcceptedAfterASync(t *testing.T) {
	primary, now := people(t)
	ctx := t.Context()
	key, err := credential.NewTOTP("Help desk", "ann")
	if err != nil {
		t.Fatal(err)
	}
	first, err := totp.GenerateCode(key.Secret, *now)
	if err != nil {
		t.Fatal(err)
	}
	recovery, err := primary.Users.SetTOTP(ctx, "ann", key.Secret, first)
	if err != nil {
		t.Fatal(err)
	}
	backup := openSite(t, beta)
	backup.db.now = func() time.Time { return now.Add(time.Minute) }
	code, err := totp.GenerateCode(key.Secret, backup.db.now())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		var stream bytes.Buffer
		if err := errors.Join(primary.Export(ctx, &stream), backup.Import(ctx, &stream)); err != nil {
			t.Fatal(err)
		}
		for _, code := range []string{code, recovery[0]} {
			if err := backup.Users.CheckCode(ctx, "ann", code); (err == nil) != (i == 0) {
				t.Errorf("after sync %d: %v", i+1, err)
			}
		}
	}
}

func TestTwoAdministratorsWhoEditAUserAreToldApart(t *testing.T) {
	s, _ := people(t)
	ctx := t.Context()
	edit := pair.UserChange{Name: "bob", DisplayName: "Bob", Mail: "bob@example.org", Role: pair.Operator, Version: 1}
	if err := s.Users.Update(ctx, edit); err != nil {
		t.Fatal(err)
	}
	wantCode(t, s.Users.Update(ctx, edit), pair.Stale, "somebody else")
	user, err := s.Users.Get(ctx, "bob")
	if err != nil || user.DisplayName != "Bob" || user.Mail != "bob@example.org" || user.Role != pair.Operator || user.Version != 2 {
		t.Errorf("got %+v, %v", user, err)
	}
	edit.Version, edit.Mail = 2, "bob"
	wantField(t, s.Users.Update(ctx, edit), "mail")
	wantCode(t, s.Users.Update(ctx, pair.UserChange{Name: "eve", Role: pair.Viewer}), pair.NotFound, "no user")
}

func TestTheLastAdministratorStays(t *testing.T) {
	s, _ := people(t)
	ctx := t.Context()
	wantCode(t, s.Users.Update(ctx, pair.UserChange{Name: "ann", Role: pair.Operator}), pair.Refused, "ann is the last administrator")
	wantCode(t, s.Users.Disable(ctx, "ann"), pair.Refused, "last administrator")
	if err := errors.Join(
		s.Users.Update(ctx, pair.UserChange{Name: "ann", DisplayName: "Ann", Role: pair.Administrator}),
		s.Users.Update(ctx, pair.UserChange{Name: "bob", Role: pair.Administrator}),
		s.Users.Update(ctx, pair.UserChange{Name: "ann", Role: pair.Viewer}),
	); err != nil {
		t.Error(err)
	}
	wantCode(t, s.Users.Disable(ctx, "bob"), pair.Refused, "last administrator")
}

// flooded has so many strangers wait for their sign-in that no more may, until the test ends.
func flooded(t *testing.T, s *Site) {
	t.Helper()
	enough := make(chan struct{})
	t.Cleanup(func() { close(enough) })
	for range credential.WaitingHashes {
		go func() { // one that is turned away comes again
			for s.Users.strangers.Run(context.WithoutCancel(t.Context()), func() { <-enough }) != nil {
				time.Sleep(time.Millisecond)
			}
		}()
	}
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		err := s.Users.strangers.Run(ctx, func() {})
		cancel()
		if pair.CodeOf(err) == pair.TooMany {
			return
		}
	}
}

func TestAFloodOfSignInsIsTurnedAwayAtOnce(t *testing.T) {
	s, _ := people(t)
	flooded(t, s)
	_, err := s.Users.Authenticate(t.Context(), "ann", "correct horse")
	wantCode(t, err, pair.TooMany, "too many sign-ins")
}

// TestWhoIsSignedInDoesNotWaitForStrangers: nor does whoever has a token, for which
// nothing of the kind is computed.
func TestWhoIsSignedInDoesNotWaitForStrangers(t *testing.T) {
	s, _ := people(t)
	flooded(t, s)
	if err := s.Users.SetPassword(t.Context(), "bob", "battery staple"); err != nil {
		t.Errorf("a new password: %v", err)
	}
	if _, err := s.Users.AuthenticateAgain(t.Context(), "bob", "battery staple"); err != nil {
		t.Errorf("the password once more: %v", err)
	}
}
