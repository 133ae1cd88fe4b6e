// Package admin does what an administrator asks for: it implements the contract of the API,
// one small struct for each subject. People and the program itself have packages of their
// own (signin, support), and what only tells is in package status.
//
// It decides nothing about roles: it asks the agent, and writes into the history who asked.
//
// Start reading at Roles.
package admin
