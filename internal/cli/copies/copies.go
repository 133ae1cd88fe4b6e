// Package copies writes tables of what differs: of diverged copies, and between the two sides.
package copies

import (
	"fmt"
	"slices"
	"strings"

	"baton/internal/cli/table"
	"baton/internal/kept"
	"baton/internal/pair"
)

// WriteReport writes what of a diverged copy changed on which side.
func WriteReport(pg *table.Page, report kept.DivergedReport) {
	with := "not known before the next data sync"
	if !report.With.IsZero() {
		with = fmt.Sprintf("as of snapshot %d", report.With.Number)
	}
	pg.Row(fmt.Sprintf("HERE: what this appliance did before it was set aside. SITE: what the site did since, %s.", with))
	pg.Row("HERE", "SITE", "SIZE HERE", "SIZE ON THE SITE", "CHANGED HERE", "CHANGED ON THE SITE", "FILE")
	for _, f := range report.Files {
		colour := table.Plain
		there := string(f.There)
		switch {
		case f.Same:
			there += ", same content"
		case f.There != kept.Unchanged && f.There != kept.Unknown:
			colour = table.Yellow
		}
		pg.Marked(colour, string(f.Here), there, sizeOf(f.Copy), sizeOf(f.Now), changedAt(f.Copy), changedAt(f.Now), f.Data+"/"+f.Path)
	}
}

// WriteRows writes by which rows databases differ.
func WriteRows(pg *table.Page, all []kept.DatabaseDifference) {
	if len(all) == 0 {
		pg.Row("No database in this copy is protected here now. To look at one that was, take it out with baton diverged restore --to DIR.")
		return
	}
	pg.Row("DATABASE", "TABLE", "KEY", "ONLY IN THE COPY", "ONLY HERE NOW", "DIFFERENT")
	for _, one := range all {
		for _, t := range one.Tables {
			pg.Row(one.Data, t.Table, strings.Join(t.Key, ", "), t.OnlyCopy.String(), t.OnlyNow.String(), t.Changed.String())
			if t.Problem != "" {
				pg.Row("", "", t.Problem)
			}
		}
		switch {
		case one.Problem != "":
			pg.Row(one.Data, one.Problem)
		case len(one.Tables) == 0:
			pg.Row(one.Data, "every table has the same rows")
		}
	}
}

func sizeOf(v *kept.FileVersion) string {
	if v == nil {
		return "-"
	}
	return pair.BytesText(v.Size)
}

func changedAt(v *kept.FileVersion) string {
	if v == nil {
		return "-"
	}
	return table.Moment(v.ModTime)
}

// WriteComparison writes where the data of both sides differs.
func WriteComparison(pg *table.Page, c kept.Comparison) {
	pg.Row(c.Summary())
	for _, one := range c.Data {
		for _, problem := range one.Problems {
			pg.Marked(table.Yellow, one.Name+": "+problem)
		}
	}
	if !slices.ContainsFunc(c.Data, func(one kept.ComparedData) bool { return one.Differences() > 0 }) {
		return
	}
	pg.Row("DIFFERS", strings.ToUpper(c.Here), strings.ToUpper(c.There), "SIZE", "SIZE THERE", "CHANGED", "CHANGED THERE", "PATH")
	for _, one := range c.Data {
		for _, f := range one.Files {
			colour := table.Yellow
			if f.Expected {
				colour = table.Plain
			}
			pg.Marked(colour, c.Says(f), string(f.Here), string(f.There), sizeOf(f.HereIs), sizeOf(f.ThereIs), changedAt(f.HereIs), changedAt(f.ThereIs), one.Where(f))
		}
		if one.More > 0 {
			pg.Row(fmt.Sprintf("%s: %d more", one.Name, one.More))
		}
	}
}
