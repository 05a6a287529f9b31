package command

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain makes the test binary run as the programs of the tests.
func TestMain(m *testing.M) {
	switch os.Getenv("COMMAND_TEST") {
	case "":
		os.Exit(m.Run())
	case "print":
		for i := range 30 {
			fmt.Fprintln(os.Stderr, "line", i)
		}
		fmt.Print("out")
		os.Exit(7)
	case "name":
		fmt.Print(os.Args[0])
	case "tree":
		// A child that ignores SIGTERM, as the parent does. The parent prints both process numbers.
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), "COMMAND_TEST=stubborn")
		if err := child.Start(); err != nil {
			panic(err)
		}
		fmt.Fprintln(os.Stderr, child.Process.Pid)
		stubborn()
	case "stubborn":
		stubborn()
	case "orphan":
		// Runs a program with this package and is killed meanwhile.
		child := New(os.Args[0])
		child.Env = []string{"COMMAND_TEST=patient"}
		child.Log = os.Stderr
		_ = child.Run(context.Background()) // it is not expected to return
	case "patient":
		fmt.Fprintln(os.Stderr, os.Getpid())
		<-time.After(time.Minute)
	case "tidy":
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, syscall.SIGINT)
		fmt.Fprintln(os.Stderr, "ready")
		fmt.Fprintf(os.Stderr, "%v, tidied up\n", <-signals)
	}
}

func stubborn() {
	signal.Ignore(syscall.SIGTERM)
	<-time.After(time.Minute) // a limit in case the test itself is killed
}

func self(t *testing.T, role string) *Command {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := New(program)
	cmd.Env = []string{"COMMAND_TEST=" + role}
	return cmd
}

func TestErrorReportsExitCodeAndLastLines(t *testing.T) {
	var stdout, log bytes.Buffer
	var lines []string
	cmd := self(t, "print")
	cmd.Stdout, cmd.Log, cmd.LogFile = &stdout, &log, "/var/log/x"
	cmd.OnLine = func(line string) { lines = append(lines, line) }
	err := cmd.Run(t.Context())
	failure, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("error %v is no *Error", err)
	}
	if failure.ExitCode != 7 {
		t.Errorf("exit code %d, want 7", failure.ExitCode)
	}
	if !strings.HasPrefix(failure.Last, "line 10\n") || !strings.HasSuffix(failure.Last, "line 29") {
		t.Errorf("last lines %q, want 10 to 29", failure.Last)
	}
	if !strings.Contains(err.Error(), "/var/log/x") {
		t.Errorf("%q does not name the log", err)
	}
	if stdout.String() != "out" || strings.Contains(log.String(), "out") {
		t.Errorf("standard output %q, log %q", &stdout, &log)
	}
	if len(lines) != 30 {
		t.Errorf("reported %d lines, want 30", len(lines))
	}
}

func TestErrorOfAProgramThatIsNotThere(t *testing.T) {
	err := New("/nonexistent/program").Run(t.Context())
	failure, ok := errors.AsType[*Error](err)
	if !ok || failure.ExitCode != -1 || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %#v", err)
	}
}

func TestNameIsWhatTheProgramCallsItself(t *testing.T) {
	cmd := self(t, "name")
	cmd.Name = "kubeadm"
	output, err := cmd.Output(t.Context())
	if err != nil || output != "kubeadm" {
		t.Errorf("%q, %v", output, err)
	}
}

func TestEndOfContextEndsTheWholeGroup(t *testing.T) {
	stopped := errors.New("the user said stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	child := 0
	cmd := self(t, "tree")
	cmd.Grace = 100 * time.Millisecond
	cmd.OnLine = func(line string) {
		child, _ = strconv.Atoi(line)
		cancel(stopped)
	}
	err := cmd.Run(ctx)
	if !errors.Is(err, stopped) {
		t.Errorf("error %v, want the context's cause", err)
	}
	if child == 0 {
		t.Fatal("the program did not report its child")
	}
	waitGone(t, child)
}

func TestAProgramDoesNotOutliveUs(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux signals a program when its parent is killed")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "COMMAND_TEST=orphan")
	output, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	waitGone(t, child)
}

func waitGone(t *testing.T, pid int) {
	t.Helper()
	for begun := time.Now(); alive(pid); time.Sleep(10 * time.Millisecond) {
		if time.Since(begun) > 10*time.Second {
			t.Fatalf("process %d is still there", pid)
		}
	}
}

// alive says whether the process runs. A zombie does not.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return !errors.Is(err, os.ErrNotExist)
	}
	_, rest, _ := strings.Cut(string(status), ") ")
	return !strings.HasPrefix(rest, "Z")
}

func TestOfItsOwnSignalAProgramCanMakeSomething(t *testing.T) {
	stopped := errors.New("the user said stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	var said []string
	cmd := self(t, "tidy")
	cmd.Signal, cmd.LeaderOnly = syscall.SIGINT, true
	cmd.OnLine = func(line string) {
		said = append(said, line)
		cancel(stopped)
	}
	if err := cmd.Run(ctx); !errors.Is(err, stopped) {
		t.Errorf("error %v, want the context's cause", err)
	}
	if want := "ready|interrupt, tidied up"; strings.Join(said, "|") != want {
		t.Errorf("said %q, want %q", strings.Join(said, "|"), want)
	}
}

func TestNothingStartsUnderAContextThatEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	reported := false
	cmd := self(t, "print")
	cmd.OnLine = func(string) { reported = true }
	if err := cmd.Run(ctx); !errors.Is(err, context.Canceled) || reported {
		t.Errorf("error %v, ran: %v", err, reported)
	}
}

func TestLinesOfAProgressBar(t *testing.T) {
	var got []string
	l := &lines{onLine: func(line string) { got = append(got, line) }}
	for _, part := range []string{"10%\r2", "0%\r\n\ndo", "ne"} {
		if _, err := l.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	l.flush()
	if want := "10%|20%|done"; strings.Join(got, "|") != want {
		t.Errorf("%q, want %q", strings.Join(got, "|"), want)
	}
}
