package engine

import "testing"

func TestAZombieIsNoOtherEngine(t *testing.T) {
	for stat, want := range map[string]bool{
		"7852 (dockerd) S 1 7852 7852 0 -1 4194560": true,
		"7852 (dockerd) R 1 7852 7852 0 -1 4194560": true,
		"7852 (dockerd) Z 1 7852 7852 0 -1 4194560": false,
		"7852 (dockerd) X 1 7852 7852 0 -1 4194560": false,
		"12 (containerd) S 1 12 12 0 -1 4194560":    false,
		"12 (dockerd-other) S 1 12 12 0 -1 4194560": false,
		"": false,
	} {
		if got := isLiveEngine(stat); got != want {
			t.Errorf("%q: a live engine %t, want %t", stat, got, want)
		}
	}
}
