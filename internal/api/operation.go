package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"baton/internal/cause"
	"baton/internal/pair"
)

// minimumRole is the OpenAPI extension that declares, and the key by which
// authorize finds, the least access of an operation.
const minimumRole = "x-minimum-role"

// route is where an operation is found, and who may ask for it.
type route struct {
	method  string
	path    string // below Prefix
	name    string // operation id
	least   pair.Access
	summary string
	status  int           // of success; 0: 200, or 204 without a body
	timeout time.Duration // for the backend; 0: answerTimeout

	streams string            // content type of a streamed answer; empty: JSON
	or      reflect.Type      // what a streamed answer is as JSON, if it can be that as well
	takes   *huma.RequestBody // a body that the operation of a POST reads itself
}

func get(path, name string, least pair.Access, summary string) route {
	return route{method: http.MethodGet, path: path, name: name, least: least, summary: summary}
}

func post(path, name string, least pair.Access, summary string) route {
	return route{method: http.MethodPost, path: path, name: name, least: least, summary: summary}
}

func put(path, name string, least pair.Access, summary string) route {
	return route{method: http.MethodPut, path: path, name: name, least: least, summary: summary}
}

func patch(path, name string, least pair.Access, summary string) route {
	return route{method: http.MethodPatch, path: path, name: name, least: least, summary: summary}
}

func del(path, name string, least pair.Access, summary string) route {
	return route{method: http.MethodDelete, path: path, name: name, least: least, summary: summary}
}

// Op is an operation: an act of a subject S that is asked for with a question Q and
// answered with A. It is declared once. The server binds it to the subject of its
// backend, and whoever has a Client calls it, so that they cannot differ about path,
// role and types.
type Op[S, Q, A any] struct {
	route
	bind func(*Server, route, func(context.Context, Q) (A, error))
	call func(context.Context, *Client, route, Q) (A, error)
	act  func(S, context.Context, Q) (A, error)
}

// None is a question, or an answer, that says nothing.
type None struct{}

// Call asks an appliance. Its failures are *pair.Refusal.
func (o Op[S, Q, A]) Call(ctx context.Context, c *Client, question Q) (A, error) {
	return o.call(ctx, c, o.route, question)
}

// Do is Call for those who do not need the answer.
func (o Op[S, Q, A]) Do(ctx context.Context, c *Client, question Q) error {
	_, err := o.call(ctx, c, o.route, question)
	return err
}

// answering is the operation with another status of success than the usual one.
func (o Op[S, Q, A]) answering(status int) Op[S, Q, A] {
	o.status = status
	return o
}

// within is the operation with more, or less, time for the backend than usual.
func (o Op[S, Q, A]) within(timeout time.Duration) Op[S, Q, A] {
	o.timeout = timeout
	return o
}

// serve has the server answer an operation by a subject of its backend.
func serve[S, Q, A any](s *Server, subject S, o Op[S, Q, A]) {
	o.bind(s, o.route, func(ctx context.Context, question Q) (A, error) { return o.act(subject, ctx, question) })
}

// Questions and answers travel as structs, whose tags (path, query, header, Body) the
// server and the client go by.
type (
	inBody[T any] struct{ Body T }
	inName        struct {
		Name string `path:"name" maxLength:"64"`
	}
	inID struct {
		ID string `path:"id" maxLength:"128"`
	}
)

// Named is a question about what the path names.
type Named[T any] struct {
	Name string `path:"name" maxLength:"64"`
	Body T
}

// The constructors take the act as the contract has it: a method expression, as
// Users.AddUser. They differ in how question and answer travel.

// ask is an operation without a question.
func ask[S, A any](r route, act func(S, context.Context) (A, error)) Op[S, None, A] {
	return operation(r, same, open, func(s S, ctx context.Context, _ None) (A, error) { return act(s, ctx) })
}

// order is an operation without question and answer.
func order[S any](r route, act func(S, context.Context) error) Op[S, None, None] {
	return operation(r, same, same, func(s S, ctx context.Context, _ None) (None, error) { return None{}, act(s, ctx) })
}

// askWith is an operation whose question is JSON.
func askWith[S, Q, A any](r route, act func(S, context.Context, Q) (A, error)) Op[S, Q, A] {
	return operation(r, body, open, act)
}

// orderWith is an operation whose question is JSON, without an answer.
func orderWith[S, Q any](r route, act func(S, context.Context, Q) error) Op[S, Q, None] {
	return operation(r, body, same, quiet(act))
}

// askBy is an operation whose question is a struct with tags.
func askBy[S, Q, A any](r route, act func(S, context.Context, Q) (A, error)) Op[S, Q, A] {
	return operation(r, same, open, act)
}

// orderBy is askBy without an answer.
func orderBy[S, Q any](r route, act func(S, context.Context, Q) error) Op[S, Q, None] {
	return operation(r, same, same, quiet(act))
}

// tagged is an operation whose question and answer are structs with tags.
func tagged[S, Q, A any](r route, act func(S, context.Context, Q) (A, error)) Op[S, Q, A] {
	return operation(r, same, same, act)
}

// orderName is an operation about what the path names, without an answer.
func orderName[S any](r route, act func(S, context.Context, string) error) Op[S, string, None] {
	return operation(r, byName, same, quiet(act))
}

// askID is an operation about what the path identifies.
func askID[S, A any](r route, act func(S, context.Context, string) (A, error)) Op[S, string, A] {
	return operation(r, byID, open, act)
}

// orderID is askID without an answer.
func orderID[S any](r route, act func(S, context.Context, string) error) Op[S, string, None] {
	return operation(r, byID, same, quiet(act))
}

func quiet[S, Q any](act func(S, context.Context, Q) error) func(S, context.Context, Q) (None, error) {
	return func(s S, ctx context.Context, question Q) (None, error) { return None{}, act(s, ctx, question) }
}

// shape says how a value V travels: as the struct T.
type shape[V, T any] struct {
	pack   func(V) T
	unpack func(*T) V
}

func same[V any]() shape[V, V] {
	return shape[V, V]{func(v V) V { return v }, func(t *V) V { return *t }}
}

func body[V any]() shape[V, inBody[V]] {
	return shape[V, inBody[V]]{func(v V) inBody[V] { return inBody[V]{v} }, func(t *inBody[V]) V { return t.Body }}
}

// open is body for an answer: its lists are never null.
func open[V any]() shape[V, inBody[V]] {
	return shape[V, inBody[V]]{func(v V) inBody[V] { return inBody[V]{withLists(v)} }, func(t *inBody[V]) V { return t.Body }}
}

func byName() shape[string, inName] {
	return shape[string, inName]{func(name string) inName { return inName{name} }, func(t *inName) string { return t.Name }}
}

func byID() shape[string, inID] {
	return shape[string, inID]{func(id string) inID { return inID{id} }, func(t *inID) string { return t.ID }}
}

func operation[S, Q, I, A, O any](r route, in func() shape[Q, I], out func() shape[A, O], act func(S, context.Context, Q) (A, error)) Op[S, Q, A] {
	return Op[S, Q, A]{
		route: r, act: act,
		bind: func(s *Server, r route, handle func(context.Context, Q) (A, error)) {
			register(s, r, func(ctx context.Context, question *I) (*O, error) {
				answer, err := handle(ctx, in().unpack(question))
				if err != nil {
					return nil, err
				}
				return new(out().pack(answer)), nil
			})
		},
		call: func(ctx context.Context, c *Client, r route, question Q) (answer A, err error) {
			var target O
			if err := c.exchange(ctx, r, new(in().pack(question)), &target); err != nil {
				return answer, err
			}
			return out().unpack(&target), nil
		},
	}
}

// register has the server answer a route, within its time.
func register[I, O any](s *Server, r route, handle func(context.Context, *I) (*O, error)) {
	timeout := r.timeout
	if timeout == 0 {
		timeout = answerTimeout
	}
	huma.Register(s.routes, s.documented(r), func(ctx context.Context, in *I) (*O, error) {
		if r.streams == "" {
			limited, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			ctx = limited
		}
		out, err := handle(ctx, in)
		if errors.Is(err, context.DeadlineExceeded) {
			err = pair.Refuse(pair.Failed, "%s did not end within %s: look at the status before trying again; %w", r.name, timeout, cause.Plain(err))
		}
		if err != nil {
			return nil, problemOf(s.log, err)
		}
		return out, nil
	})
	if r.takes != nil { // after the registration, so that the library leaves this body alone
		s.routes.OpenAPI().Paths[Prefix+r.path].Post.RequestBody = r.takes
	}
}

// documented is a route as the OpenAPI document has it.
func (s *Server) documented(r route) huma.Operation {
	responses := map[string]*huma.Response{"default": s.problemResponse()}
	if r.streams != "" {
		responses["200"] = &huma.Response{
			Description: http.StatusText(http.StatusOK),
			Content:     map[string]*huma.MediaType{r.streams: {Schema: &huma.Schema{Type: huma.TypeString}}},
		}
	}
	if r.or != nil {
		schema := s.routes.OpenAPI().Components.Schemas.Schema(r.or, true, "")
		responses["200"].Content["application/json"] = &huma.MediaType{Schema: schema}
	}
	op := huma.Operation{
		Method: r.method, Path: Prefix + r.path, OperationID: r.name, Summary: r.summary,
		DefaultStatus: r.status, MaxBodyBytes: maxBody, BodyReadTimeout: readTimeout,
		Responses:  responses,
		Extensions: map[string]any{minimumRole: string(r.least)},
	}
	if r.least != SetupOnly {
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

// withLists returns an answer whose lists are empty instead of null: the answer itself,
// and what is directly in it or in its items.
func withLists[T any](answer T) T {
	v := reflect.ValueOf(&answer).Elem()
	if v.Kind() == reflect.Slice {
		items := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(items, v)
		v.Set(items)
		for i := range v.Len() {
			fillLists(v.Index(i))
		}
	}
	fillLists(v)
	return answer
}

func fillLists(v reflect.Value) {
	if v.Kind() != reflect.Struct {
		return
	}
	for i := range v.NumField() {
		switch field := v.Field(i); {
		case v.Type().Field(i).Anonymous:
			fillLists(field)
		case field.Kind() == reflect.Slice && field.IsNil() && field.CanSet():
			field.Set(reflect.MakeSlice(field.Type(), 0, 0))
		}
	}
}
