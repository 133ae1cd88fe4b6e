package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"baton/internal/pair"
)

// problem is an RFC 9457 problem with Baton's code as an extension member.
type problem struct {
	Type   string       `json:"type" doc:"about:blank: the code tells the kind"`
	Title  string       `json:"title" doc:"Name of the HTTP status"`
	Status int          `json:"status"`
	Detail string       `json:"detail" doc:"One sentence with the next step"`
	Code   pair.Code    `json:"code" enum:"failed,usage,refused,unreachable,unauthorized,forbidden,not_found,conflict,too_many"`
	Errors []fieldError `json:"errors,omitempty" doc:"Refused fields, one by one"`
}

type fieldError struct {
	Location string `json:"location" doc:"Field, as primary_timeout or body.address"`
	Message  string `json:"message"`
}

const problemType = "application/problem+json"

// Error implements error.
func (p *problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (*problem) ContentType(string) string { return problemType }

func newProblem(status int, code pair.Code, detail string) *problem {
	return &problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: detail}
}

// problemOf turns a failure of the backend into what the client may read. The
// cause goes to the log, as does everything that is not an *Error.
func problemOf(log *slog.Logger, err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	refusal := pair.RefusalOf(err)
	if refusal == nil && errors.Is(err, context.Canceled) {
		return newProblem(http.StatusServiceUnavailable, pair.Failed, "the question was withdrawn, or the appliance is stopping: ask again")
	}
	if refusal == nil {
		log.Error("request failed", slog.Any("error", err))
		return newProblem(http.StatusInternalServerError, pair.Failed, "this failed inside the appliance; its log says why (journalctl -u baton)")
	}
	if refusal.Cause != nil {
		log.Info("request refused", slog.String("text", refusal.Text), slog.Any("error", refusal.Cause))
	}
	p := newProblem(StatusOf(refusal.Code), refusal.Code, refusal.Text)
	for _, field := range refusal.Fields {
		p.Errors = append(p.Errors, fieldError{Location: field.Name, Message: field.Text})
	}
	return p
}

// tidy replaces the library's own problems (malformed JSON, a value outside its
// schema) by ours. It drops the refused values, which may be secrets.
func tidy(_ huma.Context, _ string, answer any) (any, error) {
	theirs, ok := answer.(*huma.ErrorModel)
	if !ok {
		return answer, nil
	}
	p := newProblem(theirs.Status, codeOfStatus(theirs.Status), theirs.Detail)
	var texts []string
	for _, detail := range theirs.Errors {
		if detail == nil {
			continue
		}
		p.Errors = append(p.Errors, fieldError{Location: detail.Location, Message: detail.Message})
		texts = append(texts, strings.TrimSpace(detail.Location+" "+detail.Message))
	}
	if len(texts) > 0 {
		p.Detail += ": " + strings.Join(texts, "; ")
	}
	return p, nil
}

// write sends the problem where no library does it.
func (p *problem) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // an error means that the client has gone
}

// Refuse answers with an error as this interface writes it, for what is none of its
// routes.
func Refuse(w http.ResponseWriter, err *pair.Refusal) {
	newProblem(StatusOf(err.Code), err.Code, err.Text).write(w)
}
