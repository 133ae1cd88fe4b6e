package pair

import "time"

// Hold is what a primary tells of a planned switch for which it holds requests. The zero
// value says that it holds none, or that its version of Baton does not tell.
type Hold struct {
	Awaits Awaited       `json:"awaits"`
	Within time.Duration `json:"within"` // at most so long, from when this was sent
}

// Awaited is what a primary waits for while it holds requests.
type Awaited uint8

// What is awaited, in this order. A number that a later version tells stands for
// something that this one does not know.
const (
	AwaitsNothing   Awaited = iota
	AwaitsRequests          // running requests end
	AwaitsServices          // the services stop
	AwaitsFinalSync         // the backup pulls the final data sync
)
