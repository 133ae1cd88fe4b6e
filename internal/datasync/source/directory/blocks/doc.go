// Package blocks tells in which blocks of a large file two contents differ: it keeps the
// lists of their blocks, and compares them.
//
// Start reading at Store, then Compare.
package blocks
