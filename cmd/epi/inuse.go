package main

import (
	"errors"
	"fmt"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/kind"
)

// use loads a running environment and locks it for this command until release is called.
func use(dirs clusters.Dirs, name, verb string) (env *clusters.Environment, release func(), err error) {
	// An environment that does not exist is not locked.
	if _, err = loadCluster(dirs, name, verb); err != nil {
		return nil, nil, err
	}
	if release, err = clusters.Lock(dirs, name, clusters.Use{Verb: verb}); err != nil {
		return nil, nil, err
	}
	// It may have been removed or created again before it was locked.
	if env, err = loadCluster(dirs, name, verb); err != nil {
		release()
		return nil, nil, err
	}
	return env, release, nil
}

// loadCluster loads an environment with a cluster. For a region its error says that a region has no cluster of its own.
func loadCluster(dirs clusters.Dirs, name, verb string) (*clusters.Environment, error) {
	env, err := loadEnvironment(dirs, name)
	if err != nil || env.Provider != kind.RegionName {
		return env, err
	}
	remedy := fmt.Sprintf("epi cloud status --name %[1]s lists its clusters; epi up --name NAME makes an environment; in a shell of the region (eval \"$(epi cloud env --name %[1]s)\"), epi up --provider eks makes one in it", env.Name)
	if verb == "load" {
		remedy = fmt.Sprintf("epi cloud load --name %s puts an image on the nodes of its clusters", env.Name)
	}
	return nil, &clusters.EnvironmentError{
		Doing: fmt.Sprintf("epi %s --name %s", verb, env.Name), Err: fmt.Errorf("%q is an AWS region on this machine (epi cloud), and no environment with a cluster of its own", env.Name),
		Remedy: remedy,
	}
}

// make locks an environment that the command is about to create.
func (a *app) make(name, verb string) (release func(), err error) {
	dirs, err := a.dirs()
	if err != nil {
		return nil, err
	}
	if err := a.checkRoom(statePlace(dirs), cachePlace(dirs)); err != nil {
		return nil, err
	}
	return clusters.Lock(dirs, name, clusters.Use{Verb: verb, Makes: true})
}

// useToRemove locks what down removes: an environment, or all of them. With force it ignores a process that only uses an
// environment, such as a hanging test. It never disturbs a process that creates or removes an environment, because the two
// would undo each other's work.
func useToRemove(dirs clusters.Dirs, name string, all, force bool) (release func(), err error) {
	verb, again := "down", "epi down --force --name "+name
	if all {
		verb, again = "down --all", "epi down --force --all"
	}
	release, err = clusters.Lock(dirs, name, clusters.Use{Verb: verb, Removes: true, All: all})
	inUse, busy := errors.AsType[*clusters.InUseError](err)
	if !busy {
		return release, err
	}
	for _, holder := range inUse.Holders {
		if holder.Changes {
			return nil, err
		}
	}
	if force && len(inUse.Holders) > 0 {
		return func() {}, nil
	}
	return nil, &clusters.EnvironmentError{
		Doing: "epi " + verb, Err: inUse,
		Remedy: fmt.Sprintf("%s, or take it away all the same with: %s", clusters.Remedy(err), again),
	}
}
