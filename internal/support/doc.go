// Package support tells what software runs here and helps where it does not run well: the
// support bundle, without secrets, and the backup file of all that is set for the site.
//
// It decides nothing about the pair. What goes into the bundle is handed in as files, so
// that it need not know where they come from.
//
// Start reading at Bundle.
package support
