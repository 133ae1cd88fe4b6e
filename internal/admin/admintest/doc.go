// Package admintest is one appliance for the tests of the faces (api, cli, console): the
// acts that users run, on a temporary site database. What the machine and the peer would
// do is made up: the status, how switches and data syncs end, pre-flight and loss, pairing,
// addresses, and who receives notices. Of the machine it touches a temporary directory only.
//
// Start reading at Appliance.
package admintest
