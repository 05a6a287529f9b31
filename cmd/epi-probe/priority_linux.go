package main

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// realTime is the lowest of the kernel's real-time priorities: before all that is not real-time.
const realTime = 1

// priority has the kernel run this process before all others, as far as it may: a generator that waits for
// a processor that its subject or anything else has would tell its own wait as the subject's latency. It needs
// CAP_SYS_NICE. The kernel keeps a twentieth of the time for others (sched_rt_runtime_us), and whoever
// raises sees to it that the process needs little. It returns what undoes that.
func priority() (restore func()) {
	raised := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: realTime}
	if unix.SchedSetAttr(0, &raised, 0) != nil {
		return func() {} // as good as it is; the calibration measures it
	}
	everyThread(&raised)
	return func() { everyThread(&unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL}) }
}

// everyThread sets it on all threads. The kernel knows no processes here; a thread inherits from the one that
// made it, so that of those made meanwhile the second round finds the rest.
func everyThread(attr *unix.SchedAttr) {
	for range 2 {
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return
		}
		for _, thread := range threads {
			if id, err := strconv.Atoi(thread.Name()); err == nil {
				_ = unix.SchedSetAttr(id, attr, 0) // one that ended meanwhile
			}
		}
	}
}
