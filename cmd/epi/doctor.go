package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/engine"
	"github.com/podidentity/epi/clusters/nodeimage"
	"github.com/podidentity/epi/clusters/programs"
	"github.com/podidentity/epi/cmd/epi/configfile"
	"github.com/podidentity/epi/reports"
)

func (a *app) doctorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "doctor",
		GroupID: "environment",
		Short:   "Show what this machine has and lacks, each with its remedy",
		Long: `Doctor checks what an environment on this machine needs: the container engine, the
kernel, the tools for building a node image, the network, epi's own programs, write
access to its folders, and epi.yaml. It changes nothing: it starts one trial container
and removes it. The exit code is 3 if something is missing that epi cannot provide
itself.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.checkOutput(); err != nil {
				return err
			}
			dirs, err := a.dirs()
			if err != nil {
				return err
			}
			options := engine.Options{Dirs: dirs}
			finder, err := programs.New(dirs.Cache)
			if err != nil {
				return err
			}
			if dir, ok := finder.There(); ok {
				options.RuntimeWrapper = wrapper(dir)
			}
			checks := slices.Concat([]engine.Check{programsCheck(finder)}, a.configurationCheck(), foldersChecks(dirs), engine.Checks(cmd.Context(), options), nodeimage.Checks(cmd.Context(), dirs))
			if err := a.printChecks(checks); err != nil {
				return err
			}
			var missing []string
			for _, check := range checks {
				if !check.OK {
					missing = append(missing, check.Name)
				}
			}
			if len(missing) > 0 {
				return &codedError{code: exitEnvironment, err: errors.New("missing: " + strings.Join(missing, ", "))}
			}
			return nil
		},
	}
	a.outputFlag(cmd)
	return cmd
}

// programsCheck says where the programs for epi's images are or come from, because epi may have been copied alone.
func programsCheck(finder *programs.Finder) engine.Check {
	state, err := finder.Look()
	if err != nil {
		return engine.Check{Name: "epi's programs", State: reports.FirstLine(err.Error()), Remedy: programs.Remedy}
	}
	return engine.Check{Name: "epi's programs", OK: true, State: state}
}

// foldersChecks say whether epi may write to its folders. It may not if the home folder is read-only.
func foldersChecks(dirs clusters.Dirs) []engine.Check {
	var checks []engine.Check
	for _, folder := range []struct{ name, flag, dir string }{{"state folder", "state-dir", dirs.State}, {"cache folder", "cache-dir", dirs.Cache}} {
		check := engine.Check{Name: folder.name, OK: true, State: folder.dir}
		there := folder.dir
		for !fileExists(there) && there != filepath.Dir(there) {
			there = filepath.Dir(there)
		}
		if err := unix.Access(there, unix.W_OK|unix.X_OK); err != nil {
			check.OK, check.State = false, fmt.Sprintf("%s: cannot be written: %s: %v", folder.dir, there, err)
			check.Remedy = fmt.Sprintf("give another one: --%s DIR, or %s", folder.flag, variableOf(folder.flag))
		}
		checks = append(checks, check)
	}
	return checks
}

// configurationCheck reports the problems of epi.yaml; nothing if there is no file.
func (a *app) configurationCheck() []engine.Check {
	file, err := configfile.Read(a.configName())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	check := engine.Check{Name: "configuration", OK: true, State: a.configName(), Remedy: "see: epi help configuration"}
	if err != nil {
		check.OK, check.State = false, reports.FirstLine(a.unreadable(&cobra.Command{}, err).Error())
		return []engine.Check{check}
	}
	if problems := judge(&cobra.Command{}, file); len(problems) > 0 {
		first := problems[0]
		check.OK, check.State = false, fmt.Sprintf("%s:%d:%d: %s", a.configName(), first.line, first.column, first.text)
	}
	return []engine.Check{check}
}

func (a *app) printChecks(checks []engine.Check) error {
	if a.output == "json" {
		type check struct {
			Name   string `json:"name"`
			OK     bool   `json:"ok"`
			State  string `json:"state"`
			Remedy string `json:"remedy,omitempty"`
		}
		list := make([]check, 0, len(checks))
		for _, c := range checks {
			list = append(list, check(c))
		}
		encoder := json.NewEncoder(a.out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(list)
	}
	table := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, check := range checks {
		_, _ = fmt.Fprintf(table, " %s %s\t%s\n", markOf(check.OK), check.Name, reports.FirstLine(check.State))
		if !check.OK && check.Remedy != "" {
			_, _ = fmt.Fprintf(table, "\tremedy: %s\n", check.Remedy)
		}
	}
	return table.Flush()
}
