package ownfolder

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMountPoints(t *testing.T) {
	// proc(5), /proc/PID/mountinfo: the fifth field, with octal escapes.
	const mountinfo = `22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
90 22 0:40 / /s/engine/run/exec/netns/a rw - nsfs nsfs rw
91 22 0:41 / /s/engine/data/overlay2/x/merged rw,relatime - overlay overlay rw
92 91 0:42 / /s/engine/data/overlay2/x/merged/a\040b rw - tmpfs tmpfs rw
93 22 0:43 / /s/engine-of-another rw - tmpfs tmpfs rw
broken
`
	got := MountPoints(mountinfo, func(point string) bool { return strings.HasPrefix(point, "/s/engine/") })
	want := []string{"/s/engine/data/overlay2/x/merged/a b", "/s/engine/data/overlay2/x/merged", "/s/engine/run/exec/netns/a"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
