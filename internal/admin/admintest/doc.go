// Package admintest is one appliance for the tests of the faces (api, cli, console): the
// acts that users run, on a temporary site database. What the machine and the peer would
// do is made up: the status, roles and data syncs, pairing, addresses, disks, diverged
// copies, and who receives notices. It never touches the machine.
//
// Start reading at Appliance.
package admintest
