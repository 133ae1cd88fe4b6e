package local

import (
	"bufio"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"baton/internal/pair"
)

const self = pair.ApplianceID("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func open(t *testing.T, dir string) *Store {
	t.Helper()
	l, err := Open(dir, self, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // some tests close it themselves
	return l
}

func promote(s *State) {
	s.Record.Role = pair.Primary
	s.Record.Epoch = s.Record.Epoch.Next(s.ID)
	s.SharedIPs = append(s.SharedIPs, "198.51.100.10")
}

func TestTheStateOutlivesTheDaemon(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "local")
	l := open(t, dir)
	first := l.State()
	if !first.ID.Valid() || first.Record.Role != pair.Standalone {
		t.Fatalf("a first start gives %+v", first)
	}
	if err := l.Save(t.Context(), promote); err != nil {
		t.Fatal(err)
	}
	saved := l.State()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir).State()
	if !again.equal(saved) || again.ID != first.ID || again.Record.Epoch != (pair.Epoch{Counter: 1, Holder: first.ID}) {
		t.Errorf("got %+v, want %+v", again, saved)
	}
	text, err := os.ReadFile(filepath.Join(dir, "state.json"))
	if err != nil || !strings.Contains(string(text), "\n    \"role\": \"primary\",\n") {
		t.Errorf("not for a person: %v\n%s", err, text)
	}
}

func TestWhatStateReturnsIsACopy(t *testing.T) {
	l := open(t, t.TempDir())
	if err := l.Save(t.Context(), promote); err != nil {
		t.Fatal(err)
	}
	l.State().SharedIPs[0] = "changed"
	if got := l.State().SharedIPs[0]; got != "198.51.100.10" {
		t.Errorf("the stored state became %s", got)
	}
}

func TestTwoDaemonsCannotShareADirectory(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	_, err := Open(dir, self, quiet())
	if err == nil || !strings.Contains(err.Error(), "another baton uses") {
		t.Errorf("got %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
}

func TestALostOrDamagedStateIsNeverBegunAnew(t *testing.T) {
	for name, test := range map[string]struct {
		damage func(path string) error
		words  string
	}{
		"lost":       {os.Remove, "is missing, but was here before: put it back"},
		"truncated":  {func(path string) error { return os.Truncate(path, 40) }, "is damaged"},
		"empty":      {func(path string) error { return os.Truncate(path, 0) }, "is damaged"},
		"other file": {func(path string) error { return os.WriteFile(path, []byte("{}"), 0o600) }, "names no appliance"},
		"wrong role": {func(path string) error {
			return os.WriteFile(path, []byte(`{"version":1,"record":{"role":"king"}}`), 0o600)
		}, "is damaged"},
		"newer": {func(path string) error { return os.WriteFile(path, []byte(`{"version":7}`), 0o600) }, "install the version that wrote it"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := open(t, dir).Close(); err != nil {
				t.Fatal(err)
			}
			if err := test.damage(filepath.Join(dir, "state.json")); err != nil {
				t.Fatal(err)
			}
			for range 2 { // neither now nor at the next try
				l, err := Open(dir, self, quiet())
				if err == nil {
					t.Fatalf("began with %+v", l.State())
				}
				if !strings.Contains(err.Error(), test.words) || strings.Contains(err.Error(), "\n") {
					t.Errorf("got %v, want %q in one line", err, test.words)
				}
			}
		})
	}
}

func TestAFailedSaveChangesNothing(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	before := l.State()
	if err := os.Mkdir(filepath.Join(dir, "state.json.new"), 0o700); err != nil { // in the way
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "state.json.new", "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := l.Save(t.Context(), promote); err == nil {
		t.Fatal("saved")
	}
	if got := l.State(); !got.equal(before) {
		t.Errorf("in memory: %+v", got)
	}
	var stored State
	if err := readJSON(filepath.Join(dir, "state.json"), &stored); err != nil || !stored.equal(before) {
		t.Errorf("on disk: %+v, %v", stored, err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "state.json.new")); err != nil {
		t.Fatal(err)
	}
	if err := l.Save(t.Context(), promote); err != nil {
		t.Errorf("a save after a failed one: %v", err)
	}
}

func TestSecretsAreKeptForTheOwnerOnly(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	var got map[string]string
	if err := l.LoadSecrets(&got); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before the first save: %v", err)
	}
	if err := l.SaveSecrets(map[string]string{"prs": "x"}); err != nil {
		t.Fatal(err)
	}
	if err := l.LoadSecrets(&got); err != nil || got["prs"] != "x" {
		t.Errorf("got %v, %v", got, err)
	}
	path := filepath.Join(dir, "secrets.json")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := l.LoadSecrets(&got); err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "pair this appliance again") {
		t.Errorf("lost secrets pass for none: %v", err)
	}
}

// TestKilledWhileSaving kills a child that saves in a loop and reads what it left:
// a whole state, not older than the last one that it reported as saved.
func TestKilledWhileSaving(t *testing.T) {
	const variable = "BATON_TEST_SAVE"
	if os.Getenv(variable) != "" {
		saveForever(t, ".")
	}
	dir := t.TempDir()
	for kill := range 15 {
		child := exec.Command(os.Args[0], "-test.run=^TestKilledWhileSaving$")
		child.Env = append(os.Environ(), variable+"=1")
		child.Dir = dir
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		var reported uint64
		lines := bufio.NewScanner(out)
		for range 3 + kill*2 {
			if !lines.Scan() {
				t.Fatal("the child ended by itself")
			}
			reported, err = strconv.ParseUint(lines.Text(), 10, 64)
			if err != nil {
				t.Fatal(lines.Text())
			}
		}
		_ = child.Process.Kill()
		for lines.Scan() { // what it reported before the kill came
			if n, err := strconv.ParseUint(lines.Text(), 10, 64); err == nil {
				reported = n
			}
		}
		_ = child.Wait()
		l := open(t, dir)
		if got := l.State().Record.Epoch.Counter; got < reported || got > reported+1 {
			t.Fatalf("the child reported epoch %d, the file has %d", reported, got)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func saveForever(t *testing.T, dir string) {
	t.Helper()
	l, err := Open(dir, self, quiet())
	if err != nil {
		t.Fatal(err)
	}
	for {
		if err := l.Save(t.Context(), promote); err != nil {
			t.Fatal(err)
		}
		_, _ = os.Stdout.WriteString(strconv.FormatUint(l.State().Record.Epoch.Counter, 10) + "\n")
	}
}

func FuzzState(f *testing.F) {
	text, err := json.Marshal(State{Version: 1, ID: self})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"version":1,"record":{"epoch":{"counter":-1}}}`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(filepath.Join(dir, "state.json"), text, 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := Open(dir, self, quiet())
		if err != nil {
			return
		}
		if !l.State().ID.Valid() {
			t.Errorf("accepted %s", text)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}

func BenchmarkSave(b *testing.B) {
	l, err := Open(b.TempDir(), self, quiet())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := l.Save(b.Context(), func(s *State) { s.Record.Epoch.Counter++ }); err != nil {
			b.Fatal(err)
		}
	}
}

func TestTheNextRunKnowsWhenThisOneWasAlive(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(dir, self, quiet())
	if err != nil {
		t.Fatal(err)
	}
	if last := l.LastBeat(); !last.IsZero() {
		t.Errorf("alive at %s before the first start", last)
	}
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	for i := range 3 {
		if err := l.Beat(now.Add(time.Duration(i) * time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(dir, self, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = again.Close() })
	if last := again.LastBeat(); !last.Equal(now.Add(2 * time.Second)) {
		t.Errorf("alive at %s", last)
	}
}

// Who stores a record that is stored already wants to know that it can be stored.
func TestARecordIsWrittenAlsoIfItIsStoredAlready(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	record := l.State().Record
	if err := l.SaveRecord(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	away := errors.Join(os.Remove(filepath.Join(dir, "state.json")), os.Mkdir(filepath.Join(dir, "state.json.new"), 0o700),
		os.WriteFile(filepath.Join(dir, "state.json.new", "file"), nil, 0o600))
	if away != nil {
		t.Fatal(away)
	}
	if err := l.SaveRecord(t.Context(), record); err == nil {
		t.Error("a record that could not be written is said to be stored")
	}
	if err := os.RemoveAll(filepath.Join(dir, "state.json.new")); err != nil {
		t.Fatal(err)
	}
	if err := l.SaveRecord(t.Context(), record); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "state.json")); err != nil {
		t.Error(err)
	}
}

// TestWhatServicesDidIsReadAgain has services whose names are the keys of the file.
func TestWhatServicesDidIsReadAgain(t *testing.T) {
	type did struct{ Ends []time.Time }
	dir := t.TempDir()
	l, err := Open(dir, self, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	written := map[string]did{"web": {Ends: []time.Time{time.Unix(7, 0).UTC()}}, "worker": {}}
	if err := l.SaveServices(written); err != nil {
		t.Fatal(err)
	}
	var read map[string]did
	if err := l.ReadServices(&read); err != nil || !reflect.DeepEqual(read, written) {
		t.Errorf("read %+v, %v", read, err)
	}
}
