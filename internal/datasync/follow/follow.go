// Package follow is the contract of data that streams: of a database server that
// replicates by its own means, and whose copy on the backup is current all the time,
// between snapshots and without them. A kind of it (PostgreSQL, MariaDB) is a
// package below this one.
//
// One appliance's database leads, the other's follows it. What the decision asks of the
// data of snapshots has an answer here:
//
//	to open the data, before a takeover     Promote
//	the final sync of a planned switch      Stop there; here wait until Position covers what that returned
//	to set aside what only this side has    Rejoin
//	how old the copy is                     Position
//
// and the duties of a service are lead (Promote), follow (Start) and rest (Stop),
// so a database joins the pair without a rule of its own. The power may be cut within any
// call; the call is then made again, and ends the same. Calls of one Database come one at
// a time, but for Position and Serve.
package follow

import (
	"context"
	"errors"
	"io"
	"time"

	"baton/internal/kept"
)

// Sentinels that a caller tells apart.
var (
	// ErrDiverged means that the history here is no beginning of that of the other
	// side: it is to Rejoin.
	ErrDiverged = errors.New("the database has a history of its own")
	// ErrLeads means that the database takes writes, so that it does not follow.
	ErrLeads = errors.New("the database leads")
)

// Position is how far the history of a database has come, in its own words: an LSN with
// its timeline, a set of GTIDs. Only Database.Covers compares two. The zero value is that
// of an empty database.
type Position struct {
	Text string
	At   time.Time // when the newest transaction before it was committed where it was written; zero: not known
}

// Upstream is the way to the database of the other side: each connection that Dial makes
// is handed to its Serve there, over the authenticated link.
type Upstream interface {
	Dial(ctx context.Context) (io.ReadWriteCloser, error)
}

// Keep makes a diverged copy, durably: write puts what is to be kept into the copy's
// folder, and returns its list of files.
type Keep func(ctx context.Context, write func(into string) ([]kept.DivergedFile, error)) error

// Database is one database server of this appliance that leads or follows.
type Database interface {
	// Start has the database follow: it receives from upstream, and goes on by itself
	// after a lost connection, until Stop, Promote or Rejoin. An empty database receives
	// everything first. Started again, it goes on. It refuses writes. A database that
	// leads is ErrLeads; one whose history upstream does not continue is ErrDiverged.
	Start(ctx context.Context, upstream Upstream) error
	// Position returns how far the history is durable here.
	Position(ctx context.Context) (Position, error)
	// Covers reports whether whatever a database at the position want holds is held by
	// one at have as well. It asks no server.
	Covers(have, want Position) bool
	// Stop ends writes and following, and returns the position, which stands from then
	// on. A database that led still leads when the appliance promotes it anew.
	Stop(ctx context.Context) (Position, error)
	// Promote ends following and has the database take writes. Everything that was
	// received counts. It returns the position at which its own history begins.
	// A database that leads goes on.
	Promote(ctx context.Context) (Position, error)
	// Rejoin makes a database follow whose history upstream does not continue: what it
	// holds and upstream does not is given up. Before, if there is anything of that
	// kind, it calls keep, and gives nothing up unless that returns without an error.
	Rejoin(ctx context.Context, upstream Upstream, keep Keep) error
	// Serve sends the history, and what is added to it, to the database at the other
	// end of a connection, until the connection or the context ends. It closes the
	// connection.
	Serve(ctx context.Context, connection io.ReadWriteCloser) error
}
