// Package console is the web console at /login: pages rendered on the server,
// with live parts that follow the appliance by themselves.
//
// It shows and asks; it decides nothing. What a person may see or do is in one
// table (routes.go); everything goes through api.Backend, as the API does, so
// that roles, refusals and the audit are the same. No page needs script, but for
// its live parts. Closing a page stops nothing.
//
// Start reading at Console and routes; a page is one Go file beside one template
// in templates/.
package console
