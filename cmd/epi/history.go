package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/podidentity/epi/reports"
	"github.com/podidentity/epi/reports/history"
	"github.com/podidentity/epi/reports/history/page"
)

func (a *app) historyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "history",
		GroupID: "main",
		Short:   "Keep many runs, and write pages about what changed between them",
		Long: `History keeps the results of many runs in a store and writes static pages about them.
The pages show each requirement by run, with the first run that broke it and what that
run changed; the requirements that pass and fail without a change of what is tested; the
runs at which a measure changed; and the report of each run.

A store is a folder with one file for each run, named after its contents. Files are only
added, so git, a copy or a bucket's own tools merge stores without conflicts.`,
		Example: `  epi history add _artifacts/latest --store history
  epi history page --store history --out public`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.historyAddCommand(), a.historyPageCommand())
	return cmd
}

func (a *app) historyAddCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "add RUN...",
		Short: "Add runs to a store",
		Long: `Add puts runs into a store, which it makes of a folder that is new or empty. A RUN is
its folder, or its results.json or bench.json. A run that is there already is named, and
nothing is changed: the store only grows.`,
		Example: `  epi history add _artifacts/2026* --store history
  epi history add _artifacts/latest --store history && git -C history add . && git -C history commit -m 'Add a run'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 || slices.ContainsFunc(args, func(arg string) bool { return strings.TrimSpace(arg) == "" }) {
				return errors.New("history add takes the folder of a run, or several, and none may be empty")
			}
			return nil
		},
		ValidArgsFunction: completeRuns(1000),
		RunE: func(_ *cobra.Command, args []string) error {
			if dir == "" {
				return usageError("flag --store: name the folder of the store, such as --store history")
			}
			// Wrong arguments are reported before anything is added.
			runs := make([]reports.Run, 0, len(args))
			for _, path := range args {
				run, err := openRun(path)
				if err != nil {
					return err
				}
				runs = append(runs, run)
			}
			store, err := history.Create(dir)
			if errors.Is(err, history.ErrNoStore) {
				return usageError("flag --store: %w; name one, or a new folder", err)
			}
			if err != nil {
				return usageError("flag --store: %w", err)
			}
			for i, run := range runs {
				record, added, err := store.Add(run)
				if err != nil {
					return usageError("%w", err)
				}
				what := "added"
				if !added {
					what = "was there already"
				}
				if _, err := fmt.Fprintf(a.out, "%s %s: %s\n", args[i], what, a.relative(filepath.Join(dir, filepath.FromSlash(record.File)))); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "store", "", "folder of the store")
	return cmd
}

func (a *app) historyPageCommand() *cobra.Command {
	var dir, out string
	options := page.Options{Reports: 100}
	cmd := &cobra.Command{
		Use:   "page",
		Short: "Write static pages about the runs of a store",
		Long: `Page writes index.html and the pages that it links to into a folder, for a browser or any
web server of static files. The pages load nothing from other hosts. It also writes
badge.svg, and badge.json for shields.io's endpoint.

It keeps the reports of single runs that are in the folder. It adds those of the
--reports newest runs, and of each run at which something changed. Write to the same
folder each time, and it comes to hold them all.`,
		Example: `  epi history page --store history --out public
  epi history page --store history --out public --reports 1000`,
		RunE: func(_ *cobra.Command, _ []string) error {
			switch {
			case dir == "":
				return usageError("flag --store: name the folder of the store, such as --store history")
			case out == "":
				return usageError("flag --out: name the folder for the pages, such as --out public")
			case options.Reports < 0:
				return usageError("flag --reports: %d is negative", options.Reports)
			}
			if info, err := os.Stat(out); err == nil && !info.IsDir() {
				return usageError("flag --out: %s is a file", out)
			}
			store, err := history.Open(dir)
			if err != nil {
				return usageError("flag --store: %w", err)
			}
			written, err := page.Write(out, store, options)
			if err != nil {
				return usageError("%w", err)
			}
			for _, damage := range written.Damages {
				_, _ = fmt.Fprintf(a.err, "Warning: left out, since it cannot be read: %s\n", damage)
			}
			_, err = fmt.Fprintf(a.out, "%s of %d runs, %d new reports\n", a.relative(filepath.Join(out, "index.html")), written.Runs, written.Reports)
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&dir, "store", "", "folder of the store")
	flags.StringVar(&out, "out", "", "folder for the pages")
	flags.IntVar(&options.Reports, "reports", options.Reports, "of how many of the newest runs to write the report, if it is not there")
	flags.BoolVar(&options.Rewrite, "rewrite", false, "write also the reports that are there")
	return cmd
}
