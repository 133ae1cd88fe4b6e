package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"baton/bench/chart"
)

// growth measures how the times grow with the number of files, from a thousand to a million.
func growth(ctx context.Context, t *trees) (rows []row, err error) {
	end, err := t.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	const little = 100 // bytes of a file: their number is what counts
	for _, files := range []int{1_000, 10_000, 100_000, 1_000_000} {
		files /= t.share
		unchanged := work{fmt.Sprintf("%d files, nothing changed, daemons just started", files), 0.3, func(int) error { return nil }, t.baton.restart}
		if files >= 1_000_000 {
			unchanged.share = 0.2
		}
		found, err := t.timed(ctx, 1, []work{
			{fmt.Sprintf("%d files, first time", files), 0, func(int) error { return t.tree.Write(files, little, 1, 0) }, nil},
			unchanged,
			{fmt.Sprintf("%d files, 100 changed", files), 0, func(int) error { return t.tree.Write(files, little, max(1, files/100), 1) }, nil},
		})
		if err != nil {
			return nil, err
		}
		rows = append(rows, found...)
	}
	return rows, t.draw("growth-files.svg", "files", rows)
}

// growthOfOne measures how the times grow with the size of one file.
func growthOfOne(ctx context.Context, t *trees) (rows []row, err error) {
	end, err := t.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	for _, mib := range []int64{10, 100, 1000, 5000} {
		mib /= int64(t.share)
		size := mib << 20
		found, err := t.timed(ctx, 1, []work{
			{fmt.Sprintf("%d MB, first time", mib), 0, func(int) error { return t.tree.WriteLarge(size) }, nil},
			{fmt.Sprintf("%d MB, 1 %% of its blocks changed", mib), 0, func(int) error { return t.tree.ChangeBlocks(size, 100) }, nil},
		})
		if err != nil {
			return nil, err
		}
		rows = append(rows, found...)
	}
	return rows, t.draw("growth-size.svg", "MB", rows)
}

// draw writes a graph beside the page, unless the page stays as it was.
func (t *trees) draw(name, of string, rows []row) error {
	if t.opts.partial() {
		return nil
	}
	return writeFile(filepath.Join(filepath.Dir(t.opts.out), "images", name), chart.Draw(of, linesOf(of, rows)))
}

// linesOf makes a line of all rows whose scenarios differ in the number at their beginning alone.
func linesOf(of string, rows []row) (lines []*chart.Line) {
	for _, r := range rows {
		var size float64
		_, rest, found := strings.Cut(r.scenario, " "+of+", ")
		if _, err := fmt.Sscan(r.scenario, &size); err != nil || !found {
			continue
		}
		program, _, _ := strings.Cut(r.program, " (")
		program, _, _ = strings.Cut(program, ",")
		name := program + ": " + rest
		at := slices.IndexFunc(lines, func(l *chart.Line) bool { return l.Name == name })
		if at < 0 {
			at, lines = len(lines), append(lines, &chart.Line{Name: name})
		}
		lines[at].Points = append(lines[at].Points, [2]float64{size, r.median().number})
	}
	return lines
}
