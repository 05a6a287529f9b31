package clusters

import (
	"path/filepath"
	"strings"
	"testing"
)

// A folder that depends on the current folder would be another one for each command
// (https://specifications.freedesktop.org/basedir-spec/latest/: paths in variables are absolute).
func TestFoldersDoNotDependOnWhereOneIs(t *testing.T) {
	home := t.TempDir()
	for name, row := range map[string]struct {
		home, xdg   string
		given       Dirs
		state, says string
	}{
		"home":                   {home: home, state: filepath.Join(home, ".local/state/epi")},
		"XDG":                    {home: home, xdg: "/x", state: "/x/epi"},
		"XDG relative":           {home: home, xdg: "x", state: filepath.Join(home, ".local/state/epi")},
		"no home":                {says: "set --state-dir and --cache-dir"},
		"home relative":          {home: "me", says: `"me" is not an absolute path; set --state-dir and --cache-dir`},
		"home a tilde":           {home: "~", says: "not an absolute path"},
		"home relative, not met": {home: "me", given: Dirs{State: "/s", Cache: "/c"}, state: "/s"},
	} {
		t.Setenv("HOME", row.home)
		got, err := FindDirs(row.given, func(key string) (string, bool) { return row.xdg, key == "XDG_STATE_HOME" && row.xdg != "" })
		if row.says != "" {
			if err == nil || !strings.Contains(err.Error(), row.says) {
				t.Errorf("%s: %+v, %v; want %q", name, got, err, row.says)
			}
		} else if err != nil || got.State != row.state {
			t.Errorf("%s: %+v, %v; want %s", name, got, err, row.state)
		}
	}
}
