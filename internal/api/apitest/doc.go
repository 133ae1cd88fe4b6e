// Package apitest is one appliance held in memory, for the tests of the faces
// (api, cli, console): it keeps what it is told, refuses what a real appliance
// would refuse, and never touches the machine.
//
// Start reading at Appliance.
package apitest
