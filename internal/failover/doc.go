// Package failover decides: which appliance is primary, when a backup takes
// over, when a primary steps down, how two of them swap. It is a pure state
// machine: no clock, no I/O, no goroutine, no log, no randomness. The same
// state, instant and event always give the same answer.
//
// Next takes what happened and returns what to do; Deadline says when to call
// it again if nothing happens. The agent carries the actions out and reports
// each outcome as another event, so a role is never assumed to have taken hold.
//
// The invariants that hold, and that the explorer in failovertest checks:
//
//	I1  at most one appliance ever holds an epoch
//	I2  an appliance holds the shared IP only while entitled
//	I3  a role change is durable before any effect of it
//	I4  nothing from a lower epoch is ever applied
//	I5  two primaries serve at once only if peer, test IPs and shared IP were all split
//	I6  every change is in the active data, in a diverged copy, or younger than the data age shown
//	I7  once faults stop, there is one primary and one backup within a bounded time
//	I8  no automatic change while the primary is heard and healthy
//	I9  no service stops for a planned switch while requests run that have time left
//
// Start reading at State, then takeover.go and primary.go; then at the stories
// in testdata. What takes facts only asks; what takes a turn acts.
package failover

//go:generate go test -run TestStories|TestPageShows . -rewrite
