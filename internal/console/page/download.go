package page

import (
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"unicode"
)

// Download answers with a file while it is made. An error before its first byte is
// returned; a later one cuts the connection, so that nobody takes a part for the whole.
func (v *Visit) Download(name, kind string, produce func(io.Writer) error) error {
	w := &fileWriter{w: v.Writer, name: name, kind: kind}
	err := produce(w)
	if err == nil || !w.started {
		return err
	}
	v.Log().Warn("download cut", slog.String("file", name), slog.String("error", err.Error()))
	panic(http.ErrAbortHandler)
}

// fileWriter sends its headers with the first byte.
type fileWriter struct {
	w          http.ResponseWriter
	name, kind string
	started    bool
}

// Write implements io.Writer.
func (f *fileWriter) Write(p []byte) (int, error) {
	if !f.started {
		f.started = true
		header := f.w.Header()
		header.Set("Content-Type", f.kind)
		header.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": f.name}))
	}
	return f.w.Write(p)
}

// FileName makes a name that every system takes: the words, joined by dashes.
func FileName(ending string, words ...string) string {
	var name []string
	for _, word := range words {
		word = strings.Trim(strings.Map(plainRune, word), "-")
		if word != "" {
			name = append(name, word)
		}
	}
	return strings.Join(name, "-") + ending
}

func plainRune(r rune) rune {
	if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '.' || r == '_') {
		return r
	}
	return '-'
}
