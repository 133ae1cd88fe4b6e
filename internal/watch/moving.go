package watch

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"baton/internal/datasync/offer"
	"baton/internal/pair"
	"baton/internal/pair/exclude"
)

// Moving tells of what changes all the time, so that the backup has it as it was before.
type Moving struct {
	Found    func() []offer.Moving // on this primary
	LeftOut  func() []string       // of the newest snapshot of this backup, in words
	Differed func() []string       // databases that were not as they were known, though nothing had written to them
}

// movingFor is for how long a file may be without a state that can be copied before that is told.
const movingFor = time.Minute

// Conditions tells of all files in one condition, and of all database servers in one.
func (w *Moving) Conditions() []pair.Condition {
	var files, servers, locked []offer.Moving
	for _, one := range w.Found() {
		switch {
		case one.By != "":
			servers = append(servers, one)
		case time.Since(one.Since) < movingFor:
		case one.Locked:
			locked = append(locked, one)
		default:
			files = append(files, one)
		}
	}
	return slices.Concat(filesMove(files), areLocked(locked), serversRun(servers), notOfSnapshot(w.LeftOut()), differed(w.Differed()))
}

func filesMove(files []offer.Moving) []pair.Condition {
	if len(files) == 0 {
		return nil
	}
	first := longest(files)
	return []pair.Condition{{
		ID: "file-keeps-changing", Severity: pair.Warning,
		Text: fmt.Sprintf("%s/%s changes while it is read, so the backup has it as it was before %s, or not at all.%s",
			first.In, first.Path, inWords(first.Since), others(len(files)-1, "So does 1 other file.", "So do %d other files.")),
		NextStep: "Stop the program that writes it for a moment, or keep it out of the protected directory; a planned switch copies it, as the site is closed then.",
	}}
}

func areLocked(databases []offer.Moving) []pair.Condition {
	if len(databases) == 0 {
		return nil
	}
	first := longest(databases)
	has := "the backup has it as of " + inWords(first.Was)
	if first.LeftOut {
		has = "the backup has no copy of it"
	}
	return []pair.Condition{{
		ID: "database-locked", Severity: pair.Critical,
		Text: fmt.Sprintf("The program of the database %s has kept it locked since %s: %s.%s",
			first.In, inWords(first.Since), has, others(len(databases)-1, "So it is with 1 other database.", "So it is with %d other databases.")),
		NextStep: "End what keeps it locked: locking_mode=EXCLUSIVE in its program, or a transaction that does not end.",
	}}
}

// differed tells of databases in which a bit flipped.
func differed(databases []string) []pair.Condition {
	if len(databases) == 0 {
		return nil
	}
	return []pair.Condition{{
		ID: "database-differed", Severity: pair.Warning,
		Text: fmt.Sprintf("When all of the database %s was read again, something in it was other than before, though nothing had written to it.%s The next data sync made both copies the same again.",
			databases[0], others(len(databases)-1, "So it was with 1 other database.", "So it was with %d other databases.")),
		NextStep: "Check the memory and the disk of this machine (memtest86+, smartctl), and run PRAGMA integrity_check on the primary.",
	}}
}

func serversRun(servers []offer.Moving) []pair.Condition {
	if len(servers) == 0 {
		return nil
	}
	first, has := worst(servers), "the backup has it as it was shut down last"
	switch {
	case first.LeftOut:
		has = "the backup has no copy of it, and keeps what that machine has there itself, if anything"
	case !first.Was.IsZero():
		has = "the backup has it as of " + inWords(first.Was)
	}
	leave := fmt.Sprintf("leave it out by baton data set %s --exclude %s (with what is left out already)", first.Data, quoted(exclude.Only(first.Path)+"/"))
	if first.Path == "." {
		leave = "run baton data remove " + first.Data
	}
	return []pair.Condition{{
		ID: "database-not-copied", Severity: pair.Critical,
		Text: fmt.Sprintf("%s uses %s, or was not shut down, and a running database cannot be copied file by file: %s.%s A takeover goes on with that.",
			first.By, filepath.Join(first.In, first.Path), has, others(len(servers)-1, "So it is with 1 other database.", "So it is with %d other databases.")),
		NextStep: "Protect a dump of it, and " + leave + "; or make it a service of Baton, so that a planned switch stops it and copies it.",
	}}
}

// notOfSnapshot tells what a takeover by this backup would find in another state than that of its snapshot.
func notOfSnapshot(left []string) []pair.Condition {
	if len(left) == 0 {
		return nil
	}
	return []pair.Condition{{
		ID: "database-not-copied", Severity: pair.Critical,
		Text: fmt.Sprintf("The newest snapshot leaves out %s, which a database server uses on the primary: what lies there is what this machine had itself, if anything. A takeover goes on with that.",
			strings.Join(left, ", ")),
		NextStep: "Stop that database server on the primary once, so that it is copied; or protect a dump of it, and leave it out by baton data set NAME --exclude.",
	}}
}

// worst returns a server of which the backup has no copy, or else the one that was found first.
func worst(servers []offer.Moving) offer.Moving {
	without := slices.DeleteFunc(slices.Clone(servers), func(m offer.Moving) bool { return !m.LeftOut })
	if len(without) > 0 {
		return longest(without)
	}
	return longest(servers)
}

// quoted is a word for a shell.
func quoted(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

// longest returns what was found first.
func longest(found []offer.Moving) offer.Moving {
	return slices.MinFunc(found, func(a, b offer.Moving) int { return a.Since.Compare(b.Since) })
}

// others tells how many more there are.
func others(more int, one, many string) string {
	switch more {
	case 0:
		return ""
	case 1:
		return " " + one
	}
	return " " + fmt.Sprintf(many, more)
}

func inWords(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
