// Package api is the HTTP face of one appliance: the types that cross it, the
// server and the client. The command line and the console speak through it.
//
// It decides who may ask (a minimum Access per route), how a question and an
// answer are written (JSON, RFC 9457 problems, server-sent events), and how an
// Error becomes an HTTP status and back. It never decides anything about the
// pair: every route calls a Backend, which package app provides.
//
// Start reading at Backend, then Server and Client.
package api
