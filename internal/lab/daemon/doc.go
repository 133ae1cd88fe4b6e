// Package daemon runs the daemon on a host of the lab and handles it as an
// administrator does: a configuration file, commands, a look at the local
// socket. The demo, the benchmarks and the end-to-end tests all stand on it. It
// decides nothing and injects no fault: see package lab.
//
// Start reading at New, then Appliance.Serve and Pairing.
package daemon
