// Package health says when something that is checked is sick: which answer is a good one, how often one
// asks, and how many results in a row count. It asks nobody, see package probe.
package health
