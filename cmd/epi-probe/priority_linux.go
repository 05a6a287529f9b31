package main

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// realTime is the lowest of the kernel's real-time priorities, which precedes everything that is not real-time.
const realTime = 1

// priority makes the kernel prefer this process to all others, as far as permitted. A generator that waits for a processor
// would otherwise count its own wait as the subject's latency. It needs CAP_SYS_NICE. The kernel keeps a twentieth of the
// time for others (sched_rt_runtime_us), and callers make sure that the process needs little time. It returns a function
// that restores the old priority.
func priority() (restore func()) {
	raised := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: realTime}
	if unix.SchedSetAttr(0, &raised, 0) != nil {
		return func() {} // without the permission nothing changes; the calibration measures the effect
	}
	everyThread(&raised)
	return func() { everyThread(&unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL}) }
}

// everyThread sets it on all threads, because the kernel has no processes here. A thread inherits it from its creator, so
// the second round finds threads that were created meanwhile.
func everyThread(attr *unix.SchedAttr) {
	for range 2 {
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return
		}
		for _, thread := range threads {
			if id, err := strconv.Atoi(thread.Name()); err == nil {
				_ = unix.SchedSetAttr(id, attr, 0) // an ended thread is no problem
			}
		}
	}
}
