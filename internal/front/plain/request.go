package plain

import (
	"bufio"
	"bytes"
	"net/http"
	"slices"
	"strings"
)

// plainRequest reads a request; nil if these bytes are not the whole of a plain one.
func plainRequest(text []byte) *http.Request {
	if !isPlain(text) {
		return nil
	}
	r, err := http.ReadRequest(bufio.NewReaderSize(bytes.NewReader(text), len(text)))
	if err != nil {
		return nil // net/http says what is wrong
	}
	return r
}

// isPlain reports whether these bytes are the whole of one request: GET or HEAD of HTTP/1.1 for a path, with one
// host, and with nothing that says of a body, of the connection, or of another protocol. Whatever could be
// read in two ways is not plain.
func isPlain(text []byte) bool {
	text, whole := bytes.CutSuffix(text, []byte("\r\n\r\n"))
	line, rest, more := bytes.Cut(text, []byte("\r\n"))
	if !whole || !more || !isPlainLine(line) {
		return false
	}
	hosts := 0
	for more {
		line, rest, more = bytes.Cut(rest, []byte("\r\n"))
		name, value, cut := bytes.Cut(line, []byte(":"))
		if !cut || !isPlainHeader(name, value) {
			return false
		}
		if is(name, "host") {
			hosts++
		}
	}
	return hosts == 1
}

func isPlainHeader(name, value []byte) bool {
	if !all(name, isTokenByte) || !all(value, isValueByte) {
		return false
	}
	switch value = bytes.Trim(value, " \t"); {
	case is(name, "host"):
		return all(value, isHostByte)
	case is(name, "connection"):
		return is(value, "keep-alive")
	}
	return !slices.ContainsFunc(special(), func(other string) bool { return is(name, other) })
}

// special are the headers that say of a body, of the connection, or of another protocol.
func special() []string {
	return []string{"content-length", "transfer-encoding", "expect", "upgrade", "trailer", "te", "proxy-connection", "keep-alive", "http2-settings"}
}

// is reports whether a text is that one, in whatever case.
func is(text []byte, that string) bool {
	return len(text) == len(that) && strings.EqualFold(string(text), that)
}

// isPlainLine reports whether that is the first line of such a request.
func isPlainLine(line []byte) bool {
	target, current := bytes.CutSuffix(line, []byte(" HTTP/1.1"))
	path, gets := bytes.CutPrefix(target, []byte("GET "))
	if !gets {
		path, gets = bytes.CutPrefix(target, []byte("HEAD "))
	}
	return current && gets && bytes.HasPrefix(path, []byte("/")) && all(path, func(b byte) bool { return b > ' ' && b < 0x7f })
}

// all reports whether there are bytes, and all are of a kind.
func all(text []byte, kind func(byte) bool) bool {
	for _, b := range text {
		if !kind(b) {
			return false
		}
	}
	return len(text) > 0
}

func isAlphanumeric(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9'
}

// isTokenByte reports whether a byte may be part of a header's name (RFC 9110, section 5.6.2).
func isTokenByte(b byte) bool {
	return isAlphanumeric(b) || bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), b) >= 0
}

// isValueByte leaves out all control characters but the tab.
func isValueByte(b byte) bool { return b >= ' ' && b != 0x7f || b == '\t' }

func isHostByte(b byte) bool { return isAlphanumeric(b) || bytes.IndexByte([]byte(".-_:[]"), b) >= 0 }
