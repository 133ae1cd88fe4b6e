package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"strings"
	"syscall"
	"time"

	"baton/internal/api/trust"
	"baton/internal/cause"
	"baton/internal/pair"
)

// clientWait bounds the wait for the headers of an answer: a little longer than
// the longest that a server lets its backend take.
const clientWait = 2 * time.Minute

// ClientOptions say which appliance to speak to. Socket or URL, not both.
type ClientOptions struct {
	Socket string // path of the local socket
	URL    string // like https://198.51.100.1
	Token  string // for URL
	CA     string // for URL: PEM file with the authorities to trust instead of the system's
	Pin    string // for URL: SHA-256 fingerprint of the console's certificate, in hex, instead of an authority
}

// Client speaks to one appliance. Its failures are *Error.
type Client struct {
	http    *http.Client
	base    string
	token   string
	options ClientOptions
}

// NewClient returns a client. It opens no connection yet.
func NewClient(options ClientOptions) (*Client, error) {
	client := &Client{base: "http://baton", options: options}
	transport := &http.Transport{ResponseHeaderTimeout: clientWait, IdleConnTimeout: 30 * time.Second}
	if options.URL == "" {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", options.Socket)
		}
	} else {
		base, err := baseURL(options.URL)
		if err != nil {
			return nil, err
		}
		config, err := trust.Config(options.Pin, options.CA)
		if err != nil {
			return nil, err
		}
		client.base, client.token = base, options.Token
		transport.DialContext = (&net.Dialer{Timeout: 10 * time.Second}).DialContext
		transport.TLSClientConfig, transport.ForceAttemptHTTP2 = config, true
	}
	client.http = &http.Client{
		Transport: transport,
		// A redirect could carry the token elsewhere; the interface has none.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return client, nil
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func baseURL(text string) (string, error) {
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	base, err := url.Parse(text)
	if err != nil || base.Host == "" || base.User != nil {
		return "", pair.Refuse(pair.Usage, "%q is not the URL of an appliance: write it like https://198.51.100.1", text)
	}
	if base.Scheme != "https" && !isLoopback(base) {
		return "", pair.Refuse(pair.Usage, "%s would send the token in the clear: use https", text)
	}
	return base.Scheme + "://" + base.Host, nil
}

func isLoopback(base *url.URL) bool {
	ip := net.ParseIP(base.Hostname())
	return base.Scheme == "http" && ip != nil && ip.IsLoopback()
}

// exchange asks with a question and reads the answer into target: structs by whose tags
// they travel.
func (c *Client) exchange(ctx context.Context, r route, question, target any) error {
	path, header, body, err := requestOf(r, question)
	if err != nil {
		return err
	}
	return c.receive(ctx, r.method, path, header, body, target)
}

// receive sends a request and reads the answer into target.
func (c *Client) receive(ctx context.Context, method, path string, header http.Header, body io.Reader, target any) error {
	response, err := c.send(ctx, method, path, header, body)
	if err != nil {
		return err
	}
	defer discard(response.Body)
	return eachPart(reflect.ValueOf(target).Elem(), func(kind, name string, v reflect.Value) error {
		if kind == inHeader {
			v.SetString(response.Header.Get(name))
			return nil
		}
		if err := json.NewDecoder(response.Body).Decode(v.Addr().Interface()); err != nil {
			return pair.Refuse(pair.Failed, "the answer of %s cannot be read: is it a Baton of this version? (%w)", c.where(), cause.Plain(err))
		}
		return nil
	})
}

// Where the parts of a question or an answer travel.
const (
	inPath    = "path"
	inQuery   = "query"
	inHeader  = "header"
	inTheBody = "body"
)

// eachPart hands over the fields of a question or an answer, with where they travel and
// the name that they have there.
func eachPart(v reflect.Value, do func(kind, name string, v reflect.Value) error) error {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		kind, name := "", ""
		for _, tag := range []string{inPath, inQuery, inHeader} {
			if value, set := field.Tag.Lookup(tag); set {
				kind, name = tag, value
			}
		}
		var err error
		switch {
		case field.Anonymous:
			err = eachPart(v.Field(i), do)
		case kind != "":
			err = do(kind, name, v.Field(i))
		case field.Name == "Body":
			err = do(inTheBody, "", v.Field(i))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// requestOf is a question as it is sent. What is zero is left out.
func requestOf(r route, question any) (path string, header http.Header, body io.Reader, err error) {
	path, header = r.path, http.Header{}
	query := url.Values{}
	err = eachPart(reflect.ValueOf(question).Elem(), func(kind, name string, v reflect.Value) error {
		switch kind {
		case inPath:
			path = strings.Replace(path, "{"+name+"}", url.PathEscape(partText(v.Interface())), 1)
		case inTheBody:
			text, err := json.Marshal(v.Interface())
			body = bytes.NewReader(text)
			return err
		case inQuery:
			if !v.IsZero() {
				query.Set(name, partText(v.Interface()))
			}
		case inHeader:
			if !v.IsZero() {
				header.Set(name, v.String())
			}
		}
		return nil
	})
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return path, header, body, err
}

func partText(value any) string {
	switch value := value.(type) {
	case time.Time:
		return value.UTC().Format(time.RFC3339Nano)
	case []string:
		return strings.Join(value, ",")
	}
	return fmt.Sprint(value)
}

// discard ends with an answer that has been read, or that nobody wants.
func discard(answer io.Closer) { _ = answer.Close() }

// send returns a successful response, whose body the caller closes.
func (c *Client) send(ctx context.Context, method, path string, header http.Header, body io.Reader) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base+Prefix+path, body)
	if err != nil {
		return nil, pair.Refuse(pair.Usage, "the question cannot be sent: %w", cause.Plain(err))
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	maps.Copy(request.Header, header)
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, c.unreached(err)
	}
	if response.StatusCode >= 200 && response.StatusCode <= 299 {
		return response, nil
	}
	defer discard(response.Body)
	return nil, c.refusal(response)
}

// refusal makes a Refusal of an answer that reports a problem.
func (c *Client) refusal(response *http.Response) error {
	var p problem
	err := json.NewDecoder(io.LimitReader(response.Body, maxBody)).Decode(&p)
	if err != nil || p.Detail == "" {
		return pair.Refuse(codeOfStatus(response.StatusCode), "%s answered %s: is it a Baton?", c.where(), response.Status)
	}
	if p.Code == "" {
		p.Code = codeOfStatus(response.StatusCode)
	}
	refused := &pair.Refusal{Code: p.Code, Text: p.Detail}
	for _, field := range p.Errors {
		refused.Fields = append(refused.Fields, pair.Field{Name: field.Location, Text: field.Message})
	}
	return refused
}

// unreached says in one sentence why there is no answer at all.
func (c *Client) unreached(err error) error {
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("stopped: %w", context.Canceled)
	}
	if c.options.URL != "" {
		if failure, ok := errors.AsType[*url.Error](err); ok {
			err = failure.Err
		}
		return pair.Refuse(pair.Unreachable, "%s does not answer: %w: check address and network, and trust its certificate by --pin or --ca", c.base, cause.Plain(err))
	}
	switch {
	case errors.Is(err, os.ErrPermission):
		return pair.Refuse(pair.Forbidden, "no permission to use %s: run this as root, or use --url and --token", c.options.Socket)
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return pair.Refuse(pair.Failed, "baton is not running on this machine (nothing answers on %s): start it with systemctl start baton; if it ends, journalctl -u baton says why", c.options.Socket)
	}
	return pair.Refuse(pair.Failed, "baton does not answer on %s: %w: see its log", c.options.Socket, cause.Plain(err))
}

func (c *Client) where() string {
	if c.options.URL != "" {
		return c.base
	}
	return c.options.Socket
}
