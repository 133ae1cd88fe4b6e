// Package followtest has a database in memory that follows, promotes and rejoins, and the
// suite of tests that every kind of streaming data passes.
package followtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"baton/internal/datasync/follow"
	"baton/internal/kept"
)

// transaction is one entry of a history: what was written, and by which promotion's
// database.
type transaction struct {
	branch uint64
	text   string
}

// Memory is a database server in memory with its disk. It implements follow.Database.
type Memory struct {
	mu      sync.Mutex
	history []transaction
	durable int    // so many of them outlive a power cut
	branch  uint64 // of what is written here
	leads   bool
	open    bool          // takes writes
	added   chan struct{} // closed when something is added
	end     context.CancelFunc
	ended   chan struct{}

	// Hook is called before each step of a Rejoin that a power cut may come between.
	Hook func(step string)
}

// NewMemory returns an empty database that neither leads nor follows.
func NewMemory() *Memory {
	return &Memory{added: make(chan struct{}), Hook: func(string) {}}
}

// Write writes a transaction, durably.
func (m *Memory) Write(text string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.open {
		return errors.New("it takes no writes")
	}
	m.add(transaction{m.branch, text})
	m.durable = len(m.history)
	return nil
}

// Read returns what was written, in order.
func (m *Memory) Read() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []string
	for _, t := range m.history {
		all = append(all, t.text)
	}
	return all
}

// Cut cuts the power: of what was received and is not durable yet, any part is lost.
func (m *Memory) Cut() {
	m.unfollow()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.durable += rand.IntN(len(m.history) - m.durable + 1) //nolint:gosec // chance, no secret
	m.history = m.history[:m.durable]
	m.open = false
}

// add is called with mu held.
func (m *Memory) add(t transaction) {
	m.history = append(m.history, t)
	close(m.added)
	m.added = make(chan struct{})
}

// branches is a position: how many transactions of each branch, in order, as "7:3,12:1".
func branches(history []transaction) string {
	var parts []string
	for i := 0; i < len(history); {
		n := i
		for n < len(history) && history[n].branch == history[i].branch {
			n++
		}
		parts = append(parts, fmt.Sprintf("%d:%d", history[i].branch, n-i))
		i = n
	}
	return strings.Join(parts, ",")
}

// run is a number of transactions of one branch.
type run struct {
	branch string
	length int
}

func runs(position string) []run {
	var all []run
	for part := range strings.SplitSeq(position, ",") {
		if branch, length, ok := strings.Cut(part, ":"); ok {
			n, _ := strconv.Atoi(length) // of our own
			all = append(all, run{branch, n})
		}
	}
	return all
}

// common returns how many transactions two positions begin with alike.
func common(a, b string) (n int) {
	x, y := runs(a), runs(b)
	for i := range min(len(x), len(y)) {
		if x[i].branch != y[i].branch {
			return n
		}
		n += min(x[i].length, y[i].length)
		if x[i].length != y[i].length {
			return n
		}
	}
	return n
}

func length(position string) (n int) {
	for _, r := range runs(position) {
		n += r.length
	}
	return n
}

// Covers implements follow.Database.
func (*Memory) Covers(have, want follow.Position) bool {
	return common(have.Text, want.Text) == length(want.Text)
}

// Position implements follow.Database.
func (m *Memory) Position(context.Context) (follow.Position, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.position(), nil
}

// position is called with mu held.
func (m *Memory) position() follow.Position {
	return follow.Position{Text: branches(m.history[:m.durable])}
}

// unfollow ends the following, and waits for its end.
func (m *Memory) unfollow() {
	m.mu.Lock()
	end, ended := m.end, m.ended
	m.end = nil
	m.mu.Unlock()
	if end != nil {
		end()
		<-ended
	}
}

// Stop implements follow.Database.
func (m *Memory) Stop(context.Context) (follow.Position, error) {
	m.unfollow()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open, m.durable = false, len(m.history)
	return m.position(), nil
}

// Promote implements follow.Database.
func (m *Memory) Promote(context.Context) (follow.Position, error) {
	m.unfollow()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.durable = len(m.history)
	if !m.leads {
		m.leads, m.branch = true, rand.Uint64() //nolint:gosec // tells branches apart, no secret
	}
	m.open = true
	return m.position(), nil
}

// Start implements follow.Database.
func (m *Memory) Start(ctx context.Context, upstream follow.Upstream) error {
	m.mu.Lock()
	leads := m.leads
	m.mu.Unlock()
	if leads {
		return follow.ErrLeads
	}
	if ahead, _, err := m.compare(ctx, upstream); err == nil && ahead {
		return follow.ErrDiverged
	}
	m.unfollow()
	following, end := context.WithCancel(context.WithoutCancel(ctx))
	m.mu.Lock()
	m.end, m.ended = end, make(chan struct{})
	ended := m.ended
	m.mu.Unlock()
	go func() {
		defer close(ended)
		for following.Err() == nil {
			_ = m.receive(following, upstream) // a connection that is lost is made again
			select {
			case <-following.Done():
			case <-time.After(time.Millisecond):
			}
		}
	}()
	return nil
}

// ask opens a connection, and says what is here. The answer is what upstream has in common
// with it, in transactions.
func (m *Memory) ask(ctx context.Context, upstream follow.Upstream) (connection io.ReadWriteCloser, in *bufio.Reader, here, alike int, err error) {
	m.mu.Lock()
	position := branches(m.history)
	m.mu.Unlock()
	if connection, err = upstream.Dial(ctx); err != nil {
		return nil, nil, 0, 0, err
	}
	in = bufio.NewReader(connection)
	if _, err = fmt.Fprintln(connection, position); err == nil {
		_, err = fmt.Fscanln(in, &alike)
	}
	if err != nil {
		_ = connection.Close()
	}
	return connection, in, length(position), alike, err
}

// compare reports whether upstream lacks something that is here, and how much it has.
func (m *Memory) compare(ctx context.Context, upstream follow.Upstream) (ahead bool, alike int, err error) {
	connection, _, here, alike, err := m.ask(ctx, upstream)
	if err != nil {
		return false, 0, err
	}
	return here > alike, alike, connection.Close()
}

// receive takes the history from one connection, until that is lost.
func (m *Memory) receive(ctx context.Context, upstream follow.Upstream) error {
	connection, in, here, alike, err := m.ask(ctx, upstream)
	if err != nil || here > alike {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = connection.Close() })
	defer func() {
		stop()
		_ = connection.Close()
	}()
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		number, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		branch, err := strconv.ParseUint(number, 10, 64)
		if err != nil {
			return err
		}
		m.mu.Lock()
		m.add(transaction{branch, text})
		if rand.IntN(2) == 0 { //nolint:gosec // chance, no secret
			m.durable = len(m.history)
		}
		if in.Buffered() == 0 {
			m.durable = len(m.history)
		}
		m.mu.Unlock()
	}
}

// Serve implements follow.Database.
func (m *Memory) Serve(ctx context.Context, connection io.ReadWriteCloser) error {
	stop := context.AfterFunc(ctx, func() { _ = connection.Close() })
	defer func() {
		stop()
		_ = connection.Close()
	}()
	line, err := bufio.NewReader(connection).ReadString('\n')
	if err != nil {
		return err
	}
	m.mu.Lock()
	sent := common(m.position().Text, strings.TrimSpace(line))
	m.mu.Unlock()
	if _, err := fmt.Fprintln(connection, sent); err != nil {
		return err
	}
	for {
		m.mu.Lock()
		more, added := slices.Clone(m.history[min(sent, m.durable):m.durable]), m.added
		m.mu.Unlock()
		for _, t := range more {
			if _, err := fmt.Fprintf(connection, "%d %s\n", t.branch, t.text); err != nil {
				return err
			}
		}
		sent += len(more)
		select {
		case <-added:
		case <-time.After(5 * time.Millisecond):
			if ctx.Err() != nil {
				return ctx.Err()
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Rejoin implements follow.Database.
func (m *Memory) Rejoin(ctx context.Context, upstream follow.Upstream, keep follow.Keep) error {
	m.unfollow()
	ahead, alike, err := m.compare(ctx, upstream)
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.open = false
	extra := slices.Clone(m.history[min(alike, len(m.history)):])
	m.mu.Unlock()
	if ahead {
		m.Hook("keep")
		err := keep(ctx, func(into string) ([]kept.DivergedFile, error) { return write(extra, into) })
		if err != nil {
			return err
		}
	}
	m.Hook("give up")
	m.mu.Lock()
	m.history = m.history[:alike]
	m.durable, m.leads = alike, false
	m.mu.Unlock()
	m.Hook("follow")
	return m.Start(ctx, upstream)
}

func write(extra []transaction, into string) ([]kept.DivergedFile, error) {
	texts := map[string]bool{}
	for _, t := range extra {
		texts[t.text] = true
	}
	text := strings.Join(slices.Sorted(maps.Keys(texts)), "\n")
	err := os.WriteFile(filepath.Join(into, "transactions"), []byte(text), 0o600)
	return []kept.DivergedFile{{Path: "transactions", Size: int64(len(text))}}, err
}
