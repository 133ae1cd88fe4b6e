// Package peer is the link between the two appliances of a pair: identities,
// the pre-shared key, pairing, and one authenticated HTTP/2 connection for
// control and another for data, on the port that the console uses too.
//
// It decides who the peer is and whether it knows the key, and it refuses everybody else.
// It never decides what an answer, or none, means for the appliance's role, and never
// reads or writes protected data.
//
// A connection is made in three steps: TLS 1.3 with certificates on both sides (ALPN
// baton-peer/1), compared by their pins; then CPace over the pre-shared key,
// bound to that TLS session (handshake.go); then HTTP/2 inside it.
//
// Start reading at Link in link.go; then handshake.go, lookup.go (Way), pairing.go (Pairing),
// and package channel for how a lost connection is replaced.
package peer
