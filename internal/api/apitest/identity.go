package apitest

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"baton/internal/api"
	"baton/internal/pair"
)

// What the fake takes for a one-time code, and for too many tries.
const (
	Secret   = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP" //nolint:gosec // of every account's one-time codes, in tests
	Code     = "123456"                           // the one that is right
	BusyUser = "busy"                             // has been tried too often
)

// account is what the fake keeps of a user besides what it shows.
type account struct {
	password string
	recovery []string
	changes  int // of what ends the sessions
}

type session struct {
	api.Session
	stamp   string
	pending bool
}

func (a *Appliance) ticket(user pair.User) api.Ticket {
	return api.Ticket{User: user.Name, Stamp: strconv.Itoa(a.accounts[user.Name].changes) + string(user.Role) + strconv.FormatBool(user.Disabled)}
}

// SignIn implements api.SigningIn.
func (a *Appliance) SignIn(ctx context.Context, in api.Credentials) (api.Ticket, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	user, err := a.checkPassword(in.Name, in.Password)
	if err != nil {
		return api.Ticket{}, err
	}
	ticket := a.ticket(user)
	if ticket.CodeNeeded = user.TOTP; !user.TOTP {
		a.signedIn(ctx, user.Name)
	}
	return ticket, nil
}

func (a *Appliance) checkPassword(name, password string) (pair.User, error) {
	if name == BusyUser {
		return pair.User{}, pair.Refuse(pair.TooMany, "too many failed sign-ins: wait a minute, then try again")
	}
	user, known := a.users[name]
	if !known || user.Disabled || a.accounts[name].password != password {
		return pair.User{}, pair.Refuse(pair.Unauthorized, "the user name or the password is wrong")
	}
	return user, nil
}

func (a *Appliance) signedIn(ctx context.Context, name string) {
	user := a.users[name]
	user.LastLogin = Start()
	a.users[name] = user
	a.record(ctx, pair.KindSignedIn, name+" signed in.", nil)
}

// SignInWithCode implements api.SigningIn.
func (a *Appliance) SignInWithCode(ctx context.Context, session api.SignedIn, code string) (api.Ticket, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	kept := a.accounts[session.Account.Name]
	if i := slices.Index(kept.recovery, code); i >= 0 {
		kept.recovery = slices.Delete(kept.recovery, i, i+1)
	} else if code != Code {
		return api.Ticket{}, pair.Refuse(pair.Unauthorized, "this code is not valid, or was used already: type the newest one")
	}
	a.signedIn(ctx, session.Account.Name)
	return a.ticket(a.users[session.Account.Name]), nil
}

// BeginSession implements api.Sessions.
func (a *Appliance) BeginSession(ctx context.Context, made api.NewSession) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	caller, _ := api.CallerFrom(ctx)
	a.sessions[made.ID] = session{
		Session: api.Session{
			ID: made.ID, User: made.Ticket.User, From: caller.From, Browser: made.Browser,
			Since: Start(), Seen: Start(), Expires: made.Expires,
		},
		stamp: made.Ticket.Stamp, pending: made.Ticket.CodeNeeded,
	}
	return nil
}

// Session implements api.Sessions.
func (a *Appliance) Session(_ context.Context, id string) (api.SignedIn, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	found, known := a.sessions[id]
	user := a.users[found.User]
	if !known || user.Disabled || a.ticket(user).Stamp != found.stamp {
		return api.SignedIn{}, pair.Refuse(pair.Unauthorized, "you are signed out: sign in again")
	}
	return api.SignedIn{Session: found.Session, Account: user, CodeNeeded: found.pending}, nil
}

// UseSession implements api.Sessions: the clock stands still.
func (a *Appliance) UseSession(context.Context, api.SignedIn) error { return nil }

// ForgetSession implements api.Sessions.
func (a *Appliance) ForgetSession(_ context.Context, id string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.sessions, id)
	return nil
}

// Sessions implements api.Sessions.
func (a *Appliance) Sessions(context.Context) ([]api.Session, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var list []api.Session
	for _, s := range a.sessions {
		if user := a.users[s.User]; !s.pending && !user.Disabled && a.ticket(user).Stamp == s.stamp {
			list = append(list, s.Session)
		}
	}
	slices.SortFunc(list, func(x, y api.Session) int {
		return cmp.Or(strings.Compare(x.User, y.User), strings.Compare(x.ID, y.ID))
	})
	return list, nil
}

// EndSession implements api.Sessions.
func (a *Appliance) EndSession(ctx context.Context, id string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	found, known := a.sessions[id]
	if !known {
		return pair.Refuse(pair.NotFound, "this session has ended already")
	}
	delete(a.sessions, id)
	a.record(ctx, pair.KindSignedOut, found.User+" was signed out.", nil)
	return nil
}

// SignOutEverywhere implements api.Sessions.
func (a *Appliance) SignOutEverywhere(_ context.Context, user string) error {
	return a.editAccount(user, func(*account) {})
}

// editAccount changes what proves a user, which ends their sessions.
func (a *Appliance) editAccount(name string, edit func(*account)) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	kept, known := a.accounts[name]
	if !known {
		return pair.Refuse(pair.NotFound, "there is no user %s: see baton user list", name)
	}
	edit(kept)
	kept.changes++
	return nil
}

// ChangePassword implements api.OwnAccount.
func (a *Appliance) ChangePassword(ctx context.Context, user, old, password string) (api.Ticket, error) {
	if err := a.proves(user, old, "old"); err != nil {
		return api.Ticket{}, err
	}
	if err := a.SetPassword(ctx, user, password); err != nil {
		return api.Ticket{}, err
	}
	return a.newTicket(user), nil
}

// proves refuses a wrong password, at a field.
func (a *Appliance) proves(user, password, field string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, err := a.checkPassword(user, password); err != nil {
		return pair.RefuseField(field, "this is not your password")
	}
	return nil
}

func (a *Appliance) newTicket(user string) api.Ticket {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ticket(a.users[user])
}

// NewTOTP implements api.OwnAccount.
func (a *Appliance) NewTOTP(_ context.Context, user string) (api.TOTPKey, error) {
	return api.TOTPKey{Secret: Secret, URL: "otpauth://totp/Baton:" + user + "?issuer=Baton&secret=" + Secret}, nil
}

// EnableTOTP implements api.OwnAccount.
func (a *Appliance) EnableTOTP(_ context.Context, user string, shown api.TOTPProof) ([]string, api.Ticket, error) {
	if err := a.proves(user, shown.Password, "password"); err != nil {
		return nil, api.Ticket{}, err
	}
	if shown.Secret != Secret || shown.Code != Code {
		return nil, api.Ticket{}, pair.RefuseField("code", "this is not the code of now: type the newest one")
	}
	a.mu.Lock()
	on := a.users[user].TOTP
	a.mu.Unlock()
	if on {
		return nil, api.Ticket{}, pair.Refuse(pair.Refused, "one-time codes are on already: turn them off on the account page first")
	}
	recovery := []string{"aaaa-bbbb-cccc-dddd", "eeee-ffff-gggg-hhhh"}
	err := a.editAccount(user, func(kept *account) { kept.recovery = slices.Clone(recovery) })
	if err == nil {
		err = a.editUser(user, func(u *pair.User) { u.TOTP = true })
	}
	return recovery, a.newTicket(user), err
}

// DisableTOTP implements api.OwnAccount.
func (a *Appliance) DisableTOTP(ctx context.Context, user, password string) (api.Ticket, error) {
	if err := a.proves(user, password, "password"); err != nil {
		return api.Ticket{}, err
	}
	err := a.ResetTOTP(ctx, user)
	return a.newTicket(user), err
}

// RecoveryCodes implements api.OwnAccount.
func (a *Appliance) RecoveryCodes(_ context.Context, user string) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if kept, known := a.accounts[user]; known {
		return len(kept.recovery), nil
	}
	return 0, nil
}

// ResetTOTP implements api.Users.
func (a *Appliance) ResetTOTP(_ context.Context, name string) error {
	err := a.editAccount(name, func(kept *account) { kept.recovery = nil })
	if err != nil {
		return err
	}
	return a.editUser(name, func(u *pair.User) { u.TOTP = false })
}

// UpdateUser implements api.Users.
func (a *Appliance) UpdateUser(_ context.Context, change pair.UserChange) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	user, known := a.users[change.Name]
	switch {
	case !known:
		return pair.Refuse(pair.NotFound, "there is no user %s: see baton user list", change.Name)
	case change.Version != 0 && change.Version != user.Version:
		return pair.Refuse(pair.Stale, "somebody else has changed %s meanwhile: look at the account again, then save", change.Name)
	case change.Mail != "" && !strings.Contains(change.Mail, "@"):
		return pair.RefuseField("mail", "this is not a mail address: write it like name@example.org")
	}
	if change.Role != pair.Administrator && a.lastAdministrator(change.Name) {
		return pair.Refuse(pair.Refused, "%s is the last administrator: add or enable another one first", change.Name)
	}
	user.DisplayName, user.Mail, user.Role = change.DisplayName, change.Mail, change.Role
	user.Version++
	a.users[change.Name] = user
	return nil
}

// lastAdministrator expects the lock to be held.
func (a *Appliance) lastAdministrator(name string) bool {
	for _, user := range a.users {
		if user.Name != name && user.Role == pair.Administrator && !user.Disabled {
			return false
		}
	}
	user := a.users[name]
	return user.Role == pair.Administrator && !user.Disabled
}

// Security implements api.Guarding.
func (a *Appliance) Security(context.Context) (api.Saved[pair.Security], error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.security, nil
}

// SaveSecurity implements api.Guarding.
func (a *Appliance) SaveSecurity(ctx context.Context, security api.Saved[pair.Security]) (api.Saved[pair.Security], error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if caller, known := api.CallerFrom(ctx); known {
		if err := api.CheckAdmits(security.Values, caller); err != nil {
			return api.Saved[pair.Security]{}, err
		}
	}
	if security.Version != a.security.Version {
		return api.Saved[pair.Security]{}, pair.Refuse(pair.Stale, "somebody else has changed this meanwhile: look at it again, then save")
	}
	security.Version++
	a.security = security
	return security, nil
}

// Admits implements api.Guarding.
func (a *Appliance) Admits(from netip.Addr) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.security.Values.Admits(from)
}
