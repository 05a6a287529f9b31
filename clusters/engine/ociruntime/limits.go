//go:build linux

package ociruntime

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// OwnLimits reads the limits of this process.
func OwnLimits() (Limits, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return Limits{}, fmt.Errorf("read own capabilities: %w", err)
	}
	mask, err := boundingSet(status)
	if err != nil {
		return Limits{}, err
	}
	score, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		return Limits{}, fmt.Errorf("read own OOM score: %w", err)
	}
	lowest, err := strconv.Atoi(strings.TrimSpace(string(score)))
	if err != nil {
		return Limits{}, fmt.Errorf("read own OOM score: %w", err)
	}
	return Limits{Capabilities: mask, OOMScoreAdj: lowest, HardRlimit: ownHardRlimit}, nil
}

// boundingSet finds the capability bounding set in /proc/PID/status.
func boundingSet(status []byte) (uint64, error) {
	lines := bufio.NewScanner(bytes.NewReader(status))
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "CapBnd:"); ok {
			mask, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
			if err != nil {
				return 0, fmt.Errorf("read own capabilities: %w", err)
			}
			return mask, nil
		}
	}
	return 0, fmt.Errorf("read own capabilities: no line CapBnd in /proc/self/status")
}

var rlimitNumbers = map[string]int{
	"RLIMIT_AS":         unix.RLIMIT_AS,
	"RLIMIT_CORE":       unix.RLIMIT_CORE,
	"RLIMIT_CPU":        unix.RLIMIT_CPU,
	"RLIMIT_DATA":       unix.RLIMIT_DATA,
	"RLIMIT_FSIZE":      unix.RLIMIT_FSIZE,
	"RLIMIT_LOCKS":      unix.RLIMIT_LOCKS,
	"RLIMIT_MEMLOCK":    unix.RLIMIT_MEMLOCK,
	"RLIMIT_MSGQUEUE":   unix.RLIMIT_MSGQUEUE,
	"RLIMIT_NICE":       unix.RLIMIT_NICE,
	"RLIMIT_NOFILE":     unix.RLIMIT_NOFILE,
	"RLIMIT_NPROC":      unix.RLIMIT_NPROC,
	"RLIMIT_RSS":        unix.RLIMIT_RSS,
	"RLIMIT_RTPRIO":     unix.RLIMIT_RTPRIO,
	"RLIMIT_RTTIME":     unix.RLIMIT_RTTIME,
	"RLIMIT_SIGPENDING": unix.RLIMIT_SIGPENDING,
	"RLIMIT_STACK":      unix.RLIMIT_STACK,
}

func ownHardRlimit(resource string) (uint64, bool) {
	number, known := rlimitNumbers[resource]
	if !known {
		return 0, false
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(number, &limit); err != nil {
		return 0, false
	}
	return limit.Max, true
}
