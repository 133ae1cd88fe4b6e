package store

import (
	"bytes"
	"testing"
	"time"

	"baton/internal/pair"
)

const chosenText = "Primary Site Instance Timeout 3 s: the traffic lease is in force on both."

// timeout returns the one that is saved.
func timeoutOf(t *testing.T, s *Site) time.Duration {
	t.Helper()
	settings, _, err := s.Settings.Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return settings.PrimaryTimeout
}

func choose(t *testing.T, s *Site, timeout time.Duration) pair.Settings {
	t.Helper()
	settings, version, err := s.Settings.ChooseTimeout(t.Context(), timeout, chosenText)
	if err != nil {
		t.Fatal(err)
	}
	saved, newest, err := s.Settings.Get(t.Context())
	if err != nil || newest != version || saved.Sum() != settings.Sum() {
		t.Fatalf("chosen %v under version %d; saved %v under %d, %v", settings, version, saved, newest, err)
	}
	return settings
}

func TestATimeoutThatNobodySavedIsChosenForANewPair(t *testing.T) {
	s := openSite(t, alpha)
	if got := choose(t, s, 3*time.Second).PrimaryTimeout; got != 3*time.Second {
		t.Errorf("chosen %v", got)
	}
	events, err := s.History.Events(t.Context(), Filter{})
	if err != nil || len(events) != 1 || events[0].Text != chosenText || events[0].Detail["by"] != "baton" || events[0].Detail["primary_timeout_before"] != "5s" {
		t.Errorf("the history has %v, %v", events, err)
	}
	// What Baton chose it may choose again: for another pair.
	if got := choose(t, s, 5*time.Second).PrimaryTimeout; got != 5*time.Second {
		t.Errorf("chosen again: %v", got)
	}
}

func TestATimeoutThatAPersonSavedIsNeverChosen(t *testing.T) {
	ann := pair.Actor{Name: "ann"}
	for name, save := range map[string]func(s *Site) error{
		"another one": func(s *Site) error {
			_, err := s.Settings.Save(t.Context(), settingsWith(t, map[string]string{"primary_timeout": "8s"}), 0, ann)
			return err
		},
		"the one that it had, by name": func(s *Site) error {
			_, err := s.Settings.Save(t.Context(), settingsWith(t, nil), 0, ann, "primary_timeout")
			return err
		},
		"after Baton chose": func(s *Site) error {
			choose(t, s, 3*time.Second)
			_, err := s.Settings.Save(t.Context(), settingsWith(t, map[string]string{"primary_timeout": "4s"}), 0, ann)
			return err
		},
		"the one that Baton chose, by name": func(s *Site) error {
			_, err := s.Settings.Save(t.Context(), choose(t, s, 4*time.Second), 0, ann, "primary_timeout")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := openSite(t, alpha)
			if err := save(s); err != nil {
				t.Fatal(err)
			}
			before := timeoutOf(t, s)
			if after := choose(t, s, 3*time.Second).PrimaryTimeout; after != before {
				t.Errorf("%v was saved, and %v chosen", before, after)
			}
		})
	}
}

// Another setting, or one saved without its name, tells nothing about the timeout.
func TestOtherSettingsDoNotKeepTheTimeout(t *testing.T) {
	s := openSite(t, alpha)
	if _, err := s.Settings.Save(t.Context(), settingsWith(t, map[string]string{"observe_only": "on"}), 0, pair.Actor{Name: "ann"}, "observe_only"); err != nil {
		t.Fatal(err)
	}
	if got := choose(t, s, 3*time.Second); got.PrimaryTimeout != 3*time.Second || !got.ObserveOnly {
		t.Errorf("chosen %v", got)
	}
}

func TestAChosenTimeoutFitsThePollIntervalOrStays(t *testing.T) {
	s := openSite(t, alpha)
	if _, err := s.Settings.Save(t.Context(), settingsWith(t, map[string]string{"poll_interval": "1s"}), 0, pair.Actor{Name: "ann"}); err != nil {
		t.Fatal(err)
	}
	if got := choose(t, s, 3*time.Second).PrimaryTimeout; got != 5*time.Second {
		t.Errorf("chosen %v, of which the poll interval of 1 s is more than a quarter", got)
	}
}

// The backup has the site database of its primary, and may be the one that pairs next.
func TestABackupHasWhoChoseTheTimeout(t *testing.T) {
	from, to := openSite(t, alpha), openSite(t, beta)
	choose(t, from, 3*time.Second)
	var export bytes.Buffer
	if err := from.Export(t.Context(), &export); err != nil {
		t.Fatal(err)
	}
	if err := to.Import(t.Context(), &export); err != nil {
		t.Fatal(err)
	}
	if got := timeoutOf(t, to); got != 3*time.Second {
		t.Errorf("the backup has %v", got)
	}
	if got := choose(t, to, 5*time.Second).PrimaryTimeout; got != 5*time.Second {
		t.Errorf("chosen again there: %v", got)
	}
}
