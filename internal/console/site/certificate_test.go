package site

import (
	"testing"
	"time"

	"baton/internal/admin/admintest"
	"baton/internal/api"
)

func TestHowLongACertificateLastsIsShown(t *testing.T) {
	t.Parallel()
	now := admintest.Start()
	for left, want := range map[time.Duration]certificateCard{
		-time.Hour:          {State: "critical", Left: "expired"},
		7 * 24 * time.Hour:  {State: "warning", Left: "7 days left"},
		90 * 24 * time.Hour: {State: "good", Left: "90 days left"},
	} {
		got := newCertificateCard(api.Certificate{Names: make([]string, 15), NotAfter: now.Add(left)}, time.UTC, now)
		if got.State != want.State || got.Left != want.Left || len(got.FirstNames) != 12 || got.More != 3 {
			t.Errorf("%s: %s, %s, %d names and %d more", left, got.State, got.Left, len(got.FirstNames), got.More)
		}
	}
}
