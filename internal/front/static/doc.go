// Package static serves the files of one directory. Where the directory has no page of its
// own, it shows the public page.
//
// It never serves a path outside its directory, whatever links lie in it, and never a
// directory listing.
//
// Start reading at Files.
package static
