package failover_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"baton/internal/failover/failovertest"
)

var rewrite = flag.Bool("rewrite", false, "write what really happens into the stories and docs")

func TestStories(t *testing.T) {
	for _, path := range stories(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			told := tell(t, path, nil)
			want := read(t, path)
			if strings.Contains(told, "BUG:") {
				t.Error("an invariant breaks")
			}
			if *rewrite {
				write(t, path, told)
			} else if told != want {
				t.Errorf("the story goes otherwise (-rewrite writes it anew):\n%s", difference(want, told))
			}
		})
	}
}

func stories(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatal("no stories", err)
	}
	return paths
}

func tell(t *testing.T, path string, change failovertest.Change) string {
	t.Helper()
	told, _, err := failovertest.RunStory(read(t, path), change)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return told
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
