package main

import (
	"context"
	"fmt"
	"io"

	"k8s.io/klog/v2"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/kind"
	"github.com/podidentity/epi/clusters/watch"
	"github.com/podidentity/epi/reports"
)

// startWatch begins to watch an environment in which something is tested. It returns a function that ends the watch and
// records the absences.
func (a *app) startWatch(ctx context.Context, env *clusters.Environment, session *session, steps *steps) (*watch.Watch, func(), error) {
	// The Kubernetes client logs errors that it also returns, in the middle of the progress.
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
	dirs, err := a.dirs()
	if err != nil {
		return nil, nil, err
	}
	folder := func(p storage) watch.Folder { return watch.Folder{Path: p.dir, Remedy: p.remedy("full")} }
	var folders []watch.Folder // the session checks its own
	var inspect watch.Inspect
	if env.Provider == kindProvider {
		folders = append(folders, folder(statePlace(dirs)))
		if inspect, err = kind.New(dirs).Inspect(ctx, env); err != nil {
			return nil, nil, err
		}
	}
	parts, err := watch.Parts(ctx, env, inspect, folders...)
	if err != nil {
		return nil, nil, &clusters.EnvironmentError{
			Doing: fmt.Sprintf("reach environment %q", env.Name), Err: err,
			Remedy: fmt.Sprintf("bring it up again with: epi down --name %[1]s && epi up --name %[1]s", env.Name),
		}
	}
	w := watch.Start(ctx, watch.Options{Environment: env.Name, Parts: parts, Changed: func(absence watch.Absence) {
		steps.Print("   ! " + absence.String())
	}})
	return w, func() {
		w.Close()
		var absences []reports.Absence
		for _, absence := range w.Absences() {
			absences = append(absences, reports.Absence{Part: absence.Part, Reason: absence.Why, From: absence.From, To: absence.To})
		}
		if len(absences) > 0 {
			session.keep(session.recorder.Absences(absences))
		}
	}, nil
}
