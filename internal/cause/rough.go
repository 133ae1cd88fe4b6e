package cause

import (
	"slices"
	"strings"
)

// roughWords are those of the language's libraries, which say nothing to a person.
func roughWords() []string {
	return []string{
		"dial tcp", "dial udp", "dial unix", "read tcp", "write tcp", "read udp", "write udp", "read unix", "write unix", "listen tcp",
		"no such host", "server misbehaving", "i/o timeout", "connection refused", "connection reset", "broken pipe",
		"no route to host", "network is unreachable", "use of closed", "connection timed out",
		"context deadline exceeded", "context canceled", "Client.Timeout", "deadline exceeded",
		"x509:", "tls:", "http:", "http2:", "net/http", "json:", "asn1:", "pem:", "sql:", "SQLITE_", "SQL logic error", "database is locked",
		"Post \"http", "Get \"http", "Put \"http", "remote error:", "local error:",
		"exec: ", "exit status ", "strconv.", "invalid character '", "cannot unmarshal", "runtime error", "goroutine ", "%!",
	}
}

// roughActs are calls that a library puts before a path and its colon.
func roughActs() []string {
	return []string{
		"open", "openat", "stat", "statat", "lstat", "read", "write", "mkdir", "mkdirat", "rename", "renameat", "remove", "unlink", "unlinkat", "readdirent",
		"readlink", "link", "symlink", "chmod", "chown", "lchown", "sync", "fsync", "truncate", "fdopendir", "seek", "close",
	}
}

// Rough reports whether a text has words of a library in it that a person should
// find behind "Details" only.
func Rough(text string) bool {
	for _, word := range roughWords() {
		if at := strings.Index(text, word); at >= 0 && (word != "http:" || !strings.HasPrefix(text[at:], "http://")) {
			return true
		}
	}
	words := strings.Fields(text)
	for i, word := range words {
		if strings.Trim(word, `:;,.()"`) == "EOF" {
			return true
		}
		if i+2 < len(words) && actOf(word) && strings.HasSuffix(words[i+1], ":") && strings.Contains(words[i+1], "/") {
			return true
		}
	}
	return false
}

func actOf(word string) bool {
	return slices.Contains(roughActs(), strings.TrimLeft(word, "("))
}
