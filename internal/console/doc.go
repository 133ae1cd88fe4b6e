// Package console is the web console at /login: pages made on the server, with live
// parts that follow the appliance by themselves.
//
// It shows and asks; it decides nothing. What a user may see or do is in the routes of
// each package of pages; everything goes through the contracts of api, so that roles,
// refusals and the audit are the same. Without script, every page works but for its live
// parts. Closing a page stops nothing.
//
// Package page is what all pages are made of; each other package below has the pages of
// one subject: section.go says which, the routes lead to their handlers, and their HTML is
// in templates/. Package consoletest is for the tests of all.
//
// Start reading at New, then at a small section, as notifications.
package console
