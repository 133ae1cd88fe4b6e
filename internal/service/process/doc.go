// Package process runs the commands of services where there is no systemd: as children of this daemon, each
// with all that it starts in a control group of its own, which nothing leaves without root's powers. They
// outlive a reload of the daemon; what a daemon that was killed has left is found by its group.
//
// A unit is systemd's, and cannot run here.
package process
