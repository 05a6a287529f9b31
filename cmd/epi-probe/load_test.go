package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/podidentity/epi/bench/load"
)

// program is the real epi-probe, because this test's program may have the race detector, which makes it several times as
// slow.
type program string

func buildProgram(t *testing.T) program {
	t.Helper()
	file := filepath.Join(t.TempDir(), "epi-probe")
	// The flags of `make build`, so that existing build results are used.
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false", "-o", file, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build epi-probe: %v: %s", err, output)
	}
	return program(file)
}

func (p program) process(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	command := exec.CommandContext(context.WithoutCancel(t.Context()), string(p), args...) // a clean-up waits for its end
	command.Stderr = os.Stderr
	return command
}

// null starts the null handler as its own process and returns its URL.
func (p program) null(t *testing.T) string {
	t.Helper()
	command := p.process(t, "null", "127.0.0.1:0")
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := command.Process.Signal(os.Interrupt); err != nil {
			t.Error(err)
		}
		if err := command.Wait(); err != nil {
			t.Errorf("the null handler ended with %v after a signal", err)
		}
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err != nil || !ok {
		t.Fatalf("the null handler said %q, %v", line, err)
	}
	return "http://" + address + "/v1/credentials"
}

func TestLoadMakesAJobAndPrintsItsResult(t *testing.T) {
	server := httptest.NewServer(load.Null())
	defer server.Close()
	job := load.Job{Phases: []load.Phase{{Name: "a", Lasts: time.Second, Arrivals: load.AtOnce, Count: 30}}}
	job.Target.HTTP = &load.HTTPOptions{URL: server.URL, Expect: load.Credentials}
	input, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := makeLoad(t.Context(), bytes.NewReader(input), &out); err != nil {
		t.Fatal(err)
	}
	result, err := load.DecodeResult(&out)
	if err != nil || result.Phases[0].Requests != 30 || result.Phases[0].Failed() != 0 {
		t.Errorf("%v: %+v", err, result)
	}
}

func TestLoadAndItsLikeRefuseWhatTheyCannotDo(t *testing.T) {
	var out, errOut bytes.Buffer
	for _, args := range [][]string{{"null"}, {"null", "a", "b"}, {"calibrate"}, {"calibrate", "--rate", "many", "http://127.0.0.1/"}} {
		errOut.Reset()
		if code := run(t.Context(), args, &out, &errOut); code != exitUsage || errOut.Len() == 0 {
			t.Errorf("%q: exit code %d, message %q", args, code, errOut.String())
		}
	}
	for _, args := range [][]string{{"null", "nowhere"}, {"calibrate", closedAddress(t)}, {"calibrate", "--rate", "-5", closedAddress(t)}} {
		errOut.Reset()
		if code := run(t.Context(), args, &out, &errOut); code != exitFailed || errOut.Len() == 0 {
			t.Errorf("%q: exit code %d, message %q", args, code, errOut.String())
		}
	}
	if err := makeLoad(t.Context(), strings.NewReader("{"), &out); err == nil {
		t.Error("half a job was accepted")
	}
}

var wrkRate = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)

// The generator reaches at least 0.4 of wrk's rate with the same null handler. Both are measured in turn, because other
// work on the machine varies. All three are processes of their own.
func TestLoadReachesWhatItMustOfWrk(t *testing.T) {
	const least, pairs, most = 0.4, 3, 9
	wrk, err := exec.LookPath("wrk")
	switch {
	case err != nil:
		t.Skipf("wrk is not installed: %v", err)
	case testing.Short():
		t.Skip("takes 10 s of all cores")
	}
	built := buildProgram(t)
	at := built.null(t)
	var ratios []float64
	for len(ratios) < most {
		output, err := exec.CommandContext(t.Context(), wrk, "-t"+strconv.Itoa(runtime.NumCPU()), "-c64", "-d1s", at).CombinedOutput()
		if err != nil {
			t.Fatalf("wrk: %v: %s", err, output)
		}
		match := wrkRate.FindSubmatch(output)
		if match == nil {
			t.Fatalf("wrk says no rate: %s", output)
		}
		theirs, err := strconv.ParseFloat(string(match[1]), 64)
		if err != nil {
			t.Fatal(err)
		}
		ours := built.saturate(t, at)
		t.Logf("wrk %.0f/s, epi-probe %.0f/s: %.2f", theirs, ours, ours/theirs)
		ratios = append(ratios, ours/theirs)
		if len(ratios) >= pairs && median(ratios) >= least {
			return
		}
	}
	t.Errorf("the median of %.2f is %.2f, want at least %.2f", ratios, median(ratios), least)
}

// saturate is the number of successful requests in a second at saturation, 64 at a time.
func (p program) saturate(t *testing.T, at string) float64 {
	t.Helper()
	job := load.Job{Phases: []load.Phase{{Name: "a", From: 200_000, Lasts: time.Second}}, Workers: 64, Drain: time.Millisecond}
	job.Target.HTTP = &load.HTTPOptions{URL: at, Expect: load.Credentials}
	input, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	command := p.process(t, "load")
	command.Stdin = bytes.NewReader(input)
	output, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	result, err := load.DecodeResult(bytes.NewReader(output))
	if err != nil {
		t.Fatal(err)
	}
	phase := result.Phases[0]
	if others := phase.Failed() - phase.Errors[load.Unfinished]; others > 0 || phase.Requests != 200_000 {
		t.Errorf("%d requests, errors %v", phase.Requests, phase.Errors)
	}
	return float64(phase.Requests-phase.Failed()) / (job.Phases[0].Lasts + job.Drain).Seconds()
}

func median[T cmp.Ordered](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
