package store

import (
	"context"
	"encoding/json"
	"strings"
)

// secretColumns lists, for every table that has some, the columns whose values
// must never leave an appliance but by a data sync or a backup.
func secretColumns() map[string][]string {
	return map[string][]string{
		"user":          {"password", "totp"},
		"recovery_code": {"hash"},
		"spent_code":    {"hash"},
		"token":         {"hash"},
		"session":       {"id", "stamp"},
	}
}

// secretDocuments lists, for every table that has some, the columns that hold JSON
// with secrets in it.
func secretDocuments() map[string]string {
	return map[string]string{"document": "value", "outbox": "value"}
}

// Secrets returns every secret value of the site database, so that what is handed
// to strangers can be searched for them.
func (s *Site) Secrets(ctx context.Context) ([]string, error) {
	var found []string
	take := func(value string) {
		if value != "" {
			found = append(found, value)
		}
	}
	for table, columns := range secretColumns() {
		for _, column := range columns {
			if err := s.eachText(ctx, table, column, take); err != nil {
				return nil, err
			}
		}
	}
	for table, column := range secretDocuments() {
		err := s.eachText(ctx, table, column, func(text string) {
			var value any
			if json.Unmarshal([]byte(text), &value) == nil { // SQLite has checked that it is JSON
				secretsIn("", value, take)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

func (s *Site) eachText(ctx context.Context, table, column string, take func(string)) error {
	rows, err := s.db.reader.QueryContext(ctx, `SELECT `+column+` FROM `+table) //nolint:gosec // names of ours
	err = each(rows, err, func(row scanner) error {
		var text string
		err := row.Scan(&text)
		take(text)
		return err
	})
	return s.db.explain("look for secrets", err)
}

// secretsIn takes the texts below keys that sound like secrets.
func secretsIn(key string, value any, take func(string)) {
	switch value := value.(type) {
	case map[string]any:
		for name, one := range value {
			if soundsSecret(key) {
				name = key
			}
			secretsIn(name, one, take)
		}
	case []any:
		for _, one := range value {
			secretsIn(key, one, take)
		}
	case string:
		if soundsSecret(key) {
			take(value)
		}
	}
}

func soundsSecret(key string) bool {
	key = strings.ToLower(key)
	for _, word := range []string{"password", "secret", "key", "token", "private"} {
		if strings.Contains(key, word) {
			return true
		}
	}
	return false
}
