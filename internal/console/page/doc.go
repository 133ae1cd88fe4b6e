// Package page is what every page of the console is made of: routes and who may use
// them, sessions, the frame around a page, forms, and the parts of an open page that
// follow the appliance. It has only a few pages of its own (Frame); all others, also the
// sign-in, come as sections.
//
// Start reading at Section and Visit: a section declares routes, and a route handles a
// Visit. Server joins them; Of is a page that shows what is saved.
package page
