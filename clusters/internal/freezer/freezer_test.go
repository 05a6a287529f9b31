package freezer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOnlyOwnGroupsAreThawed(t *testing.T) {
	mine, theirs := strings.Repeat("a", 64), strings.Repeat("b", 64)
	for name, row := range map[string]struct {
		files  map[string]string
		thawed []string
	}{
		"version 1": {
			files: map[string]string{
				"sys/fs/cgroup/freezer/docker/" + mine + "/freezer.state":             "THAWED\n",
				"sys/fs/cgroup/freezer/docker/" + mine + "/kubelet/pod/freezer.state": "FROZEN\n",
				"sys/fs/cgroup/freezer/docker/" + theirs + "/freezer.state":           "FROZEN\n",
				"sys/fs/cgroup/freezer/freezer.state":                                 "FROZEN\n",
			},
			thawed: []string{"sys/fs/cgroup/freezer/docker/" + mine + "/kubelet/pod"},
		},
		"version 2, by systemd": {
			files: map[string]string{
				"sys/fs/cgroup/cgroup.controllers":                                        "cpu",
				"sys/fs/cgroup/system.slice/docker-" + mine + ".scope/cgroup.freeze":      "1\n",
				"sys/fs/cgroup/system.slice/docker-" + mine + ".scope/init/cgroup.freeze": "0\n",
				"sys/fs/cgroup/system.slice/docker-" + theirs + ".scope/cgroup.freeze":    "1\n",
				"sys/fs/cgroup/user.slice/cgroup.freeze":                                  "1\n",
			},
			thawed: []string{"sys/fs/cgroup/system.slice/docker-" + mine + ".scope"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for file, content := range row.files {
				path := filepath.Join(root, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			// A shorter ID would match the groups of other containers.
			got, err := thaw(root, []string{mine, "", "b", theirs[:12]})
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for _, group := range row.thawed {
				want = append(want, filepath.Join(root, group))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if again, err := thaw(root, []string{mine}); err != nil || len(again) != 0 {
				t.Errorf("once more: %q, %v", again, err)
			}
		})
	}
}
