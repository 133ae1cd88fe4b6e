// Package protected opens the protected data of an appliance, of whichever kind, and watches
// the disks that it lies on.
package protected
