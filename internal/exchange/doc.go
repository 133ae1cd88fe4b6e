// Package exchange keeps the two appliances of a pair told of one another: the history of
// both, the settings and documents of the site, and how each is.
//
// The backup asks and the primary answers. It decides nothing; a backup goes by what its
// primary says as soon as it says it. The data of the site is package datasync's.
//
// Start reading at Exchange.
package exchange
