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

// answering sets another status of success.
func (r route) answering(status int) route {
	r.status = status
	return r
}

// within is the route with more, or less, time for the backend than usual.
func (r route) within(timeout time.Duration) route {
	r.timeout = timeout
	return r
}

// Op is an operation: an act of a subject S that is asked for with a question Q and
// answered with A. It is declared once. The server binds it to the subject of its
// backend, and clients call it, so that they cannot differ about path, role and types.
type Op[S, Q, A any] struct{ *operation }

// operation is an Op apart from its types, so that the program has most of its code once.
type operation struct {
	route
	question travels
	answer   travels
	register func(*Server, route, func(ctx context.Context, question any) (answer any, err error))
	act      func(subject any, ctx context.Context, question any) (any, error)
}

// None is a question, or an answer, that says nothing.
type None struct{}

// Call asks an appliance. Its failures are *pair.Refusal.
func (o Op[S, Q, A]) Call(ctx context.Context, c *Client, question Q) (answer A, err error) {
	given, err := o.call(ctx, c, question)
	if err != nil {
		return answer, err
	}
	return given.(A), nil
}

// Do is Call for those who do not need the answer.
func (o Op[S, Q, A]) Do(ctx context.Context, c *Client, question Q) error {
	_, err := o.call(ctx, c, question)
	return err
}

func (o *operation) call(ctx context.Context, c *Client, question any) (any, error) {
	answer := reflect.New(o.answer.as).Interface()
	if err := c.exchange(ctx, o.route, o.question.pack(question).Interface(), answer); err != nil {
		return nil, err
	}
	return o.answer.unpack(answer), nil
}

// serve has the server answer an operation by a subject of its backend.
func serve[S, Q, A any](s *Server, subject S, o Op[S, Q, A]) { o.serve(s, subject) }

func (o *operation) serve(s *Server, subject any) {
	o.register(s, o.route, func(ctx context.Context, question any) (any, error) {
		answer, err := o.act(subject, ctx, o.question.unpack(question))
		if err != nil {
			return nil, err
		}
		packed := o.answer.pack(answer)
		if o.answer.of != o.answer.as {
			fillLists(packed.Elem().Field(0))
		}
		return packed.Interface(), nil
	})
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

// travels says how values travel: as a struct that has them in its only field, or as
// themselves.
type travels struct{ of, as reflect.Type }

// pack returns a pointer to the struct.
func (t travels) pack(value any) reflect.Value {
	packed := reflect.New(t.as)
	if t.of == t.as {
		packed.Elem().Set(reflect.ValueOf(value))
	} else {
		packed.Elem().Field(0).Set(reflect.ValueOf(value))
	}
	return packed
}

func (t travels) unpack(packed any) any {
	v := reflect.ValueOf(packed).Elem()
	if t.of != t.as {
		v = v.Field(0)
	}
	return v.Interface()
}

// The constructors take the act as the contract has it: a method expression, as
// Users.AddUser. They differ in how question and answer travel.

// ask is an operation without a question.
func ask[S, A any](r route, act func(S, context.Context) (A, error)) Op[S, None, A] {
	return declare[S, None, None, A, inBody[A]](r, func(s any, ctx context.Context, _ any) (any, error) { return act(s.(S), ctx) })
}

// order is an operation without question and answer.
func order[S any](r route, act func(S, context.Context) error) Op[S, None, None] {
	return declare[S, None, None, None, None](r, func(s any, ctx context.Context, _ any) (any, error) { return None{}, act(s.(S), ctx) })
}

// askWith is an operation whose question is JSON.
func askWith[S, Q, A any](r route, act func(S, context.Context, Q) (A, error)) Op[S, Q, A] {
	return declare[S, Q, inBody[Q], A, inBody[A]](r, answered(act))
}

// orderWith is an operation whose question is JSON, without an answer.
func orderWith[S, Q any](r route, act func(S, context.Context, Q) error) Op[S, Q, None] {
	return declare[S, Q, inBody[Q], None, None](r, quiet(act))
}

// askBy is an operation whose question is a struct with tags.
func askBy[S, Q, A any](r route, act func(S, context.Context, Q) (A, error)) Op[S, Q, A] {
	return declare[S, Q, Q, A, inBody[A]](r, answered(act))
}

// orderBy is askBy without an answer.
func orderBy[S, Q any](r route, act func(S, context.Context, Q) error) Op[S, Q, None] {
	return declare[S, Q, Q, None, None](r, quiet(act))
}

// tagged is an operation whose question and answer are structs with tags.
func tagged[S, Q, A any](r route, act func(S, context.Context, Q) (A, error)) Op[S, Q, A] {
	return declare[S, Q, Q, A, A](r, answered(act))
}

// orderName is an operation about what the path names, without an answer.
func orderName[S any](r route, act func(S, context.Context, string) error) Op[S, string, None] {
	return declare[S, string, inName, None, None](r, quiet(act))
}

// askName is orderName with an answer.
func askName[S, A any](r route, act func(S, context.Context, string) (A, error)) Op[S, string, A] {
	return declare[S, string, inName, A, inBody[A]](r, answered(act))
}

// askID is an operation about what the path identifies.
func askID[S, A any](r route, act func(S, context.Context, string) (A, error)) Op[S, string, A] {
	return declare[S, string, inID, A, inBody[A]](r, answered(act))
}

// orderID is askID without an answer.
func orderID[S any](r route, act func(S, context.Context, string) error) Op[S, string, None] {
	return declare[S, string, inID, None, None](r, quiet(act))
}

func answered[S, Q, A any](act func(S, context.Context, Q) (A, error)) func(any, context.Context, any) (any, error) {
	return func(s any, ctx context.Context, question any) (any, error) { return act(s.(S), ctx, question.(Q)) }
}

func quiet[S, Q any](act func(S, context.Context, Q) error) func(any, context.Context, any) (any, error) {
	return func(s any, ctx context.Context, question any) (any, error) {
		return None{}, act(s.(S), ctx, question.(Q))
	}
}

// declare is an operation whose question Q travels as I, and whose answer A as O.
func declare[S, Q, I, A, O any](r route, act func(any, context.Context, any) (any, error)) Op[S, Q, A] {
	return Op[S, Q, A]{&operation{
		route: r, register: register[I, O], act: act,
		question: travels{reflect.TypeFor[Q](), reflect.TypeFor[I]()},
		answer:   travels{reflect.TypeFor[A](), reflect.TypeFor[O]()},
	}}
}

// register has the server answer a route, within its time. Question and answer are
// pointers to I and to O.
func register[I, O any](s *Server, r route, handle func(ctx context.Context, question any) (any, error)) {
	huma.Register(s.routes, s.documented(r), func(ctx context.Context, question *I) (*O, error) {
		answer, err := s.handled(ctx, r, handle, question)
		if err != nil {
			return nil, err
		}
		return answer.(*O), nil
	})
	if r.takes != nil { // after the registration, so that the library leaves this body alone
		s.routes.OpenAPI().Paths[Prefix+r.path].Post.RequestBody = r.takes
	}
}

// handled is the answer of a route within its time; its failures are problems.
func (s *Server) handled(ctx context.Context, r route, handle func(context.Context, any) (any, error), question any) (any, error) {
	timeout := r.timeout
	if timeout == 0 {
		timeout = answerTimeout
	}
	if r.streams == "" {
		limited, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		ctx = limited
	}
	answer, err := handle(ctx, question)
	if errors.Is(err, context.DeadlineExceeded) {
		err = pair.Refuse(pair.Failed, "%s did not end within %s: look at the status before trying again; %w", r.name, timeout, cause.Plain(err))
	}
	if err != nil {
		return nil, problemOf(s.log, err)
	}
	return answer, nil
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

// fillLists makes lists that are null empty: the value itself, and what is directly in it
// or in its items.
func fillLists(v reflect.Value) {
	if v.Kind() == reflect.Slice {
		items := reflect.MakeSlice(v.Type(), v.Len(), v.Len()) // the answer's own items stay as they are
		reflect.Copy(items, v)
		v.Set(items)
		for i := range v.Len() {
			fillFields(v.Index(i))
		}
	}
	fillFields(v)
}

func fillFields(v reflect.Value) {
	if v.Kind() != reflect.Struct {
		return
	}
	for i := range v.NumField() {
		switch field := v.Field(i); {
		case v.Type().Field(i).Anonymous:
			fillFields(field)
		case field.Kind() == reflect.Slice && field.IsNil() && field.CanSet():
			field.Set(reflect.MakeSlice(field.Type(), 0, 0))
		}
	}
}
