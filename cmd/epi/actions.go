package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/podidentity/epi/reports"
)

// inActions says whether this runs in a step of GitHub Actions, or of a compatible program
// (https://docs.github.com/en/actions/reference/workflows-and-actions/variables).
func (a *app) inActions() bool {
	value, _ := a.lookupEnv("GITHUB_ACTIONS")
	return value == "true"
}

// grouped writes the results of a run in a group of the step's log. No line of the group is a workflow command, for any
// content of a pod's log.
func grouped(w io.Writer, title string, write func() error) error {
	token := rand.Text()
	if _, err := fmt.Fprintf(w, "::group::%s\n::stop-commands::%s\n", title, token); err != nil {
		return err
	}
	err := write()
	_, ended := fmt.Fprintf(w, "::%s::\n::endgroup::\n", token)
	return errors.Join(err, ended)
}

// annotateActions writes annotations to the step's log, and the summary to the step's file for it. Annotations go to
// standard error, where commands count too, because standard output may be a document for programs.
func (a *app) annotateActions(findings *reports.Findings) error {
	err := reports.WriteAnnotations(a.err, findings)
	path, _ := a.lookupEnv("GITHUB_STEP_SUMMARY")
	if path == "" {
		return err
	}
	file, openErr := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if openErr != nil {
		return errors.Join(err, fmt.Errorf("write job summary: %w", openErr))
	}
	return errors.Join(err, reports.WriteJobSummary(file, findings), file.Close())
}
