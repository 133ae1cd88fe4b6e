// Package act holds what every act of an administrator shares: who asks, whether this
// appliance may do it now, the line in the history, and how a failure is told.
//
// It decides who may change what the site keeps: the primary, or an appliance that
// stands alone. It knows no subject; those are in packages admin, signin and support.
//
// Start reading at Lead.
package act
