package timeline

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// ticks is the number of the kernel's time units in a second: USER_HZ, which is 100 on all of Go's Linux architectures.
const ticks = 100

// usage is the processor time of processes so far.
type usage struct {
	at time.Time
	// busy is the processor time of all processors together, with that of ended processes.
	busy int64
	// processes by number, with their start, so that a reused number is another process.
	processes map[process]used
}

type process struct {
	pid     int
	started int64
}

type used struct {
	name  string
	ticks int64
}

// read reads the process table at /proc.
func read(proc string) (usage, error) {
	u := usage{at: time.Now(), processes: map[process]used{}}
	stat, err := os.ReadFile(filepath.Join(proc, "stat"))
	if err != nil {
		return u, fmt.Errorf("read what the processors do: %w", err)
	}
	if u.busy, err = busy(stat); err != nil {
		return u, err
	}
	entries, err := os.ReadDir(proc)
	if err != nil {
		return u, fmt.Errorf("list processes: %w", err)
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		// A process that ended meanwhile has no file.
		if stat, err := os.ReadFile(filepath.Join(proc, entry.Name(), "stat")); err == nil {
			if p, used, ok := parse(pid, stat); ok {
				u.processes[p] = used
			}
		}
	}
	return u, nil
}

// busy is the sum of the first line without idle and iowait: proc_stat(5).
func busy(stat []byte) (int64, error) {
	line, _, _ := bytes.Cut(stat, []byte("\n"))
	fields := bytes.Fields(line)
	if len(fields) < 8 || string(fields[0]) != "cpu" {
		return 0, errors.New("read what the processors do: /proc/stat does not begin with the time of all")
	}
	var sum int64
	for i, word := range fields[1:8] { // user nice system idle iowait irq softirq; guests are in user
		n, err := strconv.ParseInt(string(word), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read what the processors do: %w", err)
		}
		if i != 3 && i != 4 {
			sum += n
		}
	}
	return sum, nil
}

// parse reads a process's name, time and start: proc_pid_stat(5). The name may contain anything and ends with the last
// parenthesis.
func parse(pid int, stat []byte) (process, used, bool) {
	open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if open < 0 || end < open {
		return process{}, used{}, false
	}
	fields := bytes.Fields(stat[end+1:]) // from field 3 on
	const utime, stime, start = 14 - 3, 15 - 3, 22 - 3
	if len(fields) <= start {
		return process{}, used{}, false
	}
	var numbers [3]int64
	for i, field := range [3]int{utime, stime, start} {
		n, err := strconv.ParseInt(string(fields[field]), 10, 64)
		if err != nil || n < 0 || n > 1<<60 {
			return process{}, used{}, false
		}
		numbers[i] = n
	}
	return process{pid, numbers[2]}, used{string(stat[open+1 : end]), numbers[0] + numbers[1]}, true
}

// since is the usage between two readings.
func (u usage) since(before usage) Sample {
	seconds := u.at.Sub(before.at).Seconds()
	sample := Sample{At: before.at, Cores: map[string]float64{}}
	if seconds <= 0 {
		return sample
	}
	known := int64(0)
	for p, now := range u.processes {
		if spent := now.ticks - before.processes[p].ticks; spent > 0 {
			known += spent
			sample.Cores[now.name] += float64(spent) / ticks / seconds
		}
	}
	if rest := u.busy - before.busy - known; rest > 0 {
		sample.Cores["ended meanwhile, kernel"] = float64(rest) / ticks / seconds
	}
	return sample
}
