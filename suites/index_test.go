package suites

import (
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/podidentity/epi/framework/requirement"
)

var update = flag.Bool("update", false, "write README.md")

var (
	coversCall    = regexp.MustCompile(`Covers\(([^)]*)\)`)
	requirementID = regexp.MustCompile(`"([A-Z0-9]+-[0-9]+)"`)
)

// TestReadmeNamesTheFilesOfEachRequirement: go test ./suites -run Readme -update writes it.
func TestReadmeNamesTheFilesOfEachRequirement(t *testing.T) {
	files := map[string][]string{}
	err := fs.WalkDir(os.DirFS("."), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, call := range coversCall.FindAllSubmatch(source, -1) {
			for _, found := range requirementID.FindAllSubmatch(call[1], -1) {
				if name := string(found[1]); !slices.Contains(files[name], path) {
					files[name] = append(files[name], path)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}

	var table strings.Builder
	table.WriteString("# Where the spec of a requirement is\n\n" +
		"A test writes this table: `go test ./suites -run Readme -update`. " +
		"The statements are in [the catalogue](../framework/requirement/CATALOGUE.md).\n\n| requirement | file of its specs |\n|---|---|\n")
	for _, r := range requirement.All() {
		if len(files[r.ID]) == 0 {
			t.Errorf("%s: no spec names it in Covers", r.ID)
			continue
		}
		links := make([]string, 0, len(files[r.ID]))
		for _, file := range slices.Sorted(slices.Values(files[r.ID])) {
			links = append(links, fmt.Sprintf("[%s](%s)", file, file))
		}
		fmt.Fprintf(&table, "| %s | %s |\n", r.ID, strings.Join(links, ", "))
		delete(files, r.ID)
	}
	for _, unknown := range slices.Sorted(maps.Keys(files)) {
		t.Errorf("%v cover %s, which is not in the catalogue", files[unknown], unknown)
	}

	if *update {
		if err := os.WriteFile("README.md", []byte(table.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if have, err := os.ReadFile("README.md"); err != nil || string(have) != table.String() {
		t.Errorf("README.md is out of date (%v): go test ./suites -run Readme -update", err)
	}
}
