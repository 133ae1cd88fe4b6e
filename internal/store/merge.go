package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"baton/internal/pair"
)

// restartAt is the step of numbers after a restore: the numbers of an appliance
// have no gap, but for one that ends at a multiple of it.
const restartAt = 1_000_000

// maxJump is the longest such gap: a thousand restores in a row. It keeps a peer
// whose numbers are damaged from using up ours.
const maxJump = 1000 * restartAt

// Heads tells, for each appliance, up to which running number every event is
// here. The peer answers with what After returns for it.
func (h History) Heads(ctx context.Context) (map[pair.ApplianceID]int64, error) {
	heads, err := h.db.heads.Read(ctx, h.db.counter, func() (map[pair.ApplianceID]int64, error) { return h.heads(ctx) })
	return maps.Clone(heads), h.db.explain("read how far the history goes", err)
}

func (h History) heads(ctx context.Context) (map[pair.ApplianceID]int64, error) {
	heads := map[pair.ApplianceID]int64{}
	rows, err := h.db.reader.QueryContext(ctx, `SELECT appliance, complete FROM event_head WHERE complete > 0`)
	err = each(rows, err, func(row scanner) error {
		var appliance pair.ApplianceID
		var complete int64
		if err := row.Scan(&appliance, &complete); err != nil {
			return err
		}
		heads[appliance] = complete
		return nil
	})
	return heads, err
}

// After returns up to limit events that a side with these heads lacks, in
// the order in which Merge takes them. Fewer than limit: that was all.
func (h History) After(ctx context.Context, heads map[pair.ApplianceID]int64, limit int) ([]pair.Event, error) {
	limit = min(max(limit, 1), maxEvents)
	known, err := h.appliances(ctx)
	if err != nil {
		return nil, h.db.explain("read the history for the peer", err)
	}
	events := []pair.Event{}
	for _, appliance := range known {
		of, err := list(ctx, h.db.reader, scanEvent, `SELECT `+eventColumns+` FROM event WHERE appliance = ? AND seq > ? ORDER BY seq LIMIT ?`,
			appliance, heads[appliance], limit-len(events))
		if err != nil {
			return nil, h.db.explain("read the history for the peer", err)
		}
		events = append(events, of...)
	}
	return events, nil
}

func (h History) appliances(ctx context.Context) ([]pair.ApplianceID, error) {
	return list(ctx, h.db.reader, func(row scanner) (appliance pair.ApplianceID, err error) {
		err = row.Scan(&appliance)
		return appliance, err
	}, `SELECT appliance FROM event_head ORDER BY appliance`)
}

// Merge adds the events of the other side that are not here yet and returns how
// many were added; merging again adds nothing. All are taken or none: one that is
// malformed, that claims another appliance than its id, or that leaves a gap
// behind our head refuses the whole batch.
func (h History) Merge(ctx context.Context, events []pair.Event) (added int, err error) {
	ordered, err := inOrder(events)
	if err != nil {
		return 0, err
	}
	err = h.db.write(ctx, "merge the histories", func(tx *sql.Tx) error {
		merge := merger{log: h.db.log, tx: tx, heads: map[pair.ApplianceID]int64{}}
		for _, event := range ordered {
			if err := merge.add(ctx, event); err != nil {
				return err
			}
		}
		added = merge.added
		return merge.saveHeads(ctx)
	})
	if err != nil {
		return 0, err
	}
	return added, nil
}

type numbered struct {
	pair.Event
	seq int64
}

// inOrder checks every event and sorts them by appliance and running number.
func inOrder(events []pair.Event) ([]numbered, error) {
	ordered := make([]numbered, 0, len(events))
	for _, event := range events {
		if err := checkEvent(event); err != nil {
			return nil, err
		}
		_, seq, err := parseEventID(event.ID)
		if err != nil {
			return nil, err
		}
		ordered = append(ordered, numbered{event, seq})
	}
	slices.SortStableFunc(ordered, func(a, b numbered) int {
		return cmp.Or(strings.Compare(string(a.Appliance), string(b.Appliance)), cmp.Compare(a.seq, b.seq))
	})
	return ordered, nil
}

type merger struct {
	log   *slog.Logger
	tx    *sql.Tx
	heads map[pair.ApplianceID]int64 // complete, as it becomes
	added int
}

func (m *merger) add(ctx context.Context, event numbered) error {
	head, err := m.head(ctx, event.Appliance)
	if err != nil {
		return err
	}
	if gap := event.seq - head; gap > 1 && (event.seq%restartAt != 1 || gap > maxJump) {
		return pair.Refuse(pair.Refused, "event %s follows %d with a gap: ask again from there", event.ID, head)
	}
	inserted, err := insertEvent(ctx, m.tx, event.Event, event.seq)
	if err != nil {
		return err
	}
	if inserted {
		m.added++
	} else if err := m.compare(ctx, event); err != nil {
		return err
	}
	m.heads[event.Appliance] = max(head, event.seq)
	return nil
}

func (m *merger) head(ctx context.Context, appliance pair.ApplianceID) (int64, error) {
	if head, known := m.heads[appliance]; known {
		return head, nil
	}
	var head int64
	err := m.tx.QueryRowContext(ctx, `SELECT complete FROM event_head WHERE appliance = ?`, appliance).Scan(&head)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, err
	}
	return head, nil
}

// compare warns where two events share an id, which only a machine that was set
// back as a whole can cause: each side keeps its own.
func (m *merger) compare(ctx context.Context, event numbered) error {
	detail, err := detailText(event.Event)
	if err != nil {
		return err
	}
	var same bool
	row := m.tx.QueryRowContext(ctx, `SELECT time = ? AND kind = ? AND text = ? AND detail = ? FROM event WHERE appliance = ? AND seq = ?`,
		event.Time.UnixMilli(), event.Kind, event.Text, detail, event.Appliance, event.seq)
	if err := row.Scan(&same); err != nil {
		return err
	}
	if !same {
		m.log.Warn("two events share an id: kept the one that was here", slog.String("id", event.ID), slog.String("other", event.Text))
	}
	return nil
}

func (m *merger) saveHeads(ctx context.Context) error {
	for appliance, head := range m.heads {
		if _, err := m.tx.ExecContext(ctx, `INSERT INTO event_head (appliance, complete, used) VALUES (?1, ?2, ?2)
			ON CONFLICT (appliance) DO UPDATE SET complete = ?2, used = max(used, ?2)`, appliance, head); err != nil {
			return err
		}
	}
	return nil
}
