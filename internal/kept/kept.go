// Package kept has the words for what an appliance keeps besides the data: diverged copies and restore points, and
// how files of them go back.
//
// Start reading at DivergedCopy.
package kept

import (
	"fmt"
	"strings"
	"time"

	"baton/internal/pair"
)

// DivergedCopy is what a losing side wrote since the last common snapshot.
type DivergedCopy struct {
	ID    string         `json:"id"`
	Time  time.Time      `json:"time"` // when it was set aside
	Epoch pair.Epoch     `json:"epoch"`
	Since pair.Snapshot  `json:"since"` // the common snapshot; zero: there was none
	Files []DivergedFile `json:"files"`
	Bytes int64          `json:"bytes"`
}

// DivergedFile is one file of a diverged copy.
type DivergedFile struct {
	Data    string    `json:"data"`   // name of the protected data
	Path    string    `json:"path"`   // relative to it
	Size    int64     `json:"size"`   // bytes
	SHA256  string    `json:"sha256"` // empty: a file with more than 16 GiB of holes
	ModTime time.Time `json:"mod_time"`
	Deleted bool      `json:"deleted,omitempty"` // it was deleted: size and time are those of the last common snapshot
	// Hash is that of the content as snapshots have it; empty if it was deleted, and in copies of earlier versions.
	Hash string `json:"hash,omitempty"`
	// Was is the file in the last common snapshot; absent: it was not there.
	Was *FileVersion `json:"was,omitempty"`
}

// FileVersion is one state of a file.
type FileVersion struct {
	Size    int64     `json:"size"` // bytes
	ModTime time.Time `json:"mod_time"`
	Hash    string    `json:"hash"` // of the content, as snapshots have it
}

// Change is what one side did with a file since the common snapshot.
type Change string

// The changes of a file.
const (
	Unchanged Change = "unchanged"
	Made      Change = "made"
	Changed   Change = "changed"
	Removed   Change = "removed"
	Unknown   Change = "unknown"
)

// DivergedReport tells what of a diverged copy changed on which side since the common snapshot.
type DivergedReport struct {
	ID    string        `json:"id"`
	Time  time.Time     `json:"time"` // when it was set aside
	Epoch pair.Epoch    `json:"epoch"`
	Bytes int64         `json:"bytes"`
	Since pair.Snapshot `json:"since"` // the common snapshot
	With  pair.Snapshot `json:"with"`  // the site's snapshot with which it is compared; zero: there is none yet
	Files []Evidence    `json:"files"`

	Databases []string `json:"databases,omitempty"` // names of the data in it whose rows can be compared with those of the site
}

// DatabaseDifference tells by which rows a database in a diverged copy differs from the one that is here now.
type DatabaseDifference struct {
	Data    string            `json:"data"`   // name of the protected data
	Tables  []TableDifference `json:"tables"` // that differ
	Problem string            `json:"problem,omitempty"`
}

// TableDifference is a table of a database that differs.
type TableDifference struct {
	Table    string   `json:"table"`
	Key      []string `json:"key"`       // the columns by which rows are told apart
	OnlyCopy Rows     `json:"only_copy"` // rows that the copy has
	OnlyNow  Rows     `json:"only_now"`  // rows that are here now
	Changed  Rows     `json:"changed"`   // rows that both have, and that are not the same
	Problem  string   `json:"problem,omitempty"`
}

// Rows are some rows of a table.
type Rows struct {
	Rows int64    `json:"rows"`
	Keys []string `json:"keys"` // of the first of them
}

// String says how many there are, and names them as far as they are listed.
func (r Rows) String() string {
	switch more := r.Rows - int64(len(r.Keys)); {
	case r.Rows == 0:
		return "-"
	case more > 0:
		return fmt.Sprintf("%d: %s and %d more", r.Rows, strings.Join(r.Keys, "; "), more)
	}
	return fmt.Sprintf("%d: %s", r.Rows, strings.Join(r.Keys, "; "))
}

// Evidence is one file of a diverged copy, as it was, as it is in the copy and as the site has it.
type Evidence struct {
	Data  string       `json:"data"`  // name of the protected data
	Path  string       `json:"path"`  // relative to it
	Here  Change       `json:"here"`  // what this appliance did with it before it was set aside
	There Change       `json:"there"` // what the site did with it since
	Same  bool         `json:"same"`  // the site has the same content
	Was   *FileVersion `json:"was,omitempty"`
	Copy  *FileVersion `json:"copy,omitempty"` // absent: it was removed here
	Now   *FileVersion `json:"now,omitempty"`  // absent: it is not there, or not known
}

// Existing says what becomes of a file that is where another one is to be restored.
type Existing string

// What becomes of it.
const (
	KeepInPlace Existing = ""       // it stays, and nothing is restored
	KeepBeside  Existing = "beside" // it gets another name beside it
)

// Restored is what was put back into the protected data.
type Restored struct {
	Files int64    `json:"files"`
	Bytes int64    `json:"bytes"`
	Kept  []string `json:"kept"` // what was there before, by its new name
}

// RestorePoints are the earlier snapshots of which files can be taken out of an appliance.
type RestorePoints struct {
	Points []RestorePoint `json:"points"` // newest first
	Bytes  int64          `json:"bytes"`  // that are kept for them besides the data, on its disks; as of the newest change of the list
	Most   int            `json:"most"`   // as many are kept
}

// RestorePoint is one of them.
type RestorePoint struct {
	Number uint64     `json:"number"` // of the snapshot
	Epoch  pair.Epoch `json:"epoch"`
	Time   time.Time  `json:"time"`  // when the snapshot was taken
	Files  int64      `json:"files"` // in all
	Bytes  int64      `json:"bytes"` // in all
}

// GivenUp tells of restore points that gave way to the data, as the disk had no room.
type GivenUp struct {
	Points int           // how many, of those that gave way less than a day after the one before; 0: none
	Time   time.Time     // of the last
	Newest pair.Snapshot // of these
}
