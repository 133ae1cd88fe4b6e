package app

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"baton/internal/api"
)

func TestFullDiskIsSaidInASentence(t *testing.T) {
	err := failure(fmt.Errorf("save something: %w", syscall.ENOSPC))
	if api.CodeOf(err) != api.Failed || !strings.Contains(err.Error(), "full") {
		t.Errorf("got %v", err)
	}
}
