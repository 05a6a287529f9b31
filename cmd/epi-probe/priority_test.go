//go:build linux

package main

import (
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/podidentity/epi/bench/load"
)

// If the kernel permits it, all threads have the priority, and none afterwards.
func TestPriorityIsTakenBack(t *testing.T) {
	policies := func() map[uint32]int {
		found := map[uint32]int{}
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			t.Fatal(err)
		}
		for _, thread := range threads {
			id, err := strconv.Atoi(thread.Name())
			if err != nil {
				t.Fatal(err)
			}
			if attr, err := unix.SchedGetAttr(id, 0); err == nil {
				found[attr.Policy]++
			}
		}
		return found
	}
	before := policies()
	restore := priority()
	during := policies()
	restore()
	after := policies()
	if may := during[unix.SCHED_RR] > 0; may && during[unix.SCHED_NORMAL] > 0 {
		t.Errorf("during: %v", during)
	} else if !may {
		t.Log("this process may not raise its priority")
	}
	if before[unix.SCHED_RR] != 0 || after[unix.SCHED_RR] != 0 {
		t.Errorf("before %v, after %v", before, after)
	}
}

func TestOnlyPodsMadeForLoadRaiseTheirPriority(t *testing.T) {
	if mayRaise() {
		t.Error("an ordinary process may")
	}
	t.Setenv(load.GeneratorVariable, "1")
	if !mayRaise() {
		t.Error("a generator may not")
	}
}
