// Package page writes the public page: title and message of the site, in a page that runs
// nothing.
//
// Start reading at New.
package page
