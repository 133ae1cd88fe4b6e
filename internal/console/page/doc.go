// Package page is what every page of the console is made of: routes and who may use
// them, sessions, the frame around a page, forms, and the parts of an open page that
// follow the appliance. It knows no page but its own few: sign-in, pages and their
// paths come as sections.
//
// Start reading at Server and Visit.
package page
