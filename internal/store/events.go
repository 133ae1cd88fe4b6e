package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"baton/internal/pair"
)

// Bounds of one event, in bytes and entries; a longer text is cut.
const (
	maxEventKind   = 64
	maxEventText   = 4096
	maxEventDetail = 128
)

// Bounds of one reading of the history.
const (
	defaultEvents = 1000
	maxEvents     = 10_000
	maxKinds      = 64
)

// Filter selects events. The zero value selects the newest.
type Filter struct {
	Since, Until time.Time          // from, and before; zero: without bound
	Kinds        []string           // none: every kind
	Appliances   []pair.ApplianceID // that wrote them; none: every appliance
	Limit        int                // 0: 1000; at most 10,000
	After        string             // id of an event: the first events behind it
	Before       string             // id of an event: the last events ahead of it
	Oldest       bool               // the first events, as with After
}

// forward reports whether the history is walked from its begin.
func (f Filter) forward() bool { return f.Oldest || f.After != "" }

// History is the history of both appliances. What this one appends is its own.
type History struct {
	db   *database
	self pair.ApplianceID
}

// Append adds an event of this appliance to the history and returns it with its
// id, appliance and time; a time already set is kept, to the millisecond.
func (h History) Append(ctx context.Context, event pair.Event) (pair.Event, error) {
	err := h.db.write(ctx, "add to the history", func(tx *sql.Tx) (err error) {
		event, err = h.append(ctx, tx, event)
		return err
	})
	return event, err
}

func (h History) append(ctx context.Context, tx *sql.Tx, event pair.Event) (pair.Event, error) {
	if event.Time.IsZero() {
		event.Time = h.db.now()
	}
	event.Time = event.Time.UTC().Truncate(time.Millisecond)
	event.Appliance = h.self
	event = clip(event)
	// complete follows while nothing is missing: see schema/0002-events.sql.
	row := tx.QueryRowContext(ctx, `INSERT INTO event_head (appliance, complete, used) VALUES (?, 1, 1)
		ON CONFLICT (appliance) DO UPDATE SET used = used + 1, complete = complete + (complete = used)
		RETURNING used`, h.self)
	var seq int64
	if err := row.Scan(&seq); err != nil {
		return event, err
	}
	event.ID = eventID(h.self, seq)
	if err := checkEvent(event); err != nil {
		return event, err
	}
	_, err := insertEvent(ctx, tx, event, seq)
	return event, err
}

// clip cuts what is too long: an event cut short says more than one refused.
func clip(event pair.Event) pair.Event {
	event.Text = clipText(event.Text)
	detail := make(map[string]string, len(event.Detail))
	for key, value := range event.Detail {
		detail[key] = clipText(value)
	}
	event.Detail = detail
	return event
}

func clipText(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), maxEventText)], "")
}

func eventID(appliance pair.ApplianceID, seq int64) string { return pair.EventID(appliance, seq) }

func parseEventID(id string) (pair.ApplianceID, int64, error) {
	appliance, number, _ := strings.Cut(id, "-")
	seq, err := strconv.ParseInt(number, 10, 64)
	if err != nil || seq < 1 || !pair.ApplianceID(appliance).Valid() || id != eventID(pair.ApplianceID(appliance), seq) {
		return "", 0, pair.Refuse(pair.Refused, "%.80q is not the id of an event", id)
	}
	return pair.ApplianceID(appliance), seq, nil
}

// checkEvent refuses what neither side writes.
func checkEvent(event pair.Event) error {
	appliance, _, err := parseEventID(event.ID)
	switch {
	case err != nil:
		return err
	case appliance != event.Appliance:
		return pair.Refuse(pair.Refused, "event %s claims to be of appliance %.40q", event.ID, string(event.Appliance))
	case !validName(event.Kind, "-") || len(event.Kind) > maxEventKind:
		return pair.Refuse(pair.Refused, "event %s has no valid kind", event.ID)
	case event.Time.Year() < 1970 || event.Time.Year() > 9999:
		return pair.Refuse(pair.Refused, "event %s has no valid time", event.ID)
	case len(event.Text) > maxEventText || len(event.Detail) > maxEventDetail:
		return pair.Refuse(pair.Refused, "event %s is too long", event.ID)
	}
	for key, value := range event.Detail {
		if len(key) > maxEventText || len(value) > maxEventText {
			return pair.Refuse(pair.Refused, "event %s is too long", event.ID)
		}
	}
	return nil
}

// insertEvent adds an event unless its number is taken; it reports whether it did.
func insertEvent(ctx context.Context, tx *sql.Tx, event pair.Event, seq int64) (bool, error) {
	detail, err := detailText(event)
	if err != nil {
		return false, err
	}
	result, err := tx.ExecContext(ctx, `INSERT INTO event (appliance, seq, time, kind, text, detail) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (appliance, seq) DO NOTHING`,
		event.Appliance, seq, event.Time.UnixMilli(), event.Kind, event.Text, detail)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

func detailText(event pair.Event) (string, error) {
	if len(event.Detail) == 0 {
		return "{}", nil
	}
	text, err := json.Marshal(event.Detail)
	return string(text), err
}

const eventColumns = `appliance, seq, time, kind, text, detail`

func scanEvent(row scanner) (pair.Event, error) {
	var event pair.Event
	var seq, ms int64
	var detail string
	if err := row.Scan(&event.Appliance, &seq, &ms, &event.Kind, &event.Text, &detail); err != nil {
		return event, err
	}
	event.ID = eventID(event.Appliance, seq)
	event.Time = time.UnixMilli(ms).UTC()
	if detail != "{}" {
		if err := json.Unmarshal([]byte(detail), &event.Detail); err != nil {
			return event, fmt.Errorf("detail of event %s: %w", event.ID, err)
		}
	}
	return event, nil
}

// Events reads the history, newest last: the newest that the filter selects, or
// with After the oldest behind it.
func (h History) Events(ctx context.Context, filter Filter) ([]pair.Event, error) {
	query, args, err := h.query(ctx, filter)
	if err != nil {
		return nil, h.db.explain("read the history", err)
	}
	events, err := list(ctx, h.db.reader, scanEvent, query, args...)
	if !filter.forward() {
		slices.Reverse(events)
	}
	return events, h.db.explain("read the history", err)
}

// query walks an index from the right end and stops at the limit, so that
// its cost follows the answer, not the history: one walk, or one for each kind
// and appliance, of which only what is answered is then looked up.
func (h History) query(ctx context.Context, filter Filter) (query string, args []any, err error) {
	where, bounds, err := h.bounds(ctx, filter)
	if err != nil {
		return "", nil, err
	}
	if filter.Limit < 0 || len(filter.Kinds) > maxKinds || len(filter.Appliances) > maxKinds {
		return "", nil, pair.Refuse(pair.Refused, "select at most %d events of at most %d kinds", maxEvents, maxKinds)
	}
	limit := min(filter.Limit, maxEvents)
	if limit == 0 {
		limit = defaultEvents
	}
	order := ` ORDER BY time DESC, appliance DESC, seq DESC`
	if filter.forward() {
		order = ` ORDER BY time, appliance, seq`
	}
	if len(filter.Kinds) == 0 {
		among, ids := oneOf("appliance", filter.Appliances)
		return `SELECT ` + eventColumns + ` FROM event WHERE ` + where + among + order + ` LIMIT ?`, append(append(bounds, ids...), limit), nil
	}
	writers := filter.Appliances
	if len(writers) == 0 {
		if writers, err = h.appliances(ctx); err != nil {
			return "", nil, err
		}
		writers = append(writers, h.self) // before its first event
	}
	var walks []string
	for _, kind := range unique(filter.Kinds) {
		for _, writer := range unique(writers) {
			walks = append(walks, `SELECT * FROM (SELECT time, appliance, seq FROM event WHERE kind = ? AND appliance = ? AND `+where+order+` LIMIT ?)`)
			args = append(append(append(args, kind, writer), bounds...), limit)
		}
	}
	found := `SELECT appliance, seq FROM (` + strings.Join(walks, ` UNION ALL `) + `)` + order + ` LIMIT ?`
	return `SELECT ` + eventColumns + ` FROM event JOIN (` + found + `) USING (appliance, seq)` + order, append(args, limit), nil
}

// oneOf narrows to values of a column; none: to nothing.
func oneOf[T any](column string, values []T) (where string, args []any) {
	if len(values) == 0 {
		return "", nil
	}
	for _, value := range values {
		args = append(args, value)
	}
	return ` AND ` + column + ` IN (?` + strings.Repeat(`, ?`, len(values)-1) + `)`, args
}

func unique[T cmp.Ordered](values []T) []T {
	return slices.Compact(slices.Sorted(slices.Values(values)))
}

// bounds narrows by time first: the index is walked from there, and what a
// cursor adds only parts the events of one millisecond.
func (h History) bounds(ctx context.Context, filter Filter) (where string, args []any, err error) {
	since, until := int64(0), int64(math.MaxInt64)
	if !filter.Since.IsZero() {
		since = filter.Since.UnixMilli()
	}
	if !filter.Until.IsZero() {
		until = filter.Until.UnixMilli()
	}
	where = `time >= ? AND time < ?`
	if filter.After != "" {
		at, err := h.cursor(ctx, filter.After)
		if err != nil {
			return "", nil, err
		}
		since = max(since, at.ms)
		where += ` AND (time, appliance, seq) > (?, ?, ?)`
		args = append(args, at.ms, at.appliance, at.seq)
	}
	if filter.Before != "" {
		at, err := h.cursor(ctx, filter.Before)
		if err != nil {
			return "", nil, err
		}
		until = min(until, at.ms+1)
		where += ` AND (time, appliance, seq) < (?, ?, ?)`
		args = append(args, at.ms, at.appliance, at.seq)
	}
	return where, append([]any{since, until}, args...), nil
}

// position is an event's place in the history.
type position struct {
	ms        int64
	appliance pair.ApplianceID
	seq       int64
}

func (h History) cursor(ctx context.Context, id string) (at position, err error) {
	if at.appliance, at.seq, err = parseEventID(id); err != nil {
		return at, err
	}
	row := h.db.reader.QueryRowContext(ctx, `SELECT time FROM event WHERE appliance = ? AND seq = ?`, at.appliance, at.seq)
	if err = row.Scan(&at.ms); errors.Is(err, sql.ErrNoRows) {
		err = pair.Refuse(pair.NotFound, "there is no event %s: read the history from its end", id)
	}
	return at, err
}
