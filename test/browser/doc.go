// Package browser drives the console in a real browser, as an administrator
// does: two daemons on simulated hosts, and Chromium on a third, so that cables
// can be pulled between them. It finds everything by what a person reads (labels,
// buttons, headings), and every page that it comes to must be free of what axe-core
// finds, of script errors and of violations of the content security policy.
//
// The tests have the build tag e2e; make browser runs them, make gallery also
// writes a picture of every page in every state. They need Chromium, and root or
// user namespaces.
//
// Start reading at TestTheWholeWay in story_test.go, then tab_test.go.
package browser
