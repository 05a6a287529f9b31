package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/podidentity/epi/bench"
	"github.com/podidentity/epi/bench/measure"
	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/kind"
	"github.com/podidentity/epi/clusters/watch"
	"github.com/podidentity/epi/reports"
)

// referenceAgent is the word for epi's own agent.
const referenceAgent = "reference"

// checkArgs requires two agents with --ab and no arguments without it.
func (f *benchFlags) checkArgs(args []string) error {
	switch {
	case f.ab && len(args) != 2:
		return fmt.Errorf("flag --ab: wants two agents, A and B, not %d: each an image, an archive or %q, with its arguments in the same word", len(args), referenceAgent)
	case !f.ab && len(args) > 0:
		return fmt.Errorf("argument %q: bench takes scenarios with --scenario, and two agents with --ab", args[0])
	}
	return nil
}

// givenAgents reads A and B, such as "reference --max-cache-size=0".
func givenAgents(args []string) ([2]clusters.Given, error) {
	var agents [2]clusters.Given
	for i, word := range args {
		fields := strings.Fields(word)
		switch {
		case len(fields) == 0:
			return agents, usageError("flag --ab: agent %s is empty", variantNames[i])
		case strings.HasPrefix(fields[0], "-"):
			return agents, usageError("flag --ab: agent %s, %q, begins with an argument: name the image first, or %q", variantNames[i], word, referenceAgent)
		}
		agents[i].Args = fields[1:]
		if fields[0] != referenceAgent {
			agents[i].Image = fields[0]
		}
	}
	return agents, nil
}

// canSwap says whose agents can be replaced.
func canSwap(env *clusters.Environment) error {
	if env.Provider != kindProvider {
		return usageError("flag --ab: environment %q is a cluster of yours (provider %s), whose agent epi does not touch; use one of provider %s", env.Name, env.Provider, kindProvider)
	}
	return nil
}

var variantNames = [2]string{"A", "B"}

// runAB returns a function that measures the two agents alternately and records both.
func (a *app) runAB(given [2]clusters.Given) func(context.Context, *clusters.Environment, benchFlags, []measure.Scenario, *session, *steps) error {
	return func(ctx context.Context, env *clusters.Environment, flags benchFlags, scenarios []measure.Scenario, session *session, steps *steps) error {
		return a.inEnvironment(ctx, env, session, steps, func(watch *watch.Watch) error {
			swapped, variants, err := a.prepareAB(ctx, env, given, steps)
			if err != nil {
				return err
			}
			ab := bench.AB{
				Options: flags.options(env, session, scenarios, watch), Variants: variants,
				Swapper: swapped, Pairs: flags.size.Repeats, Time: flags.time, Within: float64(flags.within),
			}
			sink := &measured{session: session, say: steps.Print, bench: reports.Bench{Variants: variants[:]}}
			err = bench.RunAB(ctx, ab, steps, sink)
			if ctx.Err() == nil {
				flags.judge(sink.bench, session, reportEnvironment(env), steps.Print)
			}
			return err
		})
	}
}

// swap has the two agents and installs them. It implements bench.Swapper.
type swap struct {
	*kind.Swapper
	agents [2]*kind.Agent
}

// Put implements bench.Swapper.
func (s swap) Put(ctx context.Context, variant int, task clusters.Task) error {
	return s.Swapper.Put(ctx, s.agents[variant], task)
}

// prepareAB loads the images of both agents onto the nodes.
func (a *app) prepareAB(ctx context.Context, env *clusters.Environment, given [2]clusters.Given, steps *steps) (swap, [2]reports.Variant, error) {
	var prepared swap
	var variants [2]reports.Variant
	provider, _, err := a.kindProvider()
	if err != nil {
		return prepared, variants, err
	}
	binaries, err := a.binaries(ctx, steps)
	if err != nil {
		return prepared, variants, err
	}
	if prepared.Swapper, err = provider.Swapper(ctx, env, binaries); err != nil {
		return prepared, variants, err
	}
	for i := range given {
		task := steps.Start("Agent " + variantNames[i])
		prepared.agents[i], err = prepared.Prepare(ctx, given[i], task)
		task.End(err)
		if err != nil {
			return prepared, variants, err
		}
		subject := prepared.agents[i].Subject
		variants[i] = reports.Variant{Name: variantNames[i], Image: subject.Image, Digest: subject.Digest, Args: given[i].Args}
	}
	return prepared, variants, nil
}
