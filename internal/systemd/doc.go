// Package systemd speaks with systemd, the service manager of the machine: it starts and
// stops units, and verifies that what was stopped is gone; it runs commands as units of their
// own; and it reads and sets when a timer last ran.
//
// It speaks on the private socket of systemd, which is there before the message bus and in a
// shutdown after it, and only root may use. It decides nothing: when a unit is to run is for
// others to say. Start reading at [Manager.Start] and [Manager.Stop].
package systemd
