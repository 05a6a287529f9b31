package reports

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// WriteJSON writes the run as results.json: indented, in a fixed order, with a final newline.
func WriteJSON(w io.Writer, run Run) error {
	return encodeRun(w, run.sorted())
}

// encodeRun writes a sorted run.
func encodeRun(w io.Writer, run Run) error {
	run.Schema = Schema
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(run); err != nil {
		return fmt.Errorf("write results as JSON: %w", err)
	}
	return nil
}

// ReadJSON reads the output of WriteJSON. It is strict: another schema, an unknown field, a value that no run can have, or
// anything after the results is an error with its place.
func ReadJSON(r io.Reader) (Run, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return Run{}, fmt.Errorf("read results: %w", err)
	}
	if err := checkSchema(data, Schema); err != nil {
		return Run{}, fmt.Errorf("read results: %w", err)
	}
	var run Run
	if err := decodeStrictly(data, &run); err != nil {
		return Run{}, fmt.Errorf("read results: %w", err)
	}
	if err := run.check(); err != nil {
		return Run{}, fmt.Errorf("read results: %w", err)
	}
	return run, nil
}

// checkSchema refuses data of another schema. It is called first: for another version, every other error would be useless.
func checkSchema(data []byte, want string) error {
	var version struct {
		Schema string `json:"schema"`
	}
	if err := json.Unmarshal(data, &version); err != nil {
		return located(data, err)
	}
	if version.Schema != want {
		return fmt.Errorf("schema %q, but this epi reads %q", version.Schema, want)
	}
	return nil
}

// decodeStrictly decodes data without fields that value does not have.
func decodeStrictly(data []byte, value any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(value); err != nil {
		return located(data, err)
	}
	return nil
}

// located adds line and column to errors that know their offset.
func located(data []byte, err error) error {
	offset := int64(-1)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		offset = syntax.Offset
	} else if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		offset = kind.Offset
	}
	if offset < 0 || offset > int64(len(data)) {
		return err
	}
	before := data[:offset]
	line := 1 + bytes.Count(before, []byte("\n"))
	column := len(before) - bytes.LastIndexByte(before, '\n') - 1
	return fmt.Errorf("line %d, column %d: %w", line, column, err)
}
