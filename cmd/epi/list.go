package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/mattn/go-runewidth"
	"golang.org/x/term"

	"github.com/podidentity/epi/cmd/epi/screen"
	"github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/suites"
)

// The lists of epi test.
const (
	listRequirements = "requirements"
	listSpecs        = "specs"
)

// checkList refuses lists that do not exist.
func (a *app) checkList(list string) error {
	if list != "" && list != listRequirements && list != listSpecs {
		return usageError("flag --list: %q is not %s or %s", list, listRequirements, listSpecs)
	}
	return a.checkOutput()
}

// list prints the selected requirements or specs.
func (a *app) list(ctx context.Context, list string, options suites.Options) error {
	specs, err := suites.List(ctx, options)
	if err != nil {
		return err
	}
	if list == listSpecs {
		return a.listSpecs(specs)
	}
	requirements, err := options.Requirements(specs)
	if err != nil {
		return err
	}
	return a.listRequirements(requirements, specs)
}

// listedSpec is a spec, for programs.
type listedSpec struct {
	Name         string   `json:"name"`
	Suite        string   `json:"suite"`
	Requirements []string `json:"requirements"`
	Needs        []string `json:"needs,omitempty"`
	// Slow is its duration, if it runs only with --slow.
	Slow     string `json:"slow,omitempty"`
	Serial   bool   `json:"serial,omitempty"`
	Location string `json:"location"`
}

// listedRequirement is an entry of the catalogue, with the names of the specs that decide it.
type listedRequirement struct {
	requirement.Requirement
	Specs []string `json:"specs"`
}

func (a *app) listSpecs(specs []suites.Spec) error {
	listed := make([]listedSpec, 0, len(specs))
	for _, spec := range specs {
		row := listedSpec{Name: spec.Key, Suite: spec.Suite, Requirements: spec.Requirements, Serial: spec.Serial, Location: spec.Location}
		for _, capability := range spec.Needs {
			row.Needs = append(row.Needs, string(capability))
		}
		if takes, slow := requirement.HowSlow(spec.Labels); slow {
			row.Slow = takes.String()
		}
		listed = append(listed, row)
	}
	if a.output == "json" {
		return a.printJSON(listed)
	}
	table := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "REQUIREMENTS\tSUITE\tSPEC")
	for _, spec := range listed {
		name := spec.Name
		if spec.Slow != "" {
			name += " (takes about " + spec.Slow + ", with --slow)"
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\n", strings.Join(spec.Requirements, " "), spec.Suite, name)
	}
	return table.Flush()
}

func (a *app) listRequirements(requirements []requirement.Requirement, specs []suites.Spec) error {
	listed := make([]listedRequirement, 0, len(requirements))
	for _, r := range requirements {
		row := listedRequirement{Requirement: r}
		for _, spec := range specs {
			if slices.Contains(spec.Requirements, r.ID) {
				row.Specs = append(row.Specs, spec.Key)
			}
		}
		listed = append(listed, row)
	}
	if a.output == "json" {
		return a.printJSON(listed)
	}
	table := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "ID\tLEVEL\tPROFILE\tSPECS\tREQUIREMENT")
	width := a.width()
	for _, row := range listed {
		statement := row.Statement
		// The columns before it are narrower than this.
		if room := width - 40; width > 0 && room > 20 {
			statement = runewidth.Truncate(statement, room, "…")
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\n", row.ID, row.Level, row.Profile, len(row.Specs), statement)
	}
	return table.Flush()
}

func (a *app) printJSON(value any) error {
	encoder := json.NewEncoder(a.out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// markOf is the mark before a healthy or an unhealthy part.
func markOf(well bool) string {
	if well {
		return "✓"
	}
	return "✗"
}

// width is the width of the terminal in cells; 0 if the output is no terminal.
func (a *app) width() int {
	file := fileOf(a.out)
	if file == nil || !screen.IsTerminal(file) {
		return 0
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil {
		return 0
	}
	return width
}
