package archive

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"testing"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
)

func TestAnEntryComesBackAsItWas(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out)
	entries := []manifest.Entry{
		{Path: ".", Kind: manifest.Dir, Mode: 0o755},
		{Path: "odd \xff name", Kind: manifest.File, Mode: 0o4750, UID: 1, GID: 4_000_000_000, ModTime: 1_700_000_000_123_456_789, Size: 4, XAttrs: []manifest.XAttr{{Name: "user.a", Value: "1\n\xfe="}}},
		{Path: "link", Kind: manifest.Symlink, Target: "../elsewhere", Mode: 0o777},
		{Path: "pipe", Kind: manifest.Fifo, Mode: 0o600},
	}
	for _, e := range entries {
		if err := w.Add("www", e, func(to io.Writer) error { _, err := io.WriteString(to, "text"); return err }); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r := NewReader(&out)
	for _, want := range entries {
		data, e, err := r.Next()
		if err != nil || data != "www" || !e.Same(want) {
			t.Fatalf("%s: got %s %+v, %v", want.Path, data, e, err)
		}
		if text, _ := io.ReadAll(r); want.Kind == manifest.File && string(text) != "text" {
			t.Errorf("content %q", text)
		}
	}
	if _, _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("ends with %v", err)
	}
}

func TestWhatIsNoEntryIsRefused(t *testing.T) {
	for _, header := range []tar.Header{
		{Name: "www/../../etc/passwd", Typeflag: tar.TypeReg},
		{Name: "/etc/passwd", Typeflag: tar.TypeReg},
		{Name: "www//x", Typeflag: tar.TypeReg},
		{Name: "www", Typeflag: tar.TypeReg},
		{Name: "www/device", Typeflag: tar.TypeChar},
		{Name: "www/link", Typeflag: tar.TypeLink, Linkname: "/etc/passwd"},
	} {
		var out bytes.Buffer
		w := tar.NewWriter(&out)
		if err := errors.Join(w.WriteHeader(&header), w.Close()); err != nil {
			t.Fatal(err)
		}
		if _, e, err := NewReader(&out).Next(); !errors.Is(err, source.ErrUnsafe) {
			t.Errorf("%s: taken as %+v, %v", header.Name, e, err)
		}
	}
}
