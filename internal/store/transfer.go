package store

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"baton/internal/cause"
	"baton/internal/pair"
	"baton/internal/store/schema"
)

// maxLine bounds one line of an export, in bytes.
const maxLine = 1 << 20

// sharedTables are the tables that a backup takes over whole: all but the history
// and who is signed in.
func sharedTables() []string {
	return []string{"setting", "setting_version", "document", "user", "recovery_code", "token", "data"}
}

// line is one line of an export: first the schema's version, then rows, then the
// number of rows, without which the export is not whole.
type line struct {
	Schema int            `json:"schema,omitempty"`
	Table  string         `json:"table,omitempty"`
	Row    map[string]any `json:"row,omitempty"`
	Rows   *int           `json:"rows,omitempty"`
}

// Export writes all tables but the history, as of one moment, for Import.
func (s *Site) Export(ctx context.Context, w io.Writer) error {
	export, err := s.db.exported.Read(ctx, s.db.counter, func() ([]byte, error) {
		var export bytes.Buffer
		err := s.db.export(ctx, &export)
		return export.Bytes(), err
	})
	if err != nil {
		return s.db.explain("export the site database", err)
	}
	if _, err := w.Write(export); err != nil {
		return fmt.Errorf("export the site database: %w", err)
	}
	return nil
}

func (d *database) export(ctx context.Context, w io.Writer) error {
	tx, err := d.reader.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	buffered := bufio.NewWriter(w)
	encoder := json.NewEncoder(buffered)
	if err := encoder.Encode(line{Schema: schema.Version()}); err != nil {
		return err
	}
	rows := 0
	for _, table := range sharedTables() {
		n, err := exportTable(ctx, tx, table, encoder)
		if err != nil {
			return err
		}
		rows += n
	}
	return errors.Join(encoder.Encode(line{Rows: &rows}), buffered.Flush())
}

func exportTable(ctx context.Context, tx *sql.Tx, table string, to *json.Encoder) (n int, err error) {
	columns, err := columnsOf(ctx, tx, table)
	if err != nil {
		return 0, err
	}
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	rows, err := tx.QueryContext(ctx, `SELECT `+strings.Join(columns, ", ")+` FROM `+table+` ORDER BY 1`) //nolint:gosec // the table is one of ours
	err = each(rows, err, func(row scanner) error {
		if err := row.Scan(into...); err != nil {
			return err
		}
		n++
		named := make(map[string]any, len(columns))
		for i, column := range columns {
			named[column] = values[i]
		}
		return to.Encode(line{Table: table, Row: named})
	})
	return n, err
}

// Import replaces all tables but the history by an export. The export must be
// whole and not newer than this program; else nothing changes.
func (s *Site) Import(ctx context.Context, r io.Reader) error {
	lines, version, err := beginExport(r)
	if err != nil {
		return fmt.Errorf("import the site database: %w", err)
	}
	if version < schema.Version() { // of a peer that is upgraded later
		draft, err := s.draft(ctx, lines, version)
		if err != nil {
			return err
		}
		defer func() { _ = draft.Close() }() // it is in memory
		if lines, err = draft.export(ctx); err != nil {
			return err
		}
	}
	return s.db.write(ctx, "import the site database", func(tx *sql.Tx) error {
		if err := replaceTables(ctx, tx, sharedTables(), lines); err != nil {
			return err
		}
		return s.checkImported(ctx, tx)
	})
}

// beginExport reads the first line of an export: its version.
func beginExport(r io.Reader) (*bufio.Scanner, int, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	first, err := nextLine(lines)
	switch {
	case err != nil:
		return nil, 0, err
	case first.Schema < 1:
		return nil, 0, pair.Refuse(pair.Refused, "this is not an export of a site database")
	case first.Schema > schema.Version():
		return nil, 0, pair.Refuse(pair.Refused, "this export of a site database has version %d and this appliance knows %d: upgrade this appliance",
			first.Schema, schema.Version())
	}
	return lines, first.Schema, nil
}

// nextLine reads one line; the end of the stream is an error, because an export
// ends by its own mark.
func nextLine(lines *bufio.Scanner) (line, error) {
	if !lines.Scan() {
		if err := lines.Err(); err != nil {
			return line{}, err
		}
		return line{}, pair.Refuse(pair.Refused, "the export breaks off: try the sync again")
	}
	decoder := json.NewDecoder(bytes.NewReader(lines.Bytes()))
	decoder.UseNumber() // times do not fit a float
	var next line
	if err := decoder.Decode(&next); err != nil {
		return line{}, pair.Refuse(pair.Refused, "the export is damaged: %s", cause.Plain(err))
	}
	return next, nil
}

func replaceTables(ctx context.Context, tx *sql.Tx, tables []string, lines *bufio.Scanner) error {
	columns := map[string][]string{}
	for _, table := range tables {
		known, err := columnsOf(ctx, tx, table)
		if err != nil {
			return err
		}
		columns[table] = known
		if _, err := tx.ExecContext(ctx, `DELETE FROM `+table); err != nil { //nolint:gosec // the table is one of ours
			return err
		}
	}
	for rows := 0; ; rows++ {
		next, err := nextLine(lines)
		if err != nil {
			return err
		}
		if next.Rows != nil {
			if *next.Rows != rows {
				return pair.Refuse(pair.Refused, "the export has %d rows where %d were announced: try the sync again", rows, *next.Rows)
			}
			return nil
		}
		if err := insertRow(ctx, tx, columns[next.Table], next); err != nil {
			return err
		}
	}
}

func columnsOf(ctx context.Context, tx *sql.Tx, table string) ([]string, error) {
	return list(ctx, tx, scanText, `SELECT name FROM pragma_table_info(?)`, table)
}

// insertRow adds a row of a table with these columns; names that the stream
// gives are only ever compared with ours.
func insertRow(ctx context.Context, tx *sql.Tx, columns []string, next line) error {
	names := slices.Sorted(maps.Keys(next.Row))
	values := make([]any, len(names))
	for i, name := range names {
		if !slices.Contains(columns, name) {
			return pair.Refuse(pair.Refused, "the export names %.40q in table %.40q, which this version does not know", name, next.Table)
		}
		value, err := cell(next.Row[name])
		if err != nil {
			return err
		}
		values[i] = value
	}
	if len(names) == 0 {
		return pair.Refuse(pair.Refused, "the export has a line that is no row of a table")
	}
	marks := strings.Repeat(", ?", len(names))[2:]
	_, err := tx.ExecContext(ctx, `INSERT INTO `+next.Table+` (`+strings.Join(names, ", ")+`) VALUES (`+marks+`)`, values...) //nolint:gosec // names are known ones
	return err
}

func cell(value any) (any, error) {
	switch value := value.(type) {
	case nil, string:
		return value, nil
	case json.Number:
		return value.Int64()
	}
	return nil, pair.Refuse(pair.Refused, "the export has a value that is neither text nor a whole number")
}

// checkImported holds what came from the peer to the rules of what is set here.
func (s *Site) checkImported(ctx context.Context, tx *sql.Tx) error {
	settings, _, err := readSettings(ctx, tx)
	if err != nil {
		return err
	}
	if err := pair.Check(settings); err != nil {
		return err
	}
	data, err := readData(ctx, tx)
	if err != nil {
		return err
	}
	if err := s.Data.checkAll(data); err != nil {
		return err
	}
	return checkAllDocuments(ctx, tx)
}
