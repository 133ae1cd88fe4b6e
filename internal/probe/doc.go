// Package probe tells whether this machine reaches others: it pings the test
// IPs. It decides nothing about what silence means, and keeps nothing between
// calls.
//
// Start reading at Ping.
package probe
