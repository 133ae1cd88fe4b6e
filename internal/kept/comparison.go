package kept

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"baton/internal/pair"
)

// Side is one of the two appliances, as the one that is asked sees it.
type Side string

// The sides.
const (
	Neither Side = ""
	Here    Side = "here"
	There   Side = "there"
)

// Comparison tells where the protected data of the two appliances differs.
type Comparison struct {
	Here   string         `json:"here" doc:"Name of the appliance that was asked"`
	There  string         `json:"there" doc:"Name of the other one"`
	Time   time.Time      `json:"time" doc:"When the comparison began"`
	Since  pair.Snapshot  `json:"since" doc:"The newest common snapshot, by which it is told which side changed what; of number 0: none is known on both"`
	Backup Side           `json:"backup" doc:"Which side is the backup of the other: here or there; empty: neither is"`
	Same   bool           `json:"same" doc:"Nothing differs but what the next data sync brings, and all was compared"`
	Data   []ComparedData `json:"data"`
}

// ComparedData is one piece of protected data in a Comparison.
type ComparedData struct {
	Name      string       `json:"name"`
	OnlyHere  int64        `json:"only_here" doc:"Names"`
	OnlyThere int64        `json:"only_there" doc:"Names"`
	Content   int64        `json:"content" doc:"Names that both have, with other content"`
	Metadata  int64        `json:"metadata" doc:"Names that both have with the same content, and another owner, mode, time or attribute"`
	Expected  int64        `json:"expected" doc:"How many of all these the primary alone has changed since the common snapshot: the next data sync brings them"`
	Files     []Difference `json:"files" doc:"The differences, those that are not expected first; not all if there are many"`
	More      int64        `json:"more" doc:"Differences that are not listed"`
	Problems  []string     `json:"problems" doc:"What was not compared, and why"`
}

// Differences is how many names differ.
func (d ComparedData) Differences() int64 { return d.OnlyHere + d.OnlyThere + d.Content + d.Metadata }

// Difference is one name that is not the same on both sides.
type Difference struct {
	Path     string       `json:"path" doc:"Relative to the data, with / at its end if it is a directory; what cannot be printed is escaped as \\xff"`
	What     []What       `json:"what"`
	Here     Change       `json:"here" doc:"What this side did with it since the common snapshot"`
	There    Change       `json:"there" doc:"What the other side did with it since then"`
	HereIs   *FileVersion `json:"here_is,omitempty" doc:"The file; absent: there is none"`
	ThereIs  *FileVersion `json:"there_is,omitempty" doc:"The file; absent: there is none"`
	Expected bool         `json:"expected" doc:"The primary alone has changed it: the next data sync brings it"`
}

// Says is what of a name differs, in a few words.
func (c Comparison) Says(d Difference) string {
	words := make([]string, len(d.What))
	for i, what := range d.What {
		words[i] = string(what)
		if what == OnlyHere {
			words[i] = "only on " + c.Here
		}
		if what == OnlyThere {
			words[i] = "only on " + c.There
		}
	}
	return strings.Join(words, ", ")
}

// Where is a name with that of the data, as site/uploads/letter.pdf.
func (d ComparedData) Where(one Difference) string {
	if path := strings.TrimSuffix(one.Path, "/"); path != "." {
		return d.Name + "/" + one.Path
	}
	return d.Name
}

// What says what of a name differs.
type What string

// The differences.
const (
	OnlyHere   What = "only-here"
	OnlyThere  What = "only-there"
	Kind       What = "kind"
	Content    What = "content"
	Owner      What = "owner"
	Mode       What = "mode"
	ModTime    What = "time"
	Attributes What = "attributes"
)

// Of is the comparison of some of the data; without names of all.
func (c Comparison) Of(names []string) Comparison {
	if len(names) == 0 {
		return c
	}
	c.Data = slices.DeleteFunc(slices.Clone(c.Data), func(one ComparedData) bool { return !slices.Contains(names, one.Name) })
	return c.Judged()
}

// Judged is the comparison with Same as its data says.
func (c Comparison) Judged() Comparison {
	c.Same = !slices.ContainsFunc(c.Data, func(one ComparedData) bool { return one.Differences() > one.Expected || len(one.Problems) > 0 })
	return c
}

// Summary says in a sentence what came of it.
func (c Comparison) Summary() string {
	var differ, expected, problems int64
	for _, one := range c.Data {
		differ, expected, problems = differ+one.Differences()-one.Expected, expected+one.Expected, problems+int64(len(one.Problems))
	}
	text := "Both sides have the same data."
	if differ > 0 {
		text = isOrAre(differ) + " not the same on both sides."
	}
	if expected > 0 {
		text += fmt.Sprintf(" Besides, the primary has changed %s since the backup's newest snapshot, of %s: the next data sync brings that.",
			pair.Counted(expected, "name"), time.UnixMilli(c.Since.TakenAt).UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	if problems > 0 {
		text += " Not all was compared: " + pair.Counted(problems, "problem") + "."
	}
	return text
}

func isOrAre(names int64) string {
	if names == 1 {
		return "1 name is"
	}
	return pair.Counted(names, "name") + " are"
}
