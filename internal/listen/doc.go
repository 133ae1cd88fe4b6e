// Package listen opens the addresses of the configuration file and says who gets which
// answer there: how many connections and TLS handshakes at a time, whose certificate, and
// whether the console or the site.
//
// It decides nothing about roles; the doors into the site are opened and closed by the
// agent. It never reads the site database.
//
// Start reading at Listeners.
package listen
