// Package front is the public site's door: a gate, and behind it whatever serves the
// site. While this appliance is the primary the gate is open; during a handover it
// holds requests, and otherwise it turns them away.
//
// It decides nothing: the door is moved by Open, Hold, PassOn, Dismiss and Close. It does not know
// what the site is: the files of a directory (package static), or anything else.
//
// Start reading at Front; gate.go holds the door's positions.
package front
