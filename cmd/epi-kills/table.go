//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// result is the result of one case.
type result struct {
	Case string `json:"case"`
	// At is the step that the run had reached.
	At   string        `json:"at"`
	Code string        `json:"code"`
	Took time.Duration `json:"took"`
	// Said is the run's most important line.
	Said string `json:"said"`
	// Before and After are what is left before and after down. Down is how it ended.
	Before []string `json:"before"`
	After  []string `json:"after"`
	Down   string   `json:"down"`
	// Wrong are other errors.
	Wrong string `json:"wrong,omitempty"`
}

func (r result) clean() bool { return len(r.After) == 0 && r.Wrong == "" }

// table has the results of cases, in a file if it has one: a line each, the last of which counts.
type table struct {
	file    string
	results []result
}

func openTable(file string) (*table, error) {
	t := &table{file: file}
	if file == "" {
		return t, nil
	}
	data, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read table: %w", err)
	}
	for line := range bytes.Lines(data) {
		var r result
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, fmt.Errorf("read table %s: %w", file, err)
		}
		t.keep(r)
	}
	return t, nil
}

// keep replaces the result of a case. The removal of everything stays last.
func (t *table) keep(r result) {
	t.results = slices.DeleteFunc(t.results, func(known result) bool { return known.Case == r.Case })
	t.results = append(t.results, r)
	slices.SortStableFunc(t.results, func(a, b result) int {
		switch {
		case a.Case == lastCase:
			return 1
		case b.Case == lastCase:
			return -1
		}
		return 0
	})
}

// add keeps a result, also in the file.
func (t *table) add(r result) error {
	t.keep(r)
	if t.file == "" {
		return nil
	}
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	file, err := os.OpenFile(t.file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	_, err = file.Write(append(line, '\n'))
	return errors.Join(err, file.Close())
}

// find returns the result of a case.
func (t *table) find(name string) (result, bool) {
	i := slices.IndexFunc(t.results, func(r result) bool { return r.Case == name })
	if i < 0 {
		return result{}, false
	}
	return t.results[i], true
}

// missing are the cases without a clean result.
func (t *table) missing(list []kill) []kill {
	return slices.DeleteFunc(slices.Clone(list), func(k kill) bool {
		r, known := t.find(k.name)
		return known && r.clean()
	})
}

// undone counts the cases without a result.
func (t *table) undone(list []kill) int {
	n := 0
	for _, k := range list {
		if _, known := t.find(k.name); !known {
			n++
		}
	}
	return n
}

func (t *table) clean() bool {
	return !slices.ContainsFunc(t.results, func(r result) bool { return !r.clean() })
}

func (t *table) report(out io.Writer) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "case\tended at\texit\tafter\tleft before down\tdown\tleft after\tlast said")
	for _, r := range t.results {
		after := "0"
		if len(r.After) > 0 {
			after = strings.Join(r.After, ", ")
		}
		if r.Wrong != "" {
			after += " WRONG: " + r.Wrong
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%.0fs\t%s\t%s\t%s\t%s\n", r.Case, short(r.At, 34), r.Code, r.Took.Seconds(), summary(r.Before), r.Down, after, short(r.Said, 110))
	}
	_ = table.Flush()
}

// summary counts leftovers by their kind.
func summary(list []string) string {
	if len(list) == 0 {
		return "0"
	}
	var kinds []string
	counts := map[string]int{}
	for _, item := range list {
		kind, _, _ := strings.Cut(item, " ")
		if counts[kind] == 0 {
			kinds = append(kinds, kind)
		}
		counts[kind]++
	}
	for i, kind := range kinds {
		kinds[i] = fmt.Sprintf("%d %s", counts[kind], kind)
	}
	return strings.Join(kinds, ", ")
}

func short(text string, most int) string {
	text = strings.TrimSpace(text)
	if letters := []rune(text); len(letters) > most {
		return string(letters[:most-1]) + "…"
	}
	return text
}
