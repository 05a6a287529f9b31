package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// DamagedError is the error of a damaged file. The file is unchanged.
type DamagedError struct {
	Path string
	// Problems are what is wrong with it.
	Problems []string
}

// shownProblems is how many problems an error reports.
const shownProblems = 5

func (e *DamagedError) Error() string {
	shown := e.Problems[:min(len(e.Problems), shownProblems)]
	more := ""
	if rest := len(e.Problems) - len(shown); rest > 0 {
		more = fmt.Sprintf("; and %d more", rest)
	}
	return fmt.Sprintf("open state %s: the file is damaged and was left as it is: %s%s; move it away to begin anew, or write what can be read of it to a new file with: epi-emulator recover --state %s --to NEW",
		e.Path, strings.Join(shown, "; "), more, e.Path)
}

// Record is a record of a table.
type Record struct {
	Table, Key string
	Value      []byte
}

// content is the result of a scan.
type content struct {
	records []Record
	// old tables have no checksums.
	old []string
}

// read scans a file, and returns its records if keep. ours is false if the file is not a store's.
func read(data []byte, keep bool) (found content, problems []string, ours bool) {
	together, sequences := map[string]uint64{}, map[string]uint64{}
	s := &scanner{data: data}
	s.table = func(name string, sequence uint64) {
		sequences[name], together[name] = sequence, emptyTable
		if sequence == 0 {
			found.old = append(found.old, name)
		}
	}
	s.record = func(table string, key, value []byte) {
		if sequences[table] != 0 {
			var own uint64
			var err error
			if value, own, err = unseal(table, key, value); err != nil {
				s.wrong.add("record %q: %v", key, err)
				return
			}
			together[table] ^= own
		}
		if keep {
			found.records = append(found.records, Record{table, string(key), slices.Clone(value)})
		}
	}
	ours = s.scan()
	for name, sequence := range sequences {
		if sequence != 0 && together[name] != sequence {
			s.wrong.add("table %s: records are missing or are not its own", name)
		}
	}
	return found, s.wrong.problems, ours
}

// lock waits for the file's lock, which bbolt takes too, and returns a function that releases it.
func lock(path string) (*os.File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(lockWait); ; {
		err := unix.Flock(int(file.Fd()), unix.LOCK_SH|unix.LOCK_NB)
		if err == nil {
			return file, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) || time.Now().After(end) {
			_ = file.Close() // nothing was written
			if errors.Is(err, unix.EWOULDBLOCK) {
				return nil, errInUse
			}
			return nil, err
		}
		time.Sleep(lockWait / 20) // as bbolt does
	}
}

var errInUse = errors.New("another process has it open")

// check reads the file before bbolt does. A missing or empty file is a new one.
func check(path string) error {
	file, err := lock(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("open state %s: %w", path, err)
	}
	defer func() { _ = file.Close() }() // it was only read
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("open state %s: %w", path, err)
	}
	if len(data) == 0 {
		return nil
	}
	_, problems, ours := read(data, false)
	switch {
	case !ours:
		return fmt.Errorf("open state %s: not a state file of this program, or its beginning is damaged; move it away to begin anew", path)
	case len(problems) > 0:
		return &DamagedError{path, problems}
	}
	return nil
}

// Recover writes all readable records of the file at from to a new file at to. problems are those of the old file, which is
// unchanged.
func Recover(from, to string) (records int, problems []string, err error) {
	if _, err := os.Stat(to); err == nil {
		return 0, nil, fmt.Errorf("recover state: %s is there already", to)
	}
	file, err := lock(from)
	if err != nil {
		return 0, nil, fmt.Errorf("recover state %s: %w", from, err)
	}
	defer func() { _ = file.Close() }() // it was only read
	data, err := os.ReadFile(from)
	if err != nil {
		return 0, nil, fmt.Errorf("recover state: %w", err)
	}
	found, problems, ours := read(data, true)
	if !ours {
		return 0, nil, fmt.Errorf("recover state %s: neither of its two beginnings can be read", from)
	}
	made, err := Open(to)
	if err != nil {
		return 0, problems, err
	}
	tables := map[string]Table{}
	for _, record := range found.records {
		if tables[record.Table] == nil {
			if tables[record.Table], err = made.Table(record.Table); err != nil {
				break
			}
		}
		// bbolt never writes a key that it refuses.
		if len(record.Key) == 0 {
			continue
		}
		if err = tables[record.Table].Put(record.Key, record.Value); err != nil {
			break
		}
		records++
	}
	return records, problems, errors.Join(err, made.Close())
}
