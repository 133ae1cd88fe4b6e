package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
)

// record keeps what each study has found, so that a run that was broken off goes on with the next. It is of one program, on one start of the
// machine: rows of others are no part of the same run.
type record struct {
	file    string // empty: nothing is kept
	Of      string // program and machine
	Studies map[string][]keptRow
	Stall   time.Duration // longest wait for a processor so far
}

// keptRow is a row as it is written.
type keptRow struct {
	Scenario, Measure, Program string
	Unit                       unit
	Numbers                    []float64
	More                       []bool
	Bound                      *float64
	Middle                     bool
	Share                      float64
	Against                    int // which of the rows of the study; -1: none
}

// openRecord reads what an earlier run has found, if that is of the same program and start of the machine.
func openRecord(file, program string) (*record, error) {
	r := &record{file: file, Studies: map[string][]keptRow{}}
	if file == "" {
		return r, nil
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return nil, fmt.Errorf("ask which start of the machine this is: %w", err)
	}
	text, err := os.ReadFile(program) //nolint:gosec // the program to measure
	if err != nil {
		return nil, fmt.Errorf("read the program: %w", err)
	}
	sum := sha256.Sum256(text)
	of := hex.EncodeToString(sum[:]) + " " + strings.TrimSpace(string(boot))
	b, err := os.ReadFile(file) //nolint:gosec // named by a person
	if err == nil {
		err = json.Unmarshal(b, r)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read what an earlier run has found: %w: remove %s to begin anew", err, file)
	}
	if r.Of != "" && r.Of != of {
		return nil, fmt.Errorf("%s is of another program, or from before the machine was started: remove it to begin anew", file)
	}
	r.Of = of
	return r, nil
}

// has returns the rows of a study that has ended.
func (r *record) has(study string) ([]row, bool) {
	kept, is := r.Studies[study]
	rows := make([]row, len(kept))
	for i, k := range kept {
		rows[i] = row{scenario: k.Scenario, measure: k.Measure, program: k.Program, unit: k.Unit, bound: k.Bound, middle: k.Middle, share: k.Share}
		for n, number := range k.Numbers {
			rows[i].values = append(rows[i].values, value{number, k.More[n]})
		}
		if k.Against >= 0 {
			rows[i].against = &rows[k.Against]
		}
	}
	return rows, is
}

// keep keeps the rows of a study.
func (r *record) keep(study string, rows []row) error {
	if r.file == "" {
		return nil
	}
	kept := make([]keptRow, len(rows))
	for i, one := range rows {
		kept[i] = keptRow{Scenario: one.scenario, Measure: one.measure, Program: one.program, Unit: one.unit, Bound: one.bound, Middle: one.middle, Share: one.share, Against: -1}
		for _, v := range one.values {
			kept[i].Numbers, kept[i].More = append(kept[i].Numbers, v.number), append(kept[i].More, v.more)
		}
		for n := range rows {
			if one.against != nil && rows[n].scenario == one.against.scenario && rows[n].measure == one.against.measure && rows[n].program == one.against.program {
				kept[i].Against = n
			}
		}
	}
	r.Studies[study] = kept
	b, err := json.MarshalIndent(r, "", " ")
	if err == nil {
		err = os.WriteFile(r.file, b, 0o600)
	}
	if err != nil {
		return fmt.Errorf("keep what was found: %w", err)
	}
	return nil
}
