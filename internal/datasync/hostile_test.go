package datasync

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zeebo/blake3"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/pair"
)

// hostile is a primary that sends what it likes.
type hostile struct {
	manifest manifest.Manifest
	alter    func(*header)
	raw      []byte // instead of the manifest stream
	content  func(out *frameWriter)
}

func (h *hostile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out := newFrameWriter(w, nil)
	defer func() { _ = out.flush() }()
	switch {
	case strings.HasSuffix(r.URL.Path, "manifest") && h.raw != nil:
		_, _ = w.Write(h.raw)
	case strings.HasSuffix(r.URL.Path, "manifest"):
		var req manifestRequest
		_ = json.NewDecoder(r.Body).Decode(&req)
		head := header{Epoch: req.Epoch, Digest: h.manifest.Digest(), Inline: req.Inline}
		for _, s := range h.manifest.Sets {
			head.Data = append(head.Data, headOf(s.Data))
		}
		if h.alter != nil {
			h.alter(&head)
		}
		_ = out.json(frameHeader, head)
		_ = sendDeltas(out, manifest.Manifest{}, h.manifest)
		_ = out.frame(frameEnd, nil)
	case strings.HasSuffix(r.URL.Path, "content"):
		_, _ = io.Copy(io.Discard, r.Body)
		h.content(out)
	}
}

func TestHostilePrimaryHarmsNothing(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	write(t, secret, "secret")
	top := manifest.Entry{Path: ".", Kind: manifest.Dir, Mode: 0o755, UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
	file := func(path, content string) manifest.Entry {
		return manifest.Entry{Path: path, Kind: manifest.File, Mode: 0o644, UID: top.UID, GID: top.GID, Size: int64(len(content)), Hash: blake3.Sum256([]byte(content))}
	}
	with := func(entries ...manifest.Entry) manifest.Manifest {
		return manifest.Manifest{Sets: []manifest.Set{{Data: pair.Data{Name: "files", Spec: pair.Directory{Path: "/srv/files"}}, Entries: append([]manifest.Entry{top}, entries...)}}}
	}
	elsewhere := with(file("f", "good"))
	elsewhere.Sets[0].Data.Spec = pair.Directory{Path: "/etc"}
	own := with(file("f", "good"))
	ours := t.TempDir()
	own.Sets[0].Data.Spec = pair.Directory{Path: pair.Path(filepath.Join(ours, "local"))}
	send := func(kind frameKind, payload string) func(*frameWriter) {
		return func(out *frameWriter) {
			_ = out.frame(kind, []byte(payload))
			_ = out.frame(frameDone, nil)
			_ = out.frame(frameEnd, nil)
		}
	}
	sneaky := manifest.AppendEntry(nil, file("../f", "evil"))
	for name, h := range map[string]*hostile{
		"dots":             {manifest: with(file("../f", "evil"))},
		"absolute":         {manifest: with(file("/f", "evil"))},
		"through symlink":  {manifest: with(manifest.Entry{Path: "a", Kind: manifest.Symlink, Target: filepath.Dir(secret)}, file("a/secret", "evil"))},
		"system directory": {manifest: elsewhere},
		"our own data":     {manifest: own},
		"unordered":        {manifest: with(file("b", "x"), file("a", "x"))},
		"wrong digest":     {manifest: with(file("f", "good")), alter: func(h *header) { h.Digest[0]++ }},
		"other epoch":      {manifest: with(file("f", "good")), alter: func(h *header) { h.Epoch.Counter = 0 }},
		"base not ours":    {manifest: with(file("f", "good")), alter: func(h *header) { h.Base[0]++ }},
		"last number":      {manifest: with(file("f", "good")), alter: func(h *header) { h.Number = 1<<64 - 1 }},
		"lost inline data": {manifest: with(file("f", "good")), alter: func(h *header) { h.Inline[0]++ }},
		"nothing":          {raw: []byte{}},
		"garbage":          {raw: []byte("HTTP is not frames, and neither is this text")},
		"huge frame":       {raw: []byte{byte(frameHeader), 255, 255, 255, 255}},
		"zip bomb":         {raw: append([]byte{byte(frameHeader) | framePacked, 0, 0, 0, 40}, bytes.Repeat([]byte{0x28, 0xb5, 0x2f, 0xfd}, 10)...)},
		"wrong content":    {manifest: with(file("f", "good")), content: send(frameData, "evil")},
		"endless content":  {manifest: with(file("f", "good")), content: endless},
		"huge hole":        {manifest: with(file("f", "good")), content: send(frameHole, "\xff\xff\xff\xff\xff\xff\xff\x01")},
		"cut content":      {manifest: with(file("f", "good")), content: func(out *frameWriter) { _ = out.frame(frameData, []byte("go")) }},
		"extra content":    {manifest: with(file("f", "good")), content: func(out *frameWriter) { send(frameData, "good")(out); _ = out.frame(frameEnd, nil) }},
		"other entry":      {manifest: with(file("f", "good")), content: func(out *frameWriter) { _ = out.frame(frameDone, sneaky) }},
		"always gone":      {manifest: with(file("f", "good")), content: func(out *frameWriter) { _ = out.frame(frameGone, nil); _ = out.frame(frameEnd, nil) }},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			dir := t.TempDir()
			b := newAppliance(t, dir, filepath.Join(dir, "tree"))
			write(t, b.tree+"/own", "own")
			b.dirs.Own = append(b.dirs.Own, ours)
			b.reopen(t)
			server := httptest.NewServer(h)
			defer server.Close()
			_, err := b.Pull(t.Context(), server.Client(), server.URL, Request{Epoch: pair.Epoch{Counter: 1, Holder: "a"}})
			if name == "extra content" {
				return // the end frame ends the stream: what follows is never read
			}
			if err == nil || !b.Snapshot().IsZero() {
				t.Fatalf("accepted: %v", b.Snapshot())
			}
			if got, _ := os.ReadFile(b.tree + "/own"); string(got) != "own" {
				t.Fatal("the old data is gone")
			}
			if got, _ := os.ReadFile(secret); string(got) != "secret" {
				t.Fatal("something outside was written")
			}
			if _, err := os.Lstat(filepath.Join(dir, "f")); err == nil {
				t.Fatal("something outside was made")
			}
		})
	}
}

func endless(out *frameWriter) {
	payload := make([]byte, maxFrame)
	for out.frame(frameData, payload) == nil {
	}
}

// TestHostileBackupReadsNothingElse asks for what is not offered.
func TestHostileBackupReadsNothingElse(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/dir/f", "content")
	p.pull(t)
	must(t, os.RemoveAll(p.primary.tree+"/dir"))
	must(t, os.Symlink("/etc", p.primary.tree+"/dir")) // the listed path now leads elsewhere
	ask := func(body []byte) (int, string) {
		answer, err := p.server.Client().Post(p.server.URL+Prefix+"content", "", bytes.NewReader(body))
		must(t, err)
		defer func() { _ = answer.Body.Close() }()
		b, err := io.ReadAll(answer.Body)
		must(t, err)
		return answer.StatusCode, string(b)
	}
	id := p.primary.session.id
	for name, wants := range map[string][]want{
		"another set": {{set: 9}},
		"no ordinal":  {{ordinal: 99}},
		"a directory": {{ordinal: 0}},
	} {
		if status, body := ask(appendWants(id, 0, wants)); status != http.StatusConflict {
			t.Errorf("%s: %d %q", name, status, body)
		}
	}
	if status, _ := ask(appendWants(id+1, 0, nil)); status != http.StatusConflict {
		t.Error("another session's content was served")
	}
	if status, body := ask(appendWants(id, 0, []want{{ordinal: 2}})); status != http.StatusOK || body[0] != byte(frameGone) {
		t.Errorf("a moved path: %d %q", status, body)
	}
	if status, _ := ask([]byte{1}); status != http.StatusConflict {
		t.Error("a truncated request was served")
	}
}

func FuzzFrames(f *testing.F) {
	var b bytes.Buffer
	out := newFrameWriter(&b, nil)
	_ = out.json(frameHeader, header{Data: []dataHead{{Name: "d"}}})
	_ = out.frame(frameEntries, append([]byte{0}, manifest.AppendEntry(nil, manifest.Entry{Path: "a", Kind: manifest.File})...))
	_ = out.frame(frameRemoved, []byte{0, 1, 'x'})
	_ = out.frame(frameEnd, nil)
	_ = out.flush()
	f.Add(b.Bytes())
	f.Add([]byte{byte(frameEntries) | framePacked, 0, 0, 0, 4, 0x28, 0xb5, 0x2f, 0xfd})
	f.Fuzz(func(t *testing.T, b []byte) {
		in, err := newFrameReader(bytes.NewReader(b))
		must(t, err)
		defer in.close()
		var head header
		if kind, payload, err := in.next(); err != nil || kind != frameHeader || json.Unmarshal(payload, &head) != nil {
			return
		}
		m := &manifestReader{head: head, deltas: make([]manifest.Delta, len(head.Data))}
		if m.read(in) == nil {
			_, _ = m.manifest(manifest.Manifest{})
		}
	})
}

func FuzzWants(f *testing.F) {
	m := manifest.Manifest{Sets: []manifest.Set{{Entries: []manifest.Entry{{Path: ".", Kind: manifest.Dir}, {Path: "a", Kind: manifest.File, Size: 5}}}}}
	f.Add(appendWants(1, 1, []want{{ordinal: 1, offset: 3}}))
	f.Add([]byte{1, 0, 255, 255, 255, 255, 15})
	f.Fuzz(func(t *testing.T, b []byte) {
		wants, _, err := readWants(bufio.NewReader(bytes.NewReader(b)), func(uint64) (manifest.Manifest, error) { return m, nil })
		for _, w := range wants {
			if e := m.Sets[w.set].Entries[w.ordinal]; err == nil && (e.Kind != manifest.File || w.offset > e.Size) {
				t.Fatalf("accepted %+v", w)
			}
		}
		if err != nil && !errors.Is(err, source.ErrUnsafe) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Log(err)
		}
	})
}
