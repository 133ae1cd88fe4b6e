package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// StripSecrets takes out of a copy, as Copy makes it, what must not be handed to
// anybody: what is left is for reference. The copy may be of an earlier version.
func StripSecrets(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite", dsn(path, "", "journal_mode(delete)", "secure_delete(1)"))
	if err != nil {
		return fmt.Errorf("take the secrets out of %s: %w", path, err)
	}
	err = stripAll(ctx, db)
	if err == nil {
		_, err = db.ExecContext(ctx, `VACUUM`) // what was written over before is still in free pages
	}
	if err := errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("take the secrets out of %s: %w", path, err)
	}
	return nil
}

func stripAll(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing once it is committed
	tables, err := allTables(ctx, tx)
	if err != nil {
		return err
	}
	for _, table := range tables {
		if err := strip(ctx, tx, table); err != nil {
			return fmt.Errorf("%s: %w", table, err)
		}
	}
	return tx.Commit()
}

// strip empties a table that is nothing without its secrets, and clears them in
// the others.
func strip(ctx context.Context, tx *sql.Tx, table string) error {
	if column, found := secretDocuments()[table]; found {
		return stripDocuments(ctx, tx, table, column)
	}
	secrets := secretColumns()[table]
	if len(secrets) == 0 {
		return nil
	}
	if table != "user" {
		_, err := tx.ExecContext(ctx, `DELETE FROM `+table) //nolint:gosec // a table of ours
		return err
	}
	known, err := columnsOf(ctx, tx, table)
	if err != nil {
		return err
	}
	for _, column := range secrets {
		if !slices.Contains(known, column) {
			continue // of a later version
		}
		if _, err := tx.ExecContext(ctx, `UPDATE `+table+` SET `+column+` = ''`); err != nil { //nolint:gosec // names of ours
			return err
		}
	}
	return nil
}

func stripDocuments(ctx context.Context, tx *sql.Tx, table, column string) error {
	texts, err := list(ctx, tx, scanText, `SELECT `+column+` FROM `+table)
	if err != nil {
		return err
	}
	for _, text := range texts {
		var value any
		if err := json.Unmarshal([]byte(text), &value); err != nil {
			return err
		}
		cleared := value
		secretsIn("", value, func(secret string) { cleared = without(cleared, secret) })
		clean, err := json.Marshal(cleared)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE `+table+` SET `+column+` = ? WHERE `+column+` = ?`, string(clean), text); err != nil { //nolint:gosec // names of ours
			return err
		}
	}
	return nil
}

// without takes a secret out of every text of a document.
func without(value any, secret string) any {
	switch value := value.(type) {
	case map[string]any:
		for name, one := range value {
			value[name] = without(one, secret)
		}
	case []any:
		for i, one := range value {
			value[i] = without(one, secret)
		}
	case string:
		if secret != "" && strings.Contains(value, secret) {
			return ""
		}
	}
	return value
}
