// Package console is the web console at /login: pages made on the server, with live
// parts that follow the appliance by themselves.
//
// It shows and asks; it decides nothing. What a user may see or do is in the routes of
// each package of pages; everything goes through the contracts of api, so that roles,
// refusals and the audit are the same. Without script, every page works but for its live
// parts. Closing a page stops nothing.
//
// Package page is what all pages are made of; each other package below has the pages of
// one subject. A page is one Go file beside one template in templates/.
package console
