// Package e2e drives real daemons on simulated hosts, as an administrator does
// and as a machine room does: commands over the local socket, cables pulled,
// power cut. Every test asserts from the client's side who answered and when,
// and from the switch's side that no two appliances had the address.
//
// The tests have the build tag e2e; make e2e runs them all, make check those of
// go test -short. They need root, or user namespaces; where neither is, they
// say so and pass.
//
// Start reading at steadyPair in pair_test.go, then takeover_test.go.
package e2e
