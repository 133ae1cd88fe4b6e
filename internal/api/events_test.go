package api

import (
	"slices"
	"strings"
	"testing"
)

func TestReadEvents(t *testing.T) {
	var got []string
	stream := ": hello\nevent: status\ndata: one\n\ndata:two\ndata: lines\n\nid: 7\n\ndata: unfinished"
	err := readEvents(strings.NewReader(stream), func(data string) error { got = append(got, data); return nil })
	if want := []string{"one", "two\nlines"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
}

// FuzzReadEvents: whatever the other side streams, events hold no more than what
// was sent.
func FuzzReadEvents(f *testing.F) {
	f.Add("data: {}\n\n")
	f.Add("event: status\r\ndata: {}\r\n\r\n")
	f.Add("data\n\ndata:\n\n\n")
	f.Fuzz(func(t *testing.T, stream string) {
		size := 0
		_ = readEvents(strings.NewReader(stream), func(data string) error { size += len(data); return nil })
		if size > len(stream) {
			t.Errorf("%d bytes of events from %d", size, len(stream))
		}
	})
}
