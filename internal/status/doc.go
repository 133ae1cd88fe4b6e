// Package status tells what this appliance is, sees and thinks: its status and that of the
// site, readiness, what the peer has reported, conditions, and the checks of the doctor and
// before a switch.
//
// It decides nothing: it asks the decision's own functions, and shapes no view of the peer.
//
// Start reading at Overview.
package status
