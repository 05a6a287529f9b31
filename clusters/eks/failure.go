package eks

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/podidentity/epi/clusters/internal/command"
)

// failureMark is at the beginning of each line with an error in eksctl's output.
const failureMark = "[✖]"

// failureLines are the lines of eksctl's output with errors. They are kept completely: the first is often far above the
// last lines, which say how to clean up.
type failureLines struct{ list []string }

// mostFailures bounds their number, because eksctl reports each resource of a failed stack.
const mostFailures = 20

func (f *failureLines) add(line string) {
	line = strings.TrimSpace(line)
	if strings.Contains(line, failureMark) && !slices.Contains(f.list, line) && len(f.list) < mostFailures {
		f.list = append(f.list, line)
	}
}

// failure is an error of eksctl. Its text ends with eksctl's reason.
type failure struct {
	err   *command.Error
	lines []string
}

func (f *failure) Error() string {
	said := strings.Split(f.err.Last, "\n")
	said = slices.DeleteFunc(said, func(line string) bool { return slices.Contains(f.lines, strings.TrimSpace(line)) })
	text := fmt.Sprintf("run eksctl %s: %v", strings.Join(f.err.Args[1:], " "), f.err.Err)
	return strings.Join(slices.Concat([]string{text}, said, f.lines), "\n")
}

func (f *failure) Unwrap() error { return f.err }

// inOrder moves eksctl's reason to the end of its error's text, if it has given one.
func (f *failureLines) inOrder(err error) error {
	ended, ok := errors.AsType[*command.Error](err)
	if !ok || len(f.list) == 0 {
		return err
	}
	return &failure{ended, f.list}
}
