package reports

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Names of the files in a run's folder.
const (
	ResultsFile     = "results.json"
	JUnitFile       = "junit.xml"
	HTMLFile        = "report.html"
	ConformanceFile = "conformance.yaml"
	BenchFile       = "bench.json"
	BenchTextFile   = "bench.txt"
)

// files are the reports of a run, those for people first, with their writers, and with the runs that have them: nil for
// all.
var files = []struct {
	name  string
	write func(io.Writer, *Findings) error
	of    func(Run) bool
}{
	{HTMLFile, WriteHTML, nil},
	{JUnitFile, WriteJUnit, nil},
	{ConformanceFile, WriteConformance, func(run Run) bool { return !run.onlyBench() }},
	{BenchFile, func(w io.Writer, findings *Findings) error { return encodeBench(w, findings.Run) }, Run.hasBench},
	{BenchTextFile, WriteBenchText, Run.hasBench},
	{ResultsFile, func(w io.Writer, findings *Findings) error { return encodeRun(w, findings.Run) }, nil},
}

// Files are the names of the reports that WriteDir writes for the run.
func Files(run Run) []string {
	var names []string
	for _, file := range files {
		if file.of == nil || file.of(run) {
			names = append(names, file.name)
		}
	}
	return names
}

// WriteDir writes every report of the run into dir. Each file appears completely or not at all. A file that cannot be
// written does not prevent the others.
func WriteDir(dir string, findings *Findings) error {
	var errs []error
	for _, file := range files {
		if file.of == nil || file.of(findings.Run) {
			errs = append(errs, writeFile(dir, file.name, func(w io.Writer) error { return file.write(w, findings) }))
		}
	}
	return errors.Join(errs...)
}

// WriteJUnitFile writes the run as JUnit XML to a file, and creates the folders above it. It writes directly to anything
// but a regular file, such as a pipe.
func WriteJUnitFile(file string, findings *Findings) error {
	if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() {
		target, err := os.OpenFile(file, os.O_WRONLY, 0)
		if err == nil {
			err = errors.Join(WriteJUnit(target, findings), target.Close())
		}
		if err != nil {
			return fmt.Errorf("write JUnit report %s: %w", file, err)
		}
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("write JUnit report %s: %w", file, err)
	}
	return writeFile(filepath.Dir(file), filepath.Base(file), func(w io.Writer) error { return WriteJUnit(w, findings) })
}

// writeFile replaces dir/name by the output of write, through a temporary file beside it. If the process ends
// in between, the file is unchanged.
func writeFile(dir, name string, write func(io.Writer) error) (err error) {
	temporary, err := os.CreateTemp(dir, "."+name+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temporary.Name()) // the first error counts
			err = fmt.Errorf("write %s: %w", name, err)
		}
	}()
	buffer := bufio.NewWriter(temporary)
	// One cause is reported once: closing a file also fails if writing it failed.
	if err = cmp.Or(write(buffer), buffer.Flush(), temporary.Chmod(0o644)); err != nil {
		_ = temporary.Close() // of no use
		return err
	}
	if err = temporary.Close(); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), filepath.Join(dir, name))
}

// Open reads a run from its folder, from its results.json or, without its specs, from its bench.json, under any file names.
func Open(path string) (Run, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Run{}, fmt.Errorf("read results: %w", err)
	}
	if info.IsDir() {
		return ReadDir(path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return Run{}, fmt.Errorf("read results: %w", err)
	}
	read := ReadJSON
	if checkSchema(data, BenchSchema) == nil {
		read = ReadBench
	}
	run, err := read(bytes.NewReader(data))
	if err != nil {
		return Run{}, fmt.Errorf("%s: %w", path, err)
	}
	return run, nil
}

// ReadDir reads the results of the run in dir.
func ReadDir(dir string) (Run, error) {
	path := filepath.Join(dir, ResultsFile)
	file, err := os.Open(path)
	if err != nil {
		return Run{}, fmt.Errorf("read results: %w", err)
	}
	defer func() { _ = file.Close() }() // it was only read
	run, err := ReadJSON(bufio.NewReader(file))
	if err != nil {
		return Run{}, fmt.Errorf("%s: %w", path, err)
	}
	return run, nil
}
