package engine

import (
	"context"
	"fmt"
	"strings"

	"github.com/podidentity/epi/clusters/internal/command"
)

// Check is the check of one condition for environments on this machine.
type Check struct {
	// Name such as "container engine".
	Name string
	// OK says that the condition is good enough, with the limits that State names.
	OK bool
	// State is what was found.
	State string
	// Remedy says what to do if it is not OK.
	Remedy string
}

// Checks checks everything that a container engine with nodes needs of this machine. It changes nothing, except that it
// starts and removes a trial container. Without options.RuntimeWrapper there is no trial.
func Checks(ctx context.Context, options Options) []Check {
	checks := engineChecks(ctx, options)
	return append(checks, machineChecks(ctx, options.Dirs.State)...)
}

func engineChecks(ctx context.Context, options Options) []Check {
	own := newPrivate(options)
	possible := own.possible()
	if own.exists() {
		found := own.engine()
		check := Check{Name: "container engine", OK: true, State: "epi's own, stopped: it is started when needed"}
		if own.pid() == 0 {
			return []Check{check}
		}
		if err := found.ping(ctx); err != nil {
			check.State = "epi's own does not answer: it is started again when needed"
			return []Check{check}
		}
		check.State = found.String()
		return []Check{check, trialCheck(ctx, found, options, false)}
	}
	found, why := findUsers(ctx)
	if found != nil {
		check := Check{Name: "container engine", OK: true, State: found.String()}
		return []Check{check, trialCheck(ctx, found, options, possible == nil)}
	}
	check := Check{Name: "container engine", State: command.FirstLine(why.Error()), Remedy: remedy()}
	if possible == nil {
		check.OK, check.State = true, "none: epi starts its own ("+command.FirstLine(why.Error())+")"
		if missing := missingPrograms(); len(missing) > 0 {
			check.State = fmt.Sprintf("none: epi installs docker.io, since %s is missing, and starts its own", strings.Join(missing, ", "))
		}
	}
	return []Check{check}
}

// trialCheck starts a privileged container. If epi can start an engine of its own, a failure is no obstacle.
func trialCheck(ctx context.Context, found *Engine, options Options, canStartOwn bool) Check {
	check := Check{Name: "privileged containers", OK: true, State: found.Name + " starts them"}
	if options.RuntimeWrapper == "" {
		check.State = "not tried"
		return check
	}
	if err := found.probe(ctx, options.RuntimeWrapper); err != nil {
		check.State = fmt.Sprintf("%s does not start them: %s", found.Name, command.LastLine(err))
		if canStartOwn {
			check.State += "; epi starts its own engine"
			return check
		}
		check.OK, check.Remedy = false, remedy()
	}
	return check
}
