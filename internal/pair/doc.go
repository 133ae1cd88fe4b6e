// Package pair is the vocabulary of Baton: the words that every other package
// speaks. It decides nothing and touches nothing: no I/O, no clock, no logging.
//
// Start reading at Role, Epoch and View; docs/words.md lists every word.
package pair
