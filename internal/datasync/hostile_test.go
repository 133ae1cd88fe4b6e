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
	"baton/internal/datasync/refusal"
	"baton/internal/datasync/source"
	"baton/internal/datasync/wire"
	"baton/internal/pair"
)

// hostile is a primary that sends what it likes.
type hostile struct {
	lists   lists
	from    string // of each change
	alter   func(*wire.Header)
	raw     []byte // instead of the manifest stream
	content func(out *wire.Writer)
}

// lists is what a primary says it has, in any order.
type lists struct {
	data    pair.Data
	entries []manifest.Entry
}

// digest is the right one if there is one.
func (l lists) digest() manifest.Digest {
	listing, err := manifest.ListingOf(l.entries)
	if err != nil {
		return manifest.Digest{}
	}
	return manifest.Manifest{Order: manifest.ByBranch, Sets: []manifest.Set{{Data: l.data, Listing: listing}}}.Digest()
}

func (h *hostile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out := wire.NewWriter(w, wire.Chunk, nil)
	defer func() { _ = out.Flush() }()
	switch {
	case strings.HasSuffix(r.URL.Path, "manifest") && h.raw != nil:
		_, _ = w.Write(h.raw)
	case strings.HasSuffix(r.URL.Path, "manifest"):
		var req wire.Question
		_ = json.NewDecoder(r.Body).Decode(&req)
		head := wire.Header{Version: wire.Version, Epoch: req.Epoch, Digest: h.lists.digest(), Inline: req.Inline, Data: []wire.DataHead{wire.HeadOf(h.lists.data)}}
		if h.alter != nil {
			h.alter(&head)
		}
		_ = out.JSON(wire.Head, head)
		_ = wire.Batches(out, wire.Entries, 0, h.lists.entries, func(b []byte, e manifest.Entry) []byte {
			return manifest.AppendChange(b, manifest.Change{Entry: e, From: h.from})
		})
		_ = out.Frame(wire.End, nil)
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
	with := func(entries ...manifest.Entry) lists {
		return lists{pair.Data{Name: "files", Spec: pair.Directory{Path: "/srv/files"}}, append([]manifest.Entry{top}, entries...)}
	}
	elsewhere := with(file("f", "good"))
	elsewhere.data.Spec = pair.Directory{Path: "/etc"}
	own := with(file("f", "good"))
	ours := t.TempDir()
	own.data.Spec = pair.Directory{Path: pair.Path(filepath.Join(ours, "local"))}
	send := func(kind wire.Kind, payload string) func(*wire.Writer) {
		return func(out *wire.Writer) {
			_ = out.Frame(kind, []byte(payload))
			_ = out.Frame(wire.Done, nil)
			_ = out.Frame(wire.End, nil)
		}
	}
	database := with(file("f", "good"))
	database.data.Spec = pair.SiteDatabase{}
	empty := lists{data: database.data}
	sneaky := manifest.AppendEntry(nil, file("../f", "evil"))
	for name, h := range map[string]*hostile{
		"dots":             {lists: with(file("../f", "evil"))},
		"absolute":         {lists: with(file("/f", "evil"))},
		"through symlink":  {lists: with(manifest.Entry{Path: "a", Kind: manifest.Symlink, Target: filepath.Dir(secret)}, file("a/secret", "evil"))},
		"system directory": {lists: elsewhere},
		"our own data":     {lists: own},
		"another version":  {lists: with(file("f", "good")), alter: func(h *wire.Header) { h.Version++ }},
		"in nothing":       {lists: with(file("d/f", "good"))},
		"no whole":         {lists: lists{with().data, []manifest.Entry{file("f", "good")}}},
		"named twice":      {lists: with(file("f", "good"), file("f", "evil"))},
		"an empty name":    {lists: with(file("", "evil"))},
		"from nowhere":     {lists: with(file("f", "good")), from: "x"},
		"from all":         {lists: with(), from: "."},
		"a link to it":     {lists: with(manifest.Entry{Path: "l", Kind: manifest.Link, Target: "../secret"})},
		"unordered":        {lists: with(file("b", "x"), file("a", "x"))},
		"listed database":  {lists: database},
		"empty database":   {lists: empty},
		"wrong digest":     {lists: with(file("f", "good")), alter: func(h *wire.Header) { h.Digest[0]++ }},
		"other epoch":      {lists: with(file("f", "good")), alter: func(h *wire.Header) { h.Epoch.Counter = 0 }},
		"base not ours":    {lists: with(file("f", "good")), alter: func(h *wire.Header) { h.Base[0]++ }},
		"last number":      {lists: with(file("f", "good")), alter: func(h *wire.Header) { h.Number = 1<<64 - 1 }},
		"lost inline data": {lists: with(file("f", "good")), alter: func(h *wire.Header) { h.Inline[0]++ }},
		"nothing":          {raw: []byte{}},
		"garbage":          {raw: []byte("HTTP is not frames, and neither is this text")},
		"huge frame":       {raw: []byte{byte(wire.Head), 255, 255, 255, 255}},
		"zip bomb":         {raw: append([]byte{byte(wire.Head) | wire.Packed, 0, 0, 0, 40}, bytes.Repeat([]byte{0x28, 0xb5, 0x2f, 0xfd}, 10)...)},
		"wrong content":    {lists: with(file("f", "good")), content: send(wire.Data, "evil")},
		"endless content":  {lists: with(file("f", "good")), content: endless},
		"huge hole":        {lists: with(file("f", "good")), content: send(wire.Hole, "\xff\xff\xff\xff\xff\xff\xff\x01")},
		"cut content":      {lists: with(file("f", "good")), content: func(out *wire.Writer) { _ = out.Frame(wire.Data, []byte("go")) }},
		"extra content":    {lists: with(file("f", "good")), content: func(out *wire.Writer) { send(wire.Data, "good")(out); _ = out.Frame(wire.End, nil) }},
		"other entry":      {lists: with(file("f", "good")), content: func(out *wire.Writer) { _ = out.Frame(wire.Done, sneaky) }},
		"always gone":      {lists: with(file("f", "good")), content: func(out *wire.Writer) { _ = out.Frame(wire.Gone, nil); _ = out.Frame(wire.End, nil) }},
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

func endless(out *wire.Writer) {
	payload := make([]byte, wire.MaxFrame)
	for out.Frame(wire.Data, payload) == nil {
	}
}

// TestHostileBackupReadsNothingElse asks for what is not offered.
func TestHostileBackupReadsNothingElse(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/dir/f", "content")
	p.pull(t)
	head, err := asked(t, p.primary.Engine, wire.Question{Version: wire.Version, Epoch: p.epoch, Snapshot: p.backup.Snapshot()})
	must(t, err)
	must(t, os.RemoveAll(p.primary.tree+"/dir"))
	must(t, os.Symlink("/etc", p.primary.tree+"/dir")) // the listed path now leads elsewhere
	ask := func(body []byte) (int, string) {
		answer, err := p.server.Client().Post(p.server.URL+wire.Prefix+"content", "", bytes.NewReader(body))
		must(t, err)
		defer func() { _ = answer.Body.Close() }()
		b, err := io.ReadAll(answer.Body)
		must(t, err)
		return answer.StatusCode, string(b)
	}
	id, listed := head.Session, manifest.Manifest{Order: manifest.ByBranch}
	for name, wants := range map[string][]wire.Want{
		"another set":  {{Set: 9}},
		"no such name": {{Path: "g"}},
		"a way out":    {{Path: "../tree/dir/f"}},
		"an absolute":  {{Path: p.primary.tree + "/dir/f"}},
		"a directory":  {{Path: "dir"}},
		"the top":      {{Path: "."}},
	} {
		if status, body := ask(wire.AppendWants(id, 0, wants, listed)); status != http.StatusConflict {
			t.Errorf("%s: %d %q", name, status, body)
		}
	}
	if status, _ := ask(wire.AppendWants(id+1, 0, nil, manifest.Manifest{})); status != http.StatusConflict {
		t.Error("another session's content was served")
	}
	if status, body := ask(wire.AppendWants(id, 0, []wire.Want{{Path: "dir/f"}}, listed)); status != http.StatusOK || body[0] != byte(wire.Gone) {
		t.Errorf("a moved path: %d %q", status, body)
	}
	if status, _ := ask([]byte{1}); status != http.StatusConflict {
		t.Error("a truncated request was served")
	}
}

func FuzzFrames(f *testing.F) {
	var b bytes.Buffer
	out := wire.NewWriter(&b, wire.Chunk, nil)
	_ = out.JSON(wire.Head, wire.Header{Data: []wire.DataHead{{Name: "d"}}})
	_ = out.Frame(wire.Entries, append([]byte{0}, manifest.AppendChange(nil, manifest.Change{Entry: manifest.Entry{Path: "a", Kind: manifest.File}, From: "b"})...))
	_ = out.Frame(wire.Removed, []byte{0, 1, 'x'})
	_ = out.Frame(wire.End, nil)
	_ = out.Flush()
	f.Add(b.Bytes())
	f.Add([]byte{byte(wire.Entries) | wire.Packed, 0, 0, 0, 4, 0x28, 0xb5, 0x2f, 0xfd})
	f.Fuzz(func(t *testing.T, b []byte) {
		in, err := wire.NewReader(bytes.NewReader(b), 8<<10, refusal.Read)
		must(t, err)
		defer in.Close()
		var head wire.Header
		if kind, payload, err := in.Next(); err != nil || kind != wire.Head || json.Unmarshal(payload, &head) != nil {
			return
		}
		m := wire.NewManifestReader(head)
		if m.Read(in) == nil {
			_, _ = m.Manifest(manifest.Manifest{})
		}
	})
}

func FuzzWants(f *testing.F) {
	listing, err := manifest.ListingOf([]manifest.Entry{{Path: ".", Kind: manifest.Dir}, {Path: "a", Kind: manifest.File, Size: 5}})
	must(f, err)
	m := manifest.Manifest{Order: manifest.ByBranch, Sets: []manifest.Set{{Listing: listing}}}
	f.Add(wire.AppendWants(1, 1, []wire.Want{{Path: "a", Have: source.Have{Offset: 3}}}, m))
	f.Add([]byte{1, 0, 255, 255, 255, 255, 15})
	f.Fuzz(func(t *testing.T, b []byte) {
		wants, _, err := wire.ReadWants(bufio.NewReader(bytes.NewReader(b)), func(uint64) (manifest.Manifest, error) { return m, nil })
		for _, w := range wants {
			if e, _ := m.Sets[w.Set].Find(w.Path); err == nil && (e.Kind != manifest.File || w.Offset > e.Size) {
				t.Fatalf("accepted %+v", w)
			}
		}
		if err != nil && !errors.Is(err, source.ErrUnsafe) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Log(err)
		}
	})
}
