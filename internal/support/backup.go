package support

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"filippo.io/age"

	"baton/internal/act"
	"baton/internal/api"
	"baton/internal/cause"
	"baton/internal/pair"
	"baton/internal/store"
)

const (
	leastBackupPassword = 10               // characters
	keptBackup          = 10 * time.Minute // an inspected backup waits so long to be restored
)

// workFactor is what opening a backup costs, in age's terms: 256 MiB and about a
// second. A file that wants more was not made here.
const workFactor = 18

// backupHead is the first line of a backup; the export of the site database
// follows. Backups of the first versions have none.
type backupHead struct {
	Format    int       `json:"baton_backup"` // 1
	Made      time.Time `json:"made"`
	Version   string    `json:"version"`
	Appliance string    `json:"appliance"`
}

// inspected is the newest backup that was looked into. Its methods are safe for
// use by several goroutines.
type inspected struct {
	stretching sync.Mutex // one password at a time: each takes 256 MiB

	mu    sync.Mutex
	id    string
	draft *store.Draft
	timer *time.Timer
}

// keep replaces what was kept before, and returns its id.
func (i *inspected) keep(draft *store.Draft) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.drop()
	i.id, i.draft = rand.Text(), draft
	id := i.id
	i.timer = time.AfterFunc(keptBackup, func() { i.forget(id) })
	return id
}

// take hands a backup over, and keeps it no longer; nil if it is gone.
func (i *inspected) take(id string) *store.Draft {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.draft == nil || id != i.id {
		return nil
	}
	draft := i.draft
	i.draft = nil
	i.drop()
	return draft
}

func (i *inspected) forget(id string) {
	if draft := i.take(id); draft != nil {
		_ = draft.Close() // it is in memory
	}
}

// drop expects the lock to be held.
func (i *inspected) drop() {
	if i.timer != nil {
		i.timer.Stop()
	}
	if i.draft != nil {
		_ = i.draft.Close() // it is in memory
	}
	i.id, i.draft = "", nil
}

// Backups implements api.Backups.
type Backups struct {
	Name, Version string // of this appliance
	Store         *store.Site
	Lead          *act.Lead
	Reload        func(context.Context) error // brings into force what the site database says

	newest inspected
}

// CreateBackup implements api.Backups: the site database without its history,
// encrypted with a password in the age format, which age itself can open.
func (b *Backups) CreateBackup(ctx context.Context, password string, to io.Writer) error {
	if len(password) < leastBackupPassword {
		return pair.Refuse(pair.Usage, "the password of a backup needs %d characters or more: whoever has the file can try as long as he likes", leastBackupPassword)
	}
	recipient, err := age.NewScryptRecipient(password)
	if err != nil {
		return pair.Refuse(pair.Usage, "the password cannot be used: %w", cause.Plain(err))
	}
	recipient.SetWorkFactor(workFactor)
	b.newest.stretching.Lock()
	sealed, err := age.Encrypt(to, recipient)
	b.newest.stretching.Unlock()
	if err != nil {
		return fmt.Errorf("encrypt the backup: %w", err)
	}
	head := backupHead{Format: 1, Made: time.Now().UTC().Truncate(time.Second), Version: b.Version, Appliance: b.Name}
	if err := json.NewEncoder(sealed).Encode(head); err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	if err := b.Store.Export(ctx, sealed); err != nil {
		return act.Failure(err)
	}
	if err := sealed.Close(); err != nil {
		return fmt.Errorf("finish the backup: %w", err)
	}
	b.Lead.Audit.Note(ctx, "created a backup")
	return nil
}

// InspectBackup implements api.Backups.
func (b *Backups) InspectBackup(ctx context.Context, password string, from io.Reader) (api.InspectedBackup, error) {
	if err := b.Lead.Check(); err != nil {
		return api.InspectedBackup{}, err
	}
	head, draft, err := b.openBackup(ctx, password, from)
	if err != nil {
		return api.InspectedBackup{}, err
	}
	holds, err := draft.Contents(ctx)
	if err != nil {
		return api.InspectedBackup{}, errors.Join(err, draft.Close())
	}
	if holds.Documents == nil {
		holds.Documents = []string{}
	}
	return api.InspectedBackup{
		ID: b.newest.keep(draft), Made: head.Made, Version: head.Version, Appliance: head.Appliance, SiteName: holds.SiteName,
		Users: holds.Users, Administrators: holds.Administrators, Tokens: holds.Tokens, Data: holds.Data, Documents: holds.Documents,
	}, nil
}

// RestoreInspected implements api.Backups.
func (b *Backups) RestoreInspected(ctx context.Context, id string) error {
	if err := b.Lead.Check(); err != nil {
		return err
	}
	draft := b.newest.take(id)
	if draft == nil {
		return pair.Refuse(pair.NotFound, "this backup is no longer kept here, or another one was looked into since: choose the file again")
	}
	return b.restore(ctx, draft)
}

// RestoreBackup implements api.Backups.
func (b *Backups) RestoreBackup(ctx context.Context, password string, from io.Reader) error {
	if err := b.Lead.Check(); err != nil {
		return err
	}
	_, draft, err := b.openBackup(ctx, password, from)
	if err != nil {
		return err
	}
	return b.restore(ctx, draft)
}

// restore replaces what is set, and brings it into force. The history stays as it
// is, and so do role, relationship, key and shared IPs: those are the appliance's.
func (b *Backups) restore(ctx context.Context, draft *store.Draft) error {
	err := b.Lead.ChangeFor(ctx, "restored a backup", func() error {
		if err := b.Store.Restore(ctx, draft); err != nil {
			return err
		}
		return b.Reload(ctx)
	})
	return errors.Join(err, draft.Close())
}

// openBackup reads a backup whole and checks it.
func (b *Backups) openBackup(ctx context.Context, password string, from io.Reader) (backupHead, *store.Draft, error) {
	opened, err := b.decrypt(password, from)
	if err != nil {
		return backupHead{}, nil, err
	}
	head, rest, err := readHead(bufio.NewReader(opened))
	if err != nil {
		return backupHead{}, nil, err
	}
	draft, err := b.Store.Draft(ctx, rest)
	if err != nil {
		return backupHead{}, nil, damaged(err)
	}
	return head, draft, nil
}

func (b *Backups) decrypt(password string, from io.Reader) (io.Reader, error) {
	identity, err := age.NewScryptIdentity(password)
	if err != nil {
		return nil, pair.Refuse(pair.Usage, "the password cannot be used: %w", cause.Plain(err))
	}
	identity.SetMaxWorkFactor(workFactor)
	b.newest.stretching.Lock()
	opened, err := age.Decrypt(from, identity)
	b.newest.stretching.Unlock()
	if err == nil {
		return opened, nil
	}
	if _, wrong := errors.AsType[*age.NoIdentityMatchError](err); wrong {
		return nil, &pair.Refusal{Code: pair.Refused, Text: "the backup does not open with this password: give the password that it was made with", Cause: err}
	}
	return nil, &pair.Refusal{Code: pair.Refused, Text: "this file is not a backup of Baton, or is damaged: choose the file that was downloaded, unchanged", Cause: err}
}

// readHead reads the first line, if it is a backup's head, and returns what follows.
func readHead(from *bufio.Reader) (backupHead, io.Reader, error) {
	const most = 4 << 10
	line, err := from.ReadSlice('\n')
	if err != nil || len(line) > most {
		return backupHead{}, nil, damaged(err)
	}
	var head backupHead
	if err := json.Unmarshal(line, &head); err != nil {
		return backupHead{}, nil, damaged(err)
	}
	if head.Format == 0 { // the export itself
		return backupHead{}, io.MultiReader(bytes.NewReader(bytes.Clone(line)), from), nil
	}
	if head.Format > 1 {
		return backupHead{}, nil, pair.Refuse(pair.Refused, "this backup was made by version %.40q, which this one cannot read: upgrade this appliance", head.Version)
	}
	return head, from, nil
}

// damaged says so, unless the error is a sentence already.
func damaged(err error) error {
	if known := act.Failure(err); pair.CodeOf(known) != pair.Failed {
		return known
	}
	return &pair.Refusal{Code: pair.Refused, Text: "the backup is damaged or breaks off: nothing was changed; take another copy of the file", Cause: err}
}
