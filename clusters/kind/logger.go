package kind

import (
	"fmt"
	"strings"

	"sigs.k8s.io/kind/pkg/log"

	"github.com/podidentity/epi/clusters"
)

// taskLogger shows kind's messages as the detail of one task.
type taskLogger struct{ task clusters.Task }

var _ log.Logger = taskLogger{}

func (l taskLogger) Warn(string)           {}
func (l taskLogger) Warnf(string, ...any)  {}
func (l taskLogger) Error(string)          {}
func (l taskLogger) Errorf(string, ...any) {}

func (l taskLogger) V(level log.Level) log.InfoLogger {
	return taskInfoLogger{task: l.task, enabled: level == 0}
}

type taskInfoLogger struct {
	task    clusters.Task
	enabled bool
}

func (l taskInfoLogger) Enabled() bool { return l.enabled }

func (l taskInfoLogger) Info(message string) { l.Infof("%s", message) }

func (l taskInfoLogger) Infof(format string, args ...any) {
	if !l.enabled {
		return
	}
	// kind begins the line of a step with a bullet and ends it with a pictogram.
	text, isStep := strings.CutPrefix(strings.TrimSpace(fmt.Sprintf(format, args...)), "• ")
	if !isStep {
		return
	}
	text = strings.TrimRightFunc(text, func(r rune) bool { return r > '~' || r == ' ' || r == '.' })
	if text != "" {
		l.task.Detail("%s", text)
	}
}
