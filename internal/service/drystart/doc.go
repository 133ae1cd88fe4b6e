// Package drystart finds out before a takeover what would keep the site's services from running
// on this machine: a unit or program that is missing, a port that another program has, a user
// with another number than on the peer. Nothing is started for it.
//
// Each machine looks at itself and tells its peer ([pair.Installed]); the backup compares. Start
// reading at [DryStart].
package drystart
