// Package archtest holds the rules of the tree, as tests: who may import whom,
// how large a file may be, what the pure packages must not know. It parses the
// files themselves, so that the test cache notices a change. It decides nothing
// at run time; no program imports it.
//
// Start reading at table_test.go: it lists every package of the tree. Whoever
// adds a package adds its line there.
package archtest
