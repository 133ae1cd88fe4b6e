// Package front is the public site's door: it serves the files of one directory
// while this appliance is the primary, holds requests during a handover, and
// turns them away otherwise. Where the directory has no page of its own, it shows
// the public page.
//
// It decides nothing: the door is moved by Open, Hold, Dismiss and Close. It never serves
// a path outside its directory, whatever links lie in it, and never a directory
// listing.
//
// Start reading at Front; gate.go holds the door's four positions, page.go the
// public page.
package front
