package reports

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// NewDir makes a folder for a run below artifacts, named after its start, points the link "latest"
// beside it to it, and returns its absolute path.
func NewDir(artifacts string, started time.Time) (string, error) {
	id := started.UTC().Format("20060102-150405")
	dir, err := filepath.Abs(filepath.Join(artifacts, id))
	if err != nil {
		return "", fmt.Errorf("find folder of artifacts: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", fmt.Errorf("make folder of artifacts: %w", err)
	}
	// Two runs that start within the same second do not share a folder.
	for n := 2; ; n++ {
		err := os.Mkdir(dir, 0o755)
		if err == nil {
			return dir, pointLatest(dir)
		}
		if !errors.Is(err, fs.ErrExist) {
			return "", fmt.Errorf("make folder of artifacts: %w", err)
		}
		dir = filepath.Join(filepath.Dir(dir), fmt.Sprintf("%s-%d", id, n))
	}
}

// pointLatest makes the link "latest" beside dir point to it.
func pointLatest(dir string) error {
	link := filepath.Join(filepath.Dir(dir), "latest")
	next := link + ".new"
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("point %s to the run: %w", link, err)
	}
	if err := os.Symlink(filepath.Base(dir), next); err != nil {
		return fmt.Errorf("point %s to the run: %w", link, err)
	}
	if err := os.Rename(next, link); err != nil {
		return fmt.Errorf("point %s to the run: %w", link, err)
	}
	return nil
}
