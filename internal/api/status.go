package api

import (
	"net/http"

	"baton/internal/pair"
)

// StatusOf returns the HTTP status under which a code travels.
func StatusOf(code pair.Code) int {
	switch code {
	case pair.Usage:
		return http.StatusUnprocessableEntity
	case pair.Refused:
		return http.StatusConflict
	case pair.Unreachable:
		return http.StatusBadGateway
	case pair.Unauthorized:
		return http.StatusUnauthorized
	case pair.Forbidden:
		return http.StatusForbidden
	case pair.NotFound:
		return http.StatusNotFound
	case pair.Stale:
		return http.StatusPreconditionFailed
	case pair.TooMany:
		return http.StatusTooManyRequests
	case pair.Unconfirmed:
		return http.StatusGatewayTimeout
	case pair.Failed:
		return http.StatusInternalServerError
	}
	return http.StatusInternalServerError
}

// codeOfStatus is the way back, for answers that carry no code.
func codeOfStatus(status int) pair.Code {
	switch status {
	case http.StatusConflict:
		return pair.Refused
	case http.StatusTooManyRequests:
		return pair.TooMany
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return pair.Unreachable
	case http.StatusUnauthorized:
		return pair.Unauthorized
	case http.StatusForbidden:
		return pair.Forbidden
	case http.StatusNotFound:
		return pair.NotFound
	case http.StatusPreconditionFailed:
		return pair.Stale
	}
	if status >= 400 && status < 500 {
		return pair.Usage
	}
	return pair.Failed
}
