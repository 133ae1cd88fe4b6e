// Package plain serves plain requests on the connections of an http.Server for it, with less of the
// processor: GET and HEAD without a body, one at a time. net/http has a goroutine of its own watch each
// connection while it answers, in case the client goes away; here a timer looks, every tenth of a second.
//
// The connection is net/http's all the time: it accepts it, closes it, and recovers from what a handler does. What
// it reads from it is only what is not plain. Once there is anything of that kind, the connection is
// left to net/http for good, so that nothing here has to understand more than the simplest of HTTP.
//
// Start reading at conn.Read; request.go says what is plain, answer.go writes answers.
package plain
