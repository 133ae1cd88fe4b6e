package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"time"

	"baton/internal/cause"
	"baton/internal/pair"

	"github.com/danielgtaylor/huma/v2"
)

// minimumRole is the OpenAPI extension that declares, and the key by which
// authorize finds, the least access of an operation.
const minimumRole = "x-minimum-role"

// endpoint declares one operation.
type endpoint struct {
	method  string
	path    string // below Prefix
	name    string // operation id
	least   pair.Access
	summary string
	status  int               // of success; 0: 200, or 204 without a body
	timeout time.Duration     // for the backend; 0: answerTimeout
	replies string            // content type of a streamed answer; empty: JSON
	or      reflect.Type      // what a streamed answer is as JSON, if it can be that as well
	takes   *huma.RequestBody // a body that the handler of a POST reads itself
}

// Shapes that huma fills and reads.
type (
	none            struct{}
	answer[T any]   struct{ Body T }
	question[T any] struct{ Body T }
	named           struct {
		Name string `path:"name" maxLength:"64"`
	}
	identified struct {
		ID string `path:"id" maxLength:"128"`
	}
)

// add registers an endpoint. It is a function, not a method, for its type
// parameters.
func add[I, O any](s *Server, e endpoint, handle func(context.Context, *I) (*O, error)) {
	timeout := e.timeout
	if timeout == 0 {
		timeout = answerTimeout
	}
	huma.Register(s.routes, s.operation(e), func(ctx context.Context, in *I) (*O, error) {
		if e.replies == "" {
			limited, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			ctx = limited
		}
		out, err := handle(ctx, in)
		if errors.Is(err, context.DeadlineExceeded) {
			err = pair.Refuse(pair.Failed, "%s did not end within %s: look at the status before trying again; %w", e.name, timeout, cause.Plain(err))
		}
		if err != nil {
			return nil, problemOf(s.log, err)
		}
		return out, nil
	})
	if e.takes != nil { // after the registration, so that the library leaves this body alone
		s.routes.OpenAPI().Paths[Prefix+e.path].Post.RequestBody = e.takes
	}
}

func (s *Server) operation(e endpoint) huma.Operation {
	responses := map[string]*huma.Response{"default": s.problemResponse()}
	if e.replies != "" {
		responses["200"] = &huma.Response{
			Description: http.StatusText(http.StatusOK),
			Content:     map[string]*huma.MediaType{e.replies: {Schema: &huma.Schema{Type: huma.TypeString}}},
		}
	}
	if e.or != nil {
		schema := s.routes.OpenAPI().Components.Schemas.Schema(e.or, true, "")
		responses["200"].Content["application/json"] = &huma.MediaType{Schema: schema}
	}
	op := huma.Operation{
		Method: e.method, Path: Prefix + e.path, OperationID: e.name, Summary: e.summary,
		DefaultStatus: e.status, MaxBodyBytes: maxBody, BodyReadTimeout: readTimeout,
		Responses:  responses,
		Extensions: map[string]any{minimumRole: string(e.least)},
	}
	if e.least != SetupOnly {
		op.Security = []map[string][]string{{"token": {}}}
	}
	return op
}

func (s *Server) problemResponse() *huma.Response {
	schema := s.routes.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[problem](), true, "Problem")
	return &huma.Response{
		Description: "A problem (RFC 9457)",
		Content:     map[string]*huma.MediaType{problemType: {Schema: schema}},
	}
}

// leastOf returns the declared minimum of an operation.
func leastOf(op *huma.Operation) (pair.Access, error) {
	least, ok := op.Extensions[minimumRole].(string)
	if !ok {
		return "", fmt.Errorf("operation %s declares no minimum role", op.OperationID)
	}
	return pair.Access(least), nil
}

// list answers an empty list instead of null.
func list[T any](items []T, err error) (*answer[[]T], error) {
	if err != nil {
		return nil, err
	}
	if items == nil {
		items = []T{}
	}
	return &answer[[]T]{Body: items}, nil
}

// one answers a value.
func one[T any](value T, err error) (*answer[T], error) {
	if err != nil {
		return nil, err
	}
	return &answer[T]{Body: value}, nil
}

// done answers nothing.
func done(err error) (*none, error) {
	if err != nil {
		return nil, err
	}
	return &none{}, nil
}
