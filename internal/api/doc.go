// Package api is the HTTP face of one appliance: a file for each subject, with the
// contract, its operations and their types, and the server and the client, which read
// the operations. The command line and the console speak through it.
//
// It decides who may ask (a minimum access per operation), how a question and an
// answer are written (JSON, RFC 9457 problems, server-sent events), and how a
// refusal becomes an HTTP status and back. It never decides anything about the
// pair: every operation calls a part of Backend, which the packages of acts provide.
//
// Start reading at Users, then Op, Backend, Server and Client.
package api
