// Package pair is the vocabulary of Baton: the words that every other package
// speaks. It decides nothing and touches nothing: no I/O (but that of time.LoadLocation, which
// reads the list of time zones), no clock, no logging.
//
// Start reading at Role, Epoch and View; docs/words.md lists every word.
package pair
