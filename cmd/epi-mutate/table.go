package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/podidentity/epi/cmd/epi-mutate/mutation"
)

// table has the results of mutants, in a file if it has one: a line each, the last of which counts.
type table struct {
	file    string
	results map[string]mutation.Result
}

func openTable(file string) (*table, error) {
	t := &table{file: file, results: map[string]mutation.Result{}}
	if file == "" {
		return t, nil
	}
	data, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	line := 0
	for text := range bytes.Lines(data) {
		line++
		var result mutation.Result
		if err := json.Unmarshal(text, &result); err != nil || result.Name == "" {
			return nil, fmt.Errorf("%s, line %d is no result of a mutant; remove the line, and the mutant is examined again", file, line)
		}
		t.results[result.Name] = result
	}
	return t, nil
}

// has says whether there is nothing to examine.
func (t *table) has(mutants []mutation.Mutant) bool {
	return !slices.ContainsFunc(mutants, func(m mutation.Mutant) bool {
		_, known := t.results[m.Name]
		return !known && m.Equivalent == ""
	})
}

// add keeps a result. A result without a verdict is not kept, so that the mutant is examined again.
func (t *table) add(result mutation.Result) error {
	if t.file == "" || result.Verdict == mutation.Undone {
		return nil
	}
	line, err := json.Marshal(result)
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
