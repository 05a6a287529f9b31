package clusters

import (
	"fmt"
	"os"
	"path/filepath"
)

// FindDirs completes given. A folder that is not set is epi's below the folder of XDG's variable, or below the home folder
// (specifications.freedesktop.org/basedir-spec).
func FindDirs(given Dirs, lookupEnv func(string) (string, bool)) (Dirs, error) {
	for _, place := range []struct {
		dir      *string
		variable string
		inHome   string
	}{
		{&given.State, "XDG_STATE_HOME", ".local/state"},
		{&given.Cache, "XDG_CACHE_HOME", ".cache"},
	} {
		if *place.dir != "" {
			absolute, err := filepath.Abs(*place.dir)
			if err != nil {
				return given, fmt.Errorf("find folder %s: %w", *place.dir, err)
			}
			*place.dir = absolute
			continue
		}
		if base, ok := lookupEnv(place.variable); ok && filepath.IsAbs(base) {
			*place.dir = filepath.Join(base, "epi")
			continue
		}
		home, err := os.UserHomeDir()
		if err == nil && !filepath.IsAbs(home) {
			err = fmt.Errorf("the home folder %q is not an absolute path", home)
		}
		if err != nil {
			return given, fmt.Errorf("find a folder for epi's state: %w; set --state-dir and --cache-dir", err)
		}
		*place.dir = filepath.Join(home, place.inHome, "epi")
	}
	return given, nil
}
