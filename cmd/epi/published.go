package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/podidentity/epi/reports"
	"github.com/podidentity/epi/reports/published"
)

func (a *app) badgeCommand() *cobra.Command {
	var endpoint bool
	cmd := &cobra.Command{
		Use:     "badge RUN",
		GroupID: "main",
		Short:   "Print a run's badge, such as Pod Identity conformance: 118/118",
		Long: `Badge prints the number of decided requirements of a run, and how many of them hold. The
form is SVG, or with --endpoint JSON for shields.io's endpoint badge.`,
		Example: `  epi badge _artifacts/latest > badge.svg
  epi badge _artifacts/latest --endpoint > badge.json`,
		Args:              exactly("a run"),
		ValidArgsFunction: completeRuns(1),
		RunE: func(_ *cobra.Command, args []string) error {
			run, err := openRun(args[0])
			if err != nil {
				return err
			}
			badge := reports.NewFindings(run).Badge()
			if endpoint {
				return badge.WriteEndpoint(a.out)
			}
			return badge.WriteSVG(a.out)
		},
	}
	cmd.Flags().BoolVar(&endpoint, "endpoint", false, "print JSON for shields.io's endpoint badge")
	return cmd
}

func (a *app) verifyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "verify DIR",
		GroupID: "main",
		Short:   "Check published conformance reports against the results they were made of",
		Long: `Verify finds the reports below DIR, SUBJECT/VERSION/conformance.yaml. It makes each of
them again from the results.json beside it. A report holds if it is equal to the new one,
and if its folders name its subject and version. The run must have ended by itself, without
damage (--break) and with all requirements.

The exit code is 0 if all hold, 1 if one does not.`,
		Example: `  epi verify reports/published/conformance`,
		Args:    exactly("the folder of published reports"),
		RunE: func(_ *cobra.Command, args []string) error {
			checked, err := published.Verify(args[0])
			if err != nil {
				return usageError("%w", err)
			}
			bad := 0
			for _, c := range checked {
				if len(c.Problems) > 0 {
					bad++
				}
				if _, err := fmt.Fprintf(a.out, " %s %s: %s\n", markOf(len(c.Problems) == 0), a.relative(filepath.Join(args[0], c.Dir)), c.Summary); err != nil {
					return err
				}
				for _, problem := range c.Problems {
					if _, err := fmt.Fprintf(a.out, "   %s\n", problem); err != nil {
						return err
					}
				}
			}
			if bad > 0 {
				return &codedError{code: exitFailed, err: errors.New("a report does not say what its results say"), reported: true}
			}
			return nil
		},
	}
	return cmd
}
