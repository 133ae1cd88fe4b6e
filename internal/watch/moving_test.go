package watch

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"baton/internal/datasync/offer"
)

// A file that could not be copied for a moment is no condition; of several, the one is named that has waited longest.
func TestAFileThatKeepsChangingIsTold(t *testing.T) {
	for _, row := range []struct {
		since []time.Duration
		says  string // empty: nothing
	}{
		{nil, ""},
		{[]time.Duration{time.Second}, ""},
		{[]time.Duration{2 * time.Minute}, "/srv/www/file0 changes while it is read"},
		{[]time.Duration{2 * time.Minute, time.Hour, time.Second}, "/srv/www/file1 changes while it is read"},
		{[]time.Duration{2 * time.Minute, time.Hour}, "So does 1 other file."},
		{[]time.Duration{2 * time.Minute, time.Hour, time.Hour}, "So do 2 other files."},
	} {
		var files []offer.Moving
		for i, d := range row.since {
			files = append(files, offer.Moving{In: "/srv/www", Path: fmt.Sprintf("file%d", i), Since: time.Now().Add(-d)})
		}
		told := (&Moving{Files: func() []offer.Moving { return files }}).Conditions()
		if (len(told) > 0) != (row.says != "") || (len(told) > 0 && !strings.Contains(told[0].Text, row.says)) {
			t.Errorf("%v: %+v, want %q", row.since, told, row.says)
		}
	}
}
