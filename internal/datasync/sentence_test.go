package datasync

import (
	"fmt"
	"testing"
	"time"

	"baton/internal/cause"
	"baton/internal/cause/causetest"
	"baton/internal/datasync/ledger"
	"baton/internal/datasync/progress"
	"baton/internal/datasync/refusal"
	"baton/internal/datasync/source"
)

// TestNoDataSyncFailsInTheWordsOfALibrary: its sentence is a condition, in the status
// and in the history of both appliances.
func TestNoDataSyncFailsInTheWordsOfALibrary(t *testing.T) {
	for _, raw := range causetest.Raw() {
		for _, err := range []error{raw, source.Explain(raw, "/srv/www"), fmt.Errorf("receive: %w", raw), source.Sentence(ledger.ErrTorn, "It is half in place: %v.", raw)} {
			var tracker progress.Tracker
			tracker.Begin(time.Now())
			tracker.Fail(time.Now(), err)
			for where, told := range map[string]string{"progress": tracker.Get(time.Now()).Error, "peer": refusal.Of(err).Text} {
				if told == "" || cause.Rough(told) {
					t.Errorf("%s: %v\nis told as: %s", where, err, told)
				}
			}
		}
	}
}
