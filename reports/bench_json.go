package reports

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// ErrNoBench is the error of writing or reading the benchmark of a run without one.
var ErrNoBench = errors.New("the run has no benchmark")

// benchRecord is the content of bench.json: the measurements, with what was measured and where.
type benchRecord struct {
	Schema      string      `json:"schema"`
	ID          string      `json:"id"`
	Started     time.Time   `json:"started"`
	Ended       time.Time   `json:"ended"`
	Interrupted bool        `json:"interrupted,omitempty"`
	Epi         Epi         `json:"epi"`
	Environment Environment `json:"environment"`
	Subjects    []Subject   `json:"subjects"`
	Bench
}

// WriteBench writes the benchmark of the run as bench.json, without its specs.
func WriteBench(w io.Writer, run Run) error {
	if run.Bench == nil {
		return fmt.Errorf("write benchmark: %w", ErrNoBench)
	}
	return encodeBench(w, run.sorted())
}

// encodeBench writes the benchmark of a sorted run.
func encodeBench(w io.Writer, run Run) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(benchRecord{BenchSchema, run.ID, run.Started, run.Ended, run.Interrupted, run.Epi, run.Environment, run.Subjects, *run.Bench})
	if err != nil {
		return fmt.Errorf("write benchmark: %w", err)
	}
	return nil
}

// ReadBench reads the output of WriteBench, as strictly as ReadJSON, as a run without specs.
func ReadBench(r io.Reader) (Run, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return Run{}, fmt.Errorf("read benchmark: %w", err)
	}
	run, err := parseBench(data)
	if err != nil {
		return Run{}, fmt.Errorf("read benchmark: %w", err)
	}
	return run, nil
}

func parseBench(data []byte) (Run, error) {
	if err := checkSchema(data, BenchSchema); err != nil {
		return Run{}, err
	}
	var record benchRecord
	if err := decodeStrictly(data, &record); err != nil {
		return Run{}, err
	}
	if err := record.check(); err != nil {
		return Run{}, err
	}
	return Run{
		Schema: Schema, ID: record.ID, Started: record.Started, Ended: record.Ended, Interrupted: record.Interrupted,
		Epi: record.Epi, Environment: record.Environment, Subjects: record.Subjects, Bench: &record.Bench,
	}, nil
}
