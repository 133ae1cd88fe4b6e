// Package systemd tries Baton on two real machines: Debian with systemd and the package that
// make package makes, booted by systemd-nspawn, each on a host of the lab. Cables are pulled, power
// is cut, units are stopped, and the machines are rebooted.
//
// The tests have the build tag e2e. Run them by make e2e-systemd; those of go test -short are in make smoke.
// They need root, and the programs that machine_test.go names; where these cannot be had, they say so
// and pass.
//
// Start reading at machines in machine_test.go, then failover_test.go.
package systemd
