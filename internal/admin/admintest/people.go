package admintest

import (
	"context"
	"database/sql"
	"encoding/base64"
	"fmt"
	"path/filepath"

	"golang.org/x/crypto/argon2"

	"baton/internal/pair"
	"baton/internal/signin"
)

// People are the accounts, tokens and sessions.
func (a *Appliance) People() signin.Subjects { return a.people }

// AddPerson adds a user whose password costs next to nothing to verify: a hash of the
// usual cost for every user of every test would take minutes.
func (a *Appliance) AddPerson(t TB, name string, role pair.Access, password string) {
	t.Helper()
	salt := []byte("salt of tests")
	encode := base64.RawStdEncoding.EncodeToString
	hash := fmt.Sprintf("$argon2id$v=%d$m=8,t=1,p=1$%s$%s", argon2.Version, encode(salt), encode(argon2.IDKey([]byte(password), salt, 1, 8, 1, 32)))
	db, err := sql.Open("sqlite", filepath.Join(a.dataDir(), siteFile))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	_, err = db.ExecContext(context.Background(), `INSERT INTO user (name, display_name, mail, password, role, disabled, created) VALUES (?, '', '', ?, ?, 0, 0)`, name, hash, role)
	if err != nil {
		t.Fatal(err)
	}
}

// AddToken adds an API token, and returns its secret.
func (a *Appliance) AddToken(t TB, role pair.Access) string {
	t.Helper()
	token, err := a.store.Tokens.Create(t.Context(), pair.NewToken{Name: string(role), Role: role})
	if err != nil {
		t.Fatal(err)
	}
	return token.Secret
}
