package main

import (
	"context"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/cmd/epi/podstarts"
	"github.com/podidentity/epi/framework"
)

// watchStarts watches how the pods of the run start. It returns a function that records that, with AWS's calls meanwhile.
// Neither is a verdict, so missing data are left out.
func (s *session) watchStarts(ctx context.Context, env *clusters.Environment) func(context.Context) {
	reached, err := framework.New(ctx, env, framework.Options{Run: s.id()})
	if err != nil {
		return func(context.Context) {}
	}
	first := uint64(0)
	if reached.Control != nil {
		if calls, err := reached.Control.Calls(ctx, 0); err == nil {
			first = calls.Last
		}
	}
	watch := podstarts.Begin(ctx, reached.Clientset, framework.LabelRun+"="+reached.Labels()[framework.LabelRun])
	return func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), logsTime)
		defer cancel()
		var calls []control.Call
		if reached.Control != nil {
			if journal, err := reached.Control.Calls(ctx, first); err == nil {
				calls = journal.Calls
			}
		}
		s.keep(s.recorder.Starts(watch.End(calls), podstarts.Calls(calls)))
	}
}
