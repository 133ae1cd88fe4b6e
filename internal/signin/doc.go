// Package signin decides who may come in: accounts, tokens, sessions and one-time codes,
// the rules of the Security page, and how often somebody may guess.
//
// It keeps nothing itself but what it remembers of guesses; accounts are in the site
// database. What a browser's cookie holds is the console's.
//
// Start reading at SignIn.
package signin
