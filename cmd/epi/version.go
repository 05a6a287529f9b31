package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/podidentity/epi/reports"
)

// version and revision are set by the linker; see the Makefile.
var (
	version  = ""
	revision = ""
)

// build describes the source of this program.
func build() reports.Epi {
	epi := reports.Epi{Version: version, Revision: revision, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok && epi.Version == "" {
		// `go install module@version` sets no variables, but records the module's version.
		epi.Version = info.Main.Version
	}
	if epi.Version == "" {
		epi.Version = "(devel)"
	}
	return epi
}

func (a *app) versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		RunE: func(*cobra.Command, []string) error {
			if err := a.checkOutput(); err != nil {
				return err
			}
			epi := build()
			if a.output == "json" {
				return json.NewEncoder(a.out).Encode(epi)
			}
			_, err := io.WriteString(a.out, versionLine(epi))
			return err
		},
	}
	a.outputFlag(cmd)
	return cmd
}

// versionLine is the version for people.
func versionLine(epi reports.Epi) string {
	revision := ""
	if epi.Revision != "" {
		revision = " (" + epi.Revision + ")"
	}
	return fmt.Sprintf("epi %s%s %s %s\n", epi.Version, revision, epi.Go, epi.Platform)
}
