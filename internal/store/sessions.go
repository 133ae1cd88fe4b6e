package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"net/netip"
	"slices"
	"time"

	"baton/internal/pair"
)

const (
	maxSessions = 32               // of one user; the one that was used least recently goes
	maxPending  = 32               // of one user, besides: password right, code still asked for
	sessionUse  = 30 * time.Second // how exactly the last use is kept: not a write for each request
	maxBrowser  = 256              // bytes of what a browser says of itself
)

// Session is a browser that is signed in to the console of this appliance.
type Session struct {
	ID      string // hash of the token in its cookie
	User    string
	Stamp   string // of the user at sign-in
	Pending bool   // the password was right, the code is still asked for
	Address string // where the sign-in came from
	Browser string // as it names itself
	Since   time.Time
	Seen    time.Time // last use, to the half minute
	Expires time.Time // ends then, used or not
}

// Sessions are those of this appliance's console.
type Sessions struct {
	db    *database
	users *Users
}

// Begin begins a session; Since and Seen are set here. Sessions that have
// ended are forgotten.
func (s Sessions) Begin(ctx context.Context, session Session) error {
	now := s.db.now()
	browser := clipText(session.Browser[:min(len(session.Browser), maxBrowser)])
	return s.db.write(ctx, "begin the session", func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM session WHERE expires <= ?`, millis(now)); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO session (id, user, stamp, pending, address, browser, since, seen, expires)
			VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8)`, session.ID, session.User, session.Stamp, session.Pending,
			session.Address, browser, millis(now), millis(session.Expires)); err != nil {
			return err
		}
		return makeRoom(ctx, tx, session)
	})
}

// makeRoom forgets what a user has too many of. Who knows the password but not the
// code pushes out nobody who has shown both.
func makeRoom(ctx context.Context, tx *sql.Tx, added Session) error {
	if added.Pending {
		return sharePlaces(ctx, tx, added.User)
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM session WHERE user = ?1 AND NOT pending AND id NOT IN
		(SELECT id FROM session WHERE user = ?1 AND NOT pending ORDER BY seen DESC, since DESC, id LIMIT ?2)`, added.User, maxSessions)
	return err
}

// sharePlaces bounds those of a user who wait for a code. Nobody pushes out, from one
// network, anybody else: of each the newest stays before a second one of any other.
func sharePlaces(ctx context.Context, tx *sql.Tx, user string) error {
	type waiting struct {
		id  string
		nth int // of its network, the newest first
	}
	var all []waiting
	count := map[string]int{}
	rows, err := tx.QueryContext(ctx, `SELECT id, address FROM session WHERE user = ? AND pending ORDER BY since DESC, id`, user)
	err = each(rows, err, func(row scanner) error {
		var id, address string
		err := row.Scan(&id, &address)
		from := networkOf(address)
		count[from]++
		all = append(all, waiting{id, count[from]})
		return err
	})
	if err != nil {
		return err
	}
	slices.SortStableFunc(all, func(a, b waiting) int { return cmp.Compare(a.nth, b.nth) })
	for _, one := range all[min(len(all), maxPending):] {
		if _, err := tx.ExecContext(ctx, `DELETE FROM session WHERE id = ?`, one.id); err != nil {
			return err
		}
	}
	return nil
}

// networkOf is whom an address stands for: of IPv6 everybody has 64 bits of addresses.
func networkOf(address string) string {
	at, err := netip.ParseAddr(address)
	if err != nil || at.Unmap().Is4() {
		return address
	}
	return netip.PrefixFrom(at.WithZone(""), 64).Masked().String()
}

const sessionColumns = `id, user, stamp, pending, address, browser, since, seen, expires`

func scanSession(row scanner) (Session, error) {
	var session Session
	var since, seen, expires sql.NullInt64
	err := row.Scan(&session.ID, &session.User, &session.Stamp, &session.Pending, &session.Address, &session.Browser, &since, &seen, &expires)
	session.Since, session.Seen, session.Expires = fromMillis(since), fromMillis(seen), fromMillis(expires)
	return session, err
}

// Get returns a session and its user as of now; pair.Unauthorized: it has ended,
// as it does when nobody has used it for idle, or when the user's stamp is another.
func (s Sessions) Get(ctx context.Context, id string, idle time.Duration) (Session, pair.User, error) {
	ended := pair.Refuse(pair.Unauthorized, "you are signed out: sign in again")
	session, err := scanSession(s.db.reader.QueryRowContext(ctx, `SELECT `+sessionColumns+` FROM session WHERE id = ?`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return Session{}, pair.User{}, ended
	}
	if err != nil {
		return Session{}, pair.User{}, s.db.explain("look up the session", err)
	}
	user, err := s.users.Get(ctx, session.User)
	if err != nil && pair.CodeOf(err) != pair.NotFound {
		return Session{}, pair.User{}, err
	}
	if err != nil || !session.lives(user, s.db.now(), idle) {
		return Session{}, pair.User{}, ended
	}
	return session, user, nil
}

func (s Session) lives(of pair.User, now time.Time, idle time.Duration) bool {
	return now.Before(s.Expires) && now.Sub(s.Seen) < idle && s.Stamp == of.Stamp && !of.Disabled
}

// Use keeps that a session is in use.
func (s Sessions) Use(ctx context.Context, session Session) error {
	now := s.db.now()
	if now.Sub(session.Seen) < sessionUse {
		return nil
	}
	return s.db.exec(ctx, "note the use of the session", nil, `UPDATE session SET seen = ? WHERE id = ?`, millis(now), session.ID)
}

// List lists who is signed in, the last used first. Those still to be asked
// for a code are not.
func (s Sessions) List(ctx context.Context, idle time.Duration) ([]Session, error) {
	users, err := s.users.List(ctx)
	if err != nil {
		return nil, err
	}
	of := make(map[string]pair.User, len(users))
	for _, user := range users {
		of[user.Name] = user
	}
	sessions, now := []Session{}, s.db.now()
	rows, err := s.db.reader.QueryContext(ctx, `SELECT `+sessionColumns+` FROM session WHERE NOT pending ORDER BY seen DESC, id`)
	err = each(rows, err, func(row scanner) error {
		session, err := scanSession(row)
		if user, known := of[session.User]; known && session.lives(user, now, idle) {
			sessions = append(sessions, session)
		}
		return err
	})
	return sessions, s.db.explain("list the sessions", err)
}

// End ends a session and returns whose it was; pair.NotFound if there is none.
func (s Sessions) End(ctx context.Context, id string) (user string, err error) {
	err = s.db.write(ctx, "end the session", func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, `DELETE FROM session WHERE id = ? RETURNING user`, id).Scan(&user)
		if errors.Is(err, sql.ErrNoRows) {
			return pair.Refuse(pair.NotFound, "this session has ended already")
		}
		return err
	})
	return user, err
}

// EndAll ends all sessions of a user on this appliance.
func (s Sessions) EndAll(ctx context.Context, user string) error {
	return s.db.exec(ctx, "end the sessions", nil, `DELETE FROM session WHERE user = ?`, user)
}

// SignOutEverywhere ends all sessions of a user, those on the other appliance with
// the next data sync.
func (s Sessions) SignOutEverywhere(ctx context.Context, user string) error {
	return s.db.write(ctx, "sign out everywhere", func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `UPDATE user SET sign_outs = sign_outs + 1 WHERE name = ?`, user)
		if err := affected(result, err, noUser(user)); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM session WHERE user = ?`, user)
		return err
	})
}
