package store

import (
	"path/filepath"
	"testing"
	"time"

	"baton/internal/pair"
)

// million writes a year of a busy pair, 1,000,000 events: every half minute one,
// by turns of both appliances. Thirty in a thousand change a role.
func million(b *testing.B) *Site {
	b.Helper()
	s, err := OpenSite(b.Context(), filepath.Join(b.TempDir(), "site.db"), alpha, quiet())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	began := time.Now()
	_, err = s.writer.ExecContext(b.Context(), `
		INSERT INTO event
		WITH RECURSIVE number (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM number LIMIT 1000000)
		SELECT iif(i % 2, ?1, ?2), i / 2 + 1, ?3 + i * 31500,
			CASE WHEN i % 1000 < 600 THEN 'sync-done' WHEN i % 1000 < 620 THEN 'sync-failed' WHEN i % 1000 < 700 THEN 'signed-in'
				WHEN i % 1000 < 850 THEN 'setting-changed' WHEN i % 1000 < 970 THEN 'condition-raised'
				WHEN i % 1000 < 998 THEN 'role-changed' WHEN i % 1000 < 999 THEN 'takeover' ELSE 'handover' END,
			'What happened as number ' || i || ', told in a sentence of an ordinary length for the history.',
			CASE WHEN i % 1000 < 600 THEN json_object('duration_ms', '' || i % 5000, 'bytes', '' || i * 100, 'files', '17', 'number', '' || i, 'took', '1s')
				WHEN i % 1000 < 970 THEN json_object('by', 'ann from 198.51.100.7')
				WHEN i % 4 < 2 THEN json_object('from', 'primary claiming', 'to', 'primary steady', 'reason', 'Nothing.', 'epoch', '7.abc')
				ELSE json_object('from', 'primary steady', 'to', 'primary isolated', 'reason', 'Nothing.', 'epoch', '7.abc') END
		FROM number`, alpha, beta, noon.AddDate(-1, 0, 0).UnixMilli())
	if err != nil {
		b.Fatal(err)
	}
	if _, err := s.writer.ExecContext(b.Context(), `INSERT INTO event_head VALUES (?, 500000, 500000), (?, 500000, 500000)`, alpha, beta); err != nil {
		b.Fatal(err)
	}
	b.Logf("1,000,000 events written in %s", time.Since(began).Round(time.Millisecond))
	return s
}

// BenchmarkReports measures what a page of each report reads.
func BenchmarkReports(b *testing.B) {
	s := million(b)
	year := Span{noon.AddDate(-1, 0, 0), noon}
	var days []Span
	for at := year.Since; at.Before(year.Until); at = at.Add(24 * time.Hour) {
		days = append(days, Span{at, at.Add(24 * time.Hour)})
	}
	audit := []string{pair.KindSignedIn, pair.KindSettingChanged, pair.KindPaired, pair.KindUnpaired, pair.KindPairingFailed}
	for _, bench := range []struct {
		name string
		read func() error
	}{
		{"places of a year", func() error { _, err := s.Places(b.Context(), year.Since, year.Until); return err }},
		{"sums of a year by day", func() error { _, err := s.Sums(b.Context(), days, audit, nil); return err }},
		{"sums of a year in one", func() error {
			_, err := s.Sums(b.Context(), []Span{year}, []string{pair.KindSyncDone}, nil)
			return err
		}},
		{"newest page", func() error { _, _, err := s.Find(b.Context(), Filter{Kinds: audit, Limit: 50}, 5000, all); return err }},
		{"page of one appliance", func() error {
			_, _, err := s.Find(b.Context(), Filter{Kinds: audit, Appliances: []pair.ApplianceID{beta}, Until: noon.AddDate(0, -6, 0), Limit: 50}, 5000, all)
			return err
		}},
		{"page of a text that is nowhere", func() error {
			_, _, err := s.Find(b.Context(), Filter{Kinds: audit, Limit: 50}, 5000, func(pair.Event) bool { return false })
			return err
		}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			for b.Loop() {
				if err := bench.read(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
