package notify

import (
	"fmt"
	"testing"

	"baton/internal/cause"
	"baton/internal/cause/causetest"
)

// TestNoNoticeFailsInTheWordsOfALibrary: its sentence is a condition, and the result of a test.
func TestNoNoticeFailsInTheWordsOfALibrary(t *testing.T) {
	for _, raw := range causetest.Raw() {
		for _, err := range []error{raw, fmt.Errorf("dial failed: %w", raw)} {
			for _, told := range []error{explain("mail.example.org:465", err), explainMail("mail.example.org:465", "baton", err)} {
				if cause.Rough(told.Error()) {
					t.Errorf("%v\nis told as: %v", err, told)
				}
			}
		}
	}
}
