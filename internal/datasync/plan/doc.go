// Package plan decides what a data sync has to do: it compares what an
// appliance has with what it should have, and knows how a manifest is written,
// read, digested and judged. It is pure: no file, clock or goroutine.
//
// Start reading at Entry, then Compare. What comes from the peer is decoded by
// ReadEntry and accepted by Manifest.Validate only.
package plan
