package history

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/podidentity/epi/reports"
)

// Store is a folder with a file for each run. Files are named after their contents, are only ever added, and contain
// everything about their run. So stores are merged by putting their files together, by git, a copy or a bucket's own tools,
// in any order and without conflicts.
type Store struct{ dir string }

// marker says that a folder is a store. It is the same in every store, like all files of a store that are no runs.
const (
	marker         = "epi-history.json"
	markerContents = `{"schema":"epi.history/v1"}` + "\n"
	runsDir        = "runs"
)

// constants are the files of a store that are no runs. git must not change the line ends of runs, and must ignore the
// temporary files of killed programs.
var constants = [...]struct{ name, contents string }{
	{".gitattributes", runsDir + "/** -text\n"},
	{".gitignore", ".adding-*\n"},
	{marker, markerContents},
}

// fileName is the name of a run's file: its start, and the beginning of the SHA-256 of the contents.
var fileName = regexp.MustCompile(`^[0-9]{8}-[0-9]{6}-([0-9a-f]{16})\.jsonl$`)

// ErrNoStore is the error of a folder that is no store.
var ErrNoStore = errors.New("no store of runs")

// Open opens an existing store.
func Open(dir string) (Store, error) {
	data, err := os.ReadFile(filepath.Join(dir, marker))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Store{}, fmt.Errorf("%s: %w: it has no %s", dir, ErrNoStore, marker)
	case err != nil:
		return Store{}, fmt.Errorf("open store: %w", err)
	}
	if strings.TrimSpace(string(data)) != strings.TrimSpace(markerContents) {
		return Store{}, fmt.Errorf("%s: %w of this version: %s says %.80q", dir, ErrNoStore, marker, bytes.TrimSpace(data))
	}
	return Store{dir}, nil
}

// Create opens a store. A folder that does not exist, or that has only names that begin with a dot, such as a new
// repository, becomes a store. It refuses any other folder and does not change it.
func Create(dir string) (Store, error) {
	store, err := Open(dir)
	if err == nil || !errors.Is(err, ErrNoStore) {
		return store, err
	}
	entries, readErr := os.ReadDir(dir)
	if readErr != nil && !errors.Is(readErr, fs.ErrNotExist) {
		return Store{}, fmt.Errorf("make store: %w", readErr)
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), ".") {
			return Store{}, fmt.Errorf("%w, and it holds %s", err, entry.Name())
		}
	}
	if target, linkErr := os.Readlink(dir); linkErr == nil && readErr != nil {
		return Store{}, fmt.Errorf("make store: %s is a symbolic link to %s, which is not there", dir, target)
	}
	if err := os.MkdirAll(filepath.Join(dir, runsDir), 0o755); err != nil {
		return Store{}, fmt.Errorf("make store: %w", err)
	}
	for _, file := range constants { // the marker is last: it makes the store complete
		if _, err := addFile(dir, file.name, []byte(file.contents)); err != nil && !errors.Is(err, errDiffers) {
			return Store{}, fmt.Errorf("make store: %w", err)
		}
	}
	return Store{dir}, nil
}

// Dir is the folder of the store.
func (s Store) Dir() string { return s.dir }

// Add puts a run into the store and says whether it is new.
func (s Store) Add(run reports.Run) (Record, bool, error) {
	record, results, err := RecordOf(run)
	if err != nil {
		return Record{}, false, fmt.Errorf("add run %s: %w", run.ID, err)
	}
	head, err := json.Marshal(record)
	if err != nil {
		return Record{}, false, fmt.Errorf("add run %s: %w", run.ID, err)
	}
	contents := slices.Concat(head, []byte("\n"), results, []byte("\n"))
	started := record.Started
	record.File = path.Join(runsDir, started.Format("2006-01"), started.Format("20060102-150405")+"-"+digest(contents)[:16]+".jsonl")
	dir := filepath.Join(s.dir, filepath.FromSlash(path.Dir(record.File)))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Record{}, false, fmt.Errorf("add run %s: %w", run.ID, err)
	}
	added, err := addFile(dir, path.Base(record.File), contents)
	if errors.Is(err, errDiffers) {
		err = fmt.Errorf("%s is damaged: its contents do not match its name; remove it, and add the run again", record.File)
	}
	if err != nil {
		return Record{}, false, fmt.Errorf("add run %s: %w", run.ID, err)
	}
	return record, added, nil
}

var errDiffers = errors.New("a file of that name is there with other contents")

// addFile creates a file that appears completely or not at all, and never replaces one. It says whether the file is new.
func addFile(dir, name string, contents []byte) (added bool, err error) {
	file := filepath.Join(dir, name)
	if there, err := os.ReadFile(file); err == nil {
		if !bytes.Equal(there, contents) {
			return false, errDiffers
		}
		return false, nil
	}
	temporary, err := os.CreateTemp(dir, ".adding-*")
	if err != nil {
		return false, err
	}
	defer func() { _ = os.Remove(temporary.Name()) }() // it has its final name by then, or was renamed
	_, err = temporary.Write(contents)
	if err = errors.Join(err, temporary.Chmod(0o644), temporary.Close()); err != nil {
		return false, err
	}
	switch err := os.Link(temporary.Name(), file); {
	case err == nil:
		return true, nil
	case errors.Is(err, fs.ErrExist): // another process added it meanwhile
		return addFile(dir, name, contents)
	default: // the file system has no links
		return true, os.Rename(temporary.Name(), file)
	}
}

// Damage is a file of the store that this epi cannot read as a run.
type Damage struct {
	// File is its path below the store.
	File string
	Err  error
}

// String describes it in a line.
func (d Damage) String() string { return d.File + ": " + d.Err.Error() }

// Records are all runs of the store by their start, and the unreadable files. If a run was added several times, for example
// before its end and after, the result has the most complete one.
func (s Store) Records() ([]Record, []Damage, error) {
	var files []string
	root := filepath.Join(s.dir, runsDir)
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if fileName.MatchString(entry.Name()) && !entry.IsDir() {
			below, err := filepath.Rel(s.dir, name)
			if err != nil {
				return err
			}
			files = append(files, filepath.ToSlash(below))
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // git does not keep an empty folder
		return nil, nil, fmt.Errorf("read store: %w", err)
	}
	records, errs := make([]Record, len(files)), make([]error, len(files))
	next := make(chan int)
	var readers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		readers.Go(func() {
			for i := range next {
				records[i], errs[i] = s.record(files[i])
			}
		})
	}
	for i := range files {
		next <- i
	}
	close(next)
	readers.Wait()
	var damages []Damage
	best := map[string]Record{}
	for i, record := range records {
		if errs[i] != nil {
			damages = append(damages, Damage{files[i], errs[i]})
			continue
		}
		same := record.ID + " " + record.Started.String()
		if known, ok := best[same]; !ok || completer(record, known) > 0 {
			best[same] = record
		}
	}
	list := make([]Record, 0, len(best))
	for _, record := range best {
		list = append(list, record)
	}
	slices.SortFunc(list, func(a, b Record) int {
		return cmp.Or(a.Started.Compare(b.Started), strings.Compare(a.ID, b.ID), strings.Compare(a.Results, b.Results))
	})
	return list, damages, nil
}

// completer is positive if a has more of the run than b. Only the same file is equal.
func completer(a, b Record) int {
	ended := func(r Record) int {
		if r.Ended.IsZero() {
			return 0
		}
		return 1
	}
	return cmp.Or(
		cmp.Compare(ended(a), ended(b)), cmp.Compare(a.Specs, b.Specs), a.Ended.Compare(b.Ended),
		strings.Compare(a.Results, b.Results), strings.Compare(a.File, b.File))
}

// recordLimit is the longest record in bytes: a hundred times that of the largest benchmark.
const recordLimit = 64 << 20

// record reads the first line of a run's file. If it is of another version, record derives it again from the rest.
func (s Store) record(name string) (Record, error) {
	file, err := os.Open(filepath.Join(s.dir, filepath.FromSlash(name)))
	if err != nil {
		return Record{}, err
	}
	defer func() { _ = file.Close() }() // it was only read
	line, err := bufio.NewReaderSize(io.LimitReader(file, recordLimit), 64<<10).ReadBytes('\n')
	if err != nil {
		return Record{}, fmt.Errorf("it has no record of a run: %w", err)
	}
	var record Record
	err = json.Unmarshal(line, &record)
	if err != nil || record.Schema != RecordSchema || !record.Outcome.Valid() || len(record.Results) != 64 {
		run, err := s.Read(name)
		if err != nil {
			return Record{}, err
		}
		if record, _, err = RecordOf(run); err != nil {
			return Record{}, err
		}
	}
	record.File = name
	return record, nil
}

// Read reads a complete run. It returns an error if the file does not agree with its name or its record.
func (s Store) Read(name string) (reports.Run, error) {
	data, err := os.ReadFile(filepath.Join(s.dir, filepath.FromSlash(name)))
	if err != nil {
		return reports.Run{}, fmt.Errorf("read run: %w", err)
	}
	if want := fileName.FindStringSubmatch(path.Base(name)); want == nil || digest(data)[:16] != want[1] {
		return reports.Run{}, fmt.Errorf("read run: %s is damaged: its contents do not match its name", name)
	}
	_, results, ok := bytes.Cut(data, []byte("\n"))
	if !ok {
		return reports.Run{}, fmt.Errorf("read run: %s holds no results", name)
	}
	return reports.ReadJSON(bytes.NewReader(results))
}
