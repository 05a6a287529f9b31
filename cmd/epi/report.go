package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/podidentity/epi/reports"
)

// openers open a file in the user's browser: freedesktop.org's, macOS's.
var openers = [...]string{"xdg-open", "open"}

func (a *app) reportCommand() *cobra.Command {
	var open bool
	cmd := &cobra.Command{
		Use:     "report DIR",
		GroupID: "main",
		Short:   "Write the reports of a run again from its raw results",
		Long: `Report reads results.json in the folder of a run, such as _artifacts/latest, and writes
the reports beside it: report.html, junit.xml, conformance.yaml (if there were specs),
bench.json and bench.txt (if there was a benchmark). The same results give the same
bytes. A run that was killed leaves only results.json, in the folder that is named after
its start: this command then writes its reports.

results.json and bench.json follow the JSON Schemas in reports/schema of epi's
repository. A file names its version, such as epi.results/v1.`,
		Example: `  epi report _artifacts/latest
  epi report _artifacts/20261123-141500 --open`,
		Args:              exactly("the folder of a run"),
		ValidArgsFunction: completeRuns(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := args[0]
			if info, err := os.Stat(dir); err == nil && !info.IsDir() {
				return usageError("%s is a file: report takes the folder of a run, such as _artifacts/latest", dir)
			}
			run, err := reports.ReadDir(dir)
			if errors.Is(err, fs.ErrNotExist) {
				return usageError("no %s in %s: a run's folder has one, such as _artifacts/latest", reports.ResultsFile, dir)
			}
			if err != nil {
				return usageError("%w", err)
			}
			findings := reports.NewFindings(run)
			if err := reports.WriteDir(dir, findings); err != nil {
				return a.cannotStart("write reports", err, storage{dir, "a copy of the folder elsewhere"})
			}
			if _, err := fmt.Fprintln(a.out, findings.Verdict.Sentence()); err != nil {
				return err
			}
			for _, name := range reports.Files(run) {
				if _, err := fmt.Fprintf(a.out, "  %s\n", a.relative(filepath.Join(dir, name))); err != nil {
					return err
				}
			}
			if !open {
				return nil
			}
			return show(cmd, filepath.Join(dir, reports.HTMLFile))
		},
	}
	cmd.Flags().BoolVar(&open, "open", false, "open report.html in the browser")
	return cmd
}

// show opens a file with the desktop's program.
func show(cmd *cobra.Command, path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	for _, name := range openers {
		program, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		if output, err := exec.CommandContext(cmd.Context(), program, path).CombinedOutput(); err != nil {
			return usageError("open %s: %s: %w\n%s", path, name, err, output)
		}
		return nil
	}
	return usageError("flag --open: this machine has no program that opens files (looked for %q); open it yourself: %s", openers, path)
}
