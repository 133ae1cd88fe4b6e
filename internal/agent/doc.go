// Package agent joins the decision to the world: it owns the state of package
// failover, hands it what happens, and has the edges carry out what it answers.
// One goroutine does this, one event at a time; nothing that may take long is
// done on it, with three exceptions that must: making the record durable, putting
// the shared IP on or taking it off, and, for at most 100 ms of a planned switch, the
// answers to requests that were held.
//
// That goroutine also answers the peer's polls. A daemon whose loop hangs (a
// dead disk, a stopped process) therefore does not answer, and does not renew
// the lease on the shared IP.
//
// The interfaces it needs are in edges.go. Start reading at Agent.Run, then perform.go (what
// it does), ask.go (what others ask of it), syncs.go (data syncs).
package agent
