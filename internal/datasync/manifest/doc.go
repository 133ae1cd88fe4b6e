// Package manifest is what a snapshot holds: the entries of all protected data, by which
// two states are compared, and how these are written, read, digested and judged. It is
// pure: no file, clock or goroutine, and it knows no kind of data.
//
// Start reading at Entry, then Manifest. What comes from the peer is decoded by
// ReadEntry and accepted by Manifest.Validate only.
package manifest
