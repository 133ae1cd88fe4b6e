// Package service says what the site's services are: programs that run on the primary only. Package
// keeper has them run, package unit runs one.
package service
