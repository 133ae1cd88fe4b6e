// Package program finds out what a service would start on this machine: whether the program is there, what
// it holds, as whom it runs. And it reads what a program has written, for a person.
package program
