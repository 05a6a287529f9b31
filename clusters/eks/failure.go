package eks

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/podidentity/epi/clusters/internal/command"
)

// failureMark is at the beginning of each line in which eksctl says what went wrong.
const failureMark = "[✖]"

// failureLines are the lines of eksctl's output that tell of a failure. They are kept whole: the first is often far
// above the last lines, which tell how to clean up.
type failureLines struct{ list []string }

// mostFailures bounds them: eksctl tells each resource of a stack that failed.
const mostFailures = 20

func (f *failureLines) add(line string) {
	line = strings.TrimSpace(line)
	if strings.Contains(line, failureMark) && !slices.Contains(f.list, line) && len(f.list) < mostFailures {
		f.list = append(f.list, line)
	}
}

// failure is an error of eksctl's. Its text ends with what eksctl says went wrong.
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

// inOrder has what went wrong at the end of the text of eksctl's error, if eksctl has said it.
func (f *failureLines) inOrder(err error) error {
	ended, ok := errors.AsType[*command.Error](err)
	if !ok || len(f.list) == 0 {
		return err
	}
	return &failure{ended, f.list}
}
