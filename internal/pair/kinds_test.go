package pair_test

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"baton/internal/pair"
)

// TestEveryKindOfEventIsListed reads the kinds from the source.
func TestEveryKindOfEventIsListed(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("status.go")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^\tKind\w+ += "([a-z-]+)"`).FindAllSubmatch(source, -1)
	if len(found) == 0 || len(found) != len(pair.Kinds()) {
		t.Errorf("%d kinds in the source, %d are listed", len(found), len(pair.Kinds()))
	}
	for _, one := range found {
		if !slices.Contains(pair.Kinds(), string(one[1])) {
			t.Errorf("%s is not listed", one[1])
		}
	}
}
