package reports

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// latest is the name of the link to the run that ended last.
const latest = "latest"

// NewDir makes a folder for a run below artifacts, named after its start, and returns its absolute path.
func NewDir(artifacts string, started time.Time) (string, error) {
	id := started.UTC().Format("20060102-150405")
	dir, err := filepath.Abs(filepath.Join(artifacts, id))
	if err != nil {
		return "", fmt.Errorf("find folder of artifacts: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", fmt.Errorf("make folder of artifacts: %w", err)
	}
	link := filepath.Join(filepath.Dir(dir), latest)
	if is, err := os.Lstat(link); err == nil && is.Mode()&fs.ModeSymlink == 0 {
		return "", fmt.Errorf("make folder of artifacts: %s is no symbolic link, and epi does not replace it: move it away", link)
	}
	// Two runs that start within the same second do not share a folder.
	for n := 2; ; n++ {
		err := os.Mkdir(dir, 0o755)
		if err == nil {
			return dir, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return "", fmt.Errorf("make folder of artifacts: %w", err)
		}
		dir = filepath.Join(filepath.Dir(dir), fmt.Sprintf("%s-%d", id, n))
	}
}

// PointLatest makes the link "latest" beside dir, the folder of a run that has ended, point to it. The link
// is replaced at once: others see the former or the new one, also if several runs end together.
func PointLatest(dir string) error {
	link := filepath.Join(filepath.Dir(dir), latest)
	next := fmt.Sprintf("%s.%s", link, filepath.Base(dir)) // no other run's
	err := os.Symlink(filepath.Base(dir), next)
	if errors.Is(err, fs.ErrExist) {
		err = nil // of an earlier attempt for the same folder
	}
	if err == nil {
		err = os.Rename(next, link)
	}
	if err != nil {
		_ = os.Remove(next) // the first error counts
		return fmt.Errorf("point %s to the run: %w", link, err)
	}
	return nil
}
