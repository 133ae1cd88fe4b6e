// Package proxy passes the requests of the site's clients on to one application, and its answers
// back: nothing is kept on the way, in either direction. While the application cannot be
// reached, clients get a page that says so.
//
// An answer that breaks off is never made to look whole, and a request that was sent once is
// sent again only if it may be. What the application is told of a client comes from its
// connection, never from what the client says.
//
// Start reading at Site; pass.go passes on what has no body, upstream.go asks the application, endless.go ends what does not end by
// itself when a hold begins.
package proxy
