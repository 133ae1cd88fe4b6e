package api

import (
	"crypto/subtle"
	"strings"
)

// SameSetupToken compares what somebody typed or pasted with the one-time setup
// token, in constant time. The token is one of small letters and digits: capitals
// and space around it are no difference.
func SameSetupToken(typed, token string) bool {
	typed = strings.ToLower(strings.TrimSpace(typed))
	return token != "" && subtle.ConstantTimeCompare([]byte(typed), []byte(token)) == 1
}
