// Package cli is the command line: it reads arguments, asks the appliance
// through package api, and writes text for people or JSON for programs.
//
// It decides how a question is typed, how an answer looks, and the exit code. It
// never touches the appliance's files or the network by itself: serve, demo and the
// other commands that ask no appliance are handed in as Commands.
//
// Start reading at Run; each command then has its own file.
package cli
