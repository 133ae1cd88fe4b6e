// Package inforce holds the values that an administrator has set and that are in force
// on this appliance now, for everybody who goes by them. It never reads or writes the
// site database.
//
// Start reading at Settings.
package inforce
