package store

import (
	"database/sql"
	"slices"
	"strings"
	"testing"
)

// Whoever adds a column says whether it may be shown to strangers: a secret one is
// named in secretColumns or secretDocuments, others here.
func TestEveryColumnIsKnownToBeSecretOrNot(t *testing.T) {
	open := map[string][]string{
		"setting":         {"key", "value"},
		"setting_version": {"only", "version"},
		"document":        {"name", "version"},
		"user":            {"name", "display_name", "mail", "role", "disabled", "created", "last_login", "version", "sign_outs"},
		"recovery_code":   {"user"},
		"spent_code":      {"user"},
		"last_code":       {"user", "step"},
		"session":         {"user", "pending", "address", "browser", "since", "seen", "expires"},
		"token":           {"name", "role", "created", "expires", "last_used"},
		"data":            {"name", "kind", "path"},
		"outbox":          {"only"},
	}
	s := openSite(t, alpha)
	tx, err := s.db.writer.BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	tables, err := allTables(t.Context(), tx)
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		if strings.HasPrefix(table, "event") { // the history, which every viewer reads
			continue
		}
		columns, err := columnsOf(t.Context(), tx, table)
		if err != nil {
			t.Fatal(err)
		}
		for _, column := range columns {
			secret := slices.Contains(secretColumns()[table], column) || secretDocuments()[table] == column
			if secret == slices.Contains(open[table], column) {
				t.Errorf("%s.%s: say whether it is secret, in secrets.go or here", table, column)
			}
		}
	}
}
