package unit

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strconv"
	"time"

	"baton/internal/service"
	"baton/internal/service/program"
	"baton/internal/systemd"
)

// Bounds of what is read of the journal, and how long that may take.
const (
	mostLog   = 1 << 20 // bytes of journalctl's own format
	logWithin = 10 * time.Second
)

// Log is the end of what the journal of this machine has of a service, and of what a timer starts, oldest first.
func (m *Machine) Log(ctx context.Context, of service.Definition, lines int) (log []service.Line, err error) {
	unit := of.RunsAs()
	select {
	case <-m.reading:
		defer func() { m.reading <- struct{}{} }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	err = m.do(ctx, func(conn *systemd.Manager) error {
		known, err := conn.Unit(ctx, unit)
		if err != nil {
			return err
		}
		args := []string{"/usr/bin/journalctl", "--quiet", "--no-pager", "--all", "--output=json", "--output-fields=MESSAGE,__REALTIME_TIMESTAMP", "--lines=" + strconv.Itoa(lines)}
		for _, one := range append(known.Triggers, unit) {
			args = append(args, "--unit="+one)
		}
		command := systemd.Command{Unit: "baton-log.service", Description: "Baton reads a log", Args: args, Called: "journalctl", Quiet: true}
		written, err := program.Output(mostLog, func(out *os.File) error { return conn.Try(ctx, command, logWithin, out) })
		log = readLog(written)
		return err
	})
	return log, err
}

// readLog reads lines of journalctl --output=json. The first may be cut.
func readLog(written []byte) []service.Line {
	log := []service.Line{}
	for text := range bytes.Lines(written) {
		var entry struct {
			Message json.RawMessage `json:"MESSAGE"`
			Micros  string          `json:"__REALTIME_TIMESTAMP"`
		}
		if json.Unmarshal(text, &entry) != nil {
			continue
		}
		at, _ := strconv.ParseInt(entry.Micros, 10, 64)
		log = append(log, service.Line{Time: time.UnixMicro(at).UTC(), Text: message(entry.Message)})
	}
	return log
}

// message is a text of the journal: a string or, if it is no text, an array of bytes; several of
// them, if it was given several times.
func message(raw json.RawMessage) string {
	var text string
	var bytes []uint16 // and not []byte, which would be read from base64
	switch {
	case json.Unmarshal(raw, &text) == nil:
	case json.Unmarshal(raw, &bytes) == nil:
		short := make([]byte, 0, len(bytes))
		for _, b := range bytes {
			short = append(short, byte(b&0xff))
		}
		text = string(short)
	default:
		text = "(a message that cannot be shown)"
	}
	return program.Shown(text)
}
