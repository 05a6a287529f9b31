package reports

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// latest is the name of the link to the run that ended last.
const latest = "latest"

// runID matches the name of a run's folder.
var runID = regexp.MustCompile(`^[0-9]{8}-[0-9]{6}(-[0-9]+)?$`)

// NewDir creates a folder for a run below artifacts, named after its start, and returns its absolute path. If "latest"
// exists there and is not a link to a run, that is an error, and nothing is created.
func NewDir(artifacts string, started time.Time) (string, error) {
	id := started.UTC().Format("20060102-150405")
	dir, err := filepath.Abs(filepath.Join(artifacts, id))
	if err != nil {
		return "", fmt.Errorf("find folder of artifacts: %w", err)
	}
	if err := checkLatest(filepath.Join(filepath.Dir(dir), latest)); err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", fmt.Errorf("make folder of artifacts: %w", err)
	}
	link := filepath.Join(filepath.Dir(dir), latest)
	if is, err := os.Lstat(link); err == nil && is.Mode()&fs.ModeSymlink == 0 {
		return "", fmt.Errorf("make folder of artifacts: %s is no symbolic link, and epi does not replace it: move it away", link)
	}
	// Two runs that start within the same second have different folders.
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

// checkLatest refuses a user's file, folder or link at the place of the link to the last run.
func checkLatest(link string) error {
	info, err := os.Lstat(link)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at folder of artifacts: %w", err)
	}
	target := ""
	if info.Mode().Type() == fs.ModeSymlink {
		if target, err = os.Readlink(link); err != nil {
			return fmt.Errorf("look at folder of artifacts: %w", err)
		}
	}
	if !runID.MatchString(target) {
		return fmt.Errorf("%s is no link to a run, and is left alone: choose another folder with --artifacts, or move it away", link)
	}
	return nil
}

// PointLatest makes the link "latest" beside dir, the folder of a run that has ended, point to it. The link is replaced in
// one step: others see the former or the new one, also if several runs end together.
func PointLatest(dir string) error {
	link := filepath.Join(filepath.Dir(dir), latest)
	if err := checkLatest(link); err != nil {
		return err
	}
	next := fmt.Sprintf("%s.%s", link, filepath.Base(dir)) // a name that no other run has
	err := os.Symlink(filepath.Base(dir), next)
	if errors.Is(err, fs.ErrExist) {
		err = nil // left by an earlier attempt for the same folder
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
