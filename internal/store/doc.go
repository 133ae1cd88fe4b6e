// Package store keeps the site's settings, users, API tokens, definitions of protected
// data and the history of events, in one SQLite database. The pair shares it: the
// backup imports all tables but the history; the histories of both are merged.
//
// The package decides what is valid to store and makes it durable before it
// returns. It never decides a role, never talks to the peer, and never starts
// anew in silence where something was stored before.
//
// Start reading at Site; schema/*.sql explains each table.
package store
