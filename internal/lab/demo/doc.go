// Package demo shows Baton on one machine: two appliances, a gateway and a
// client in a lab, set up by the same commands that an administrator would type,
// with cables to pull. It drives the appliances from outside only: commands,
// their local sockets, the switch; it decides nothing for them and has no way
// into them that an administrator has not.
//
// Start reading at Run; scenario.go is the run without a person.
package demo
