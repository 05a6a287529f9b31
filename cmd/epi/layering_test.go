package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/podidentity/epi/"

// mayImport is the table of allowed imports: they go one way, from cmd to reports. The longest matching prefix of a package
// counts. "x/..." is x and all packages below it.
var mayImport = map[string][]string{
	"cmd/epi":                              {"cmd/epi/...", "suites/...", "bench/...", "framework/...", "clusters/...", "manifests", "reports/..."},
	"cmd/epi/configfile":                   {},
	"cmd/epi/nearest":                      {},
	"cmd/epi/estimate":                     {},
	"cmd/epi/podstarts":                    {"clusters/emulator/control", "reports"},
	"cmd/epi/screen":                       {},
	"cmd/epi/timeline":                     {},
	"cmd/epi-agent":                        {"clusters/agent/..."},
	"cmd/epi-webhook":                      {"clusters/webhook/..."},
	"cmd/epi-emulator":                     {"clusters/emulator/..."},
	"cmd/epi-e2e-eks":                      {"clusters", "clusters/emulator/control"},
	"cmd/epi-kills":                        {},
	"cmd/epi-mutate":                       {"cmd/epi-mutate/mutation/...", "suites", "clusters", "clusters/kind", "reports"},
	"cmd/epi-mutate/mutation":              {"cmd/epi-mutate/mutation/...", "framework/requirement", "clusters", "reports"},
	"cmd/epi-probe":                        {"framework/probe", "bench/load", "bench/meter"},
	"cmd/epi-runc":                         {"clusters/engine/ociruntime"},
	"suites":                               {"suites/...", "framework/...", "clusters", "clusters/clients", "clusters/emulator/control", "reports"},
	"bench":                                {"bench/...", "framework/...", "clusters", "clusters/emulator/control", "reports"},
	"bench/load":                           {},
	"bench/measure":                        {"bench/generator", "bench/load", "bench/meter", "bench/stats", "framework/...", "clusters", "clusters/emulator/control", "reports"},
	"bench/stats":                          {"reports"},
	"framework":                            {"framework/...", "clusters", "clusters/kubeconfig", "clusters/emulator/control", "clusters/journal", "clusters/ownership", "clusters/retries", "manifests"},
	"framework/probe":                      {},
	"framework/runner":                     {"framework/requirement", "clusters", "reports"},
	"framework/requirement":                {"clusters"},
	"clusters":                             {"clusters/internal/lockfile", "clusters/internal/ownfolder"},
	"clusters/kind":                        {"clusters", "clusters/engine", "clusters/nodeimage", "clusters/addons", "clusters/images", "clusters/clients", "clusters/clientimage", "clusters/internal/...", "clusters/emulator/control", "clusters/kubeconfig", "clusters/watch"},
	"clusters/watch":                       {"clusters", "clusters/kubeconfig", "clusters/room"},
	"clusters/kubeconfig":                  {},
	"clusters/room":                        {},
	"clusters/region":                      {"clusters/emulator/control"},
	"clusters/recognition":                 {"clusters"},
	"clusters/existing":                    {"clusters", "clusters/kubeconfig", "clusters/sweep", "clusters/journal", "clusters/ownership"},
	"clusters/eks":                         {"clusters", "clusters/addons", "clusters/eksctl", "clusters/existing", "clusters/images", "clusters/internal/...", "clusters/journal", "clusters/kubeconfig", "clusters/ownership", "clusters/sweep"},
	"clusters/journal":                     {},
	"clusters/ownership":                   {"clusters", "clusters/journal"},
	"clusters/retries":                     {},
	"clusters/sweep":                       {"clusters", "clusters/journal", "clusters/ownership", "clusters/retries"},
	"clusters/detached":                    {},
	"clusters/engine":                      {"clusters", "clusters/detached", "clusters/engine/...", "clusters/internal/..."},
	"clusters/nodeimage":                   {"clusters", "clusters/engine", "clusters/nodeimage/...", "clusters/internal/..."},
	"clusters/addons":                      {"clusters", "manifests"},
	"clusters/health":                      {"clusters", "clusters/internal/command", "clusters/kubeconfig"},
	"clusters/images":                      {},
	"clusters/clients":                     {},
	"clusters/clientimage":                 {"clusters", "clusters/clients", "clusters/images", "clusters/internal/..."},
	"clusters/programs":                    {"clusters", "clusters/programs", "clusters/internal/..."},
	"clusters/programs/publish":            {"clusters/images", "clusters/kind", "clusters/programs"},
	"clusters/internal":                    {"clusters", "clusters/internal/..."},
	"clusters/internal/lockfile":           {},
	"clusters/internal/ownfolder":          {},
	"clusters/agent":                       {"clusters/agent/..."},
	"clusters/webhook":                     {"clusters/webhook/..."},
	"clusters/emulator":                    {"clusters/emulator/..."},
	"clusters/emulator/control":            {"clusters/emulator/faults", "clusters/emulator/journal"},
	"clusters/emulator/clienttest/install": {"clusters/emulator/clienttest", "clusters/internal/apt"},
	"clusters/eksctl":                      {"clusters/eksctl"},
	"manifests":                            {},
	"reports":                              {},
	"reports/internal/chromium":            {},
	"reports/history":                      {"reports", "reports/history/..."},
	"reports/published":                    {"reports"},
}

func TestImportsFollowTheTable(t *testing.T) {
	command := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", "./...")
	command.Dir = "../.."
	var stderr strings.Builder
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	decoder := json.NewDecoder(strings.NewReader(string(output)))
	packages := 0
	for {
		var listed struct {
			ImportPath string
			Imports    []string
		}
		if err := decoder.Decode(&listed); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		packages++
		for _, problem := range breaches(strings.TrimPrefix(listed.ImportPath, module), listed.Imports) {
			t.Error(problem)
		}
	}
	if packages < len(mayImport)/2 {
		t.Errorf("only %d packages were checked", packages)
	}
}

// breaches lists what pkg imports against the table.
func breaches(pkg string, imports []string) []string {
	room, known := roomOf(pkg)
	if !known {
		return []string{pkg + " has no place in the import table: say here what it may import"}
	}
	var problems []string
	for _, imported := range imports {
		own, ours := strings.CutPrefix(imported, module)
		if ours && !allowed(mayImport[room], own) {
			problems = append(problems, pkg+" must not import "+own)
		}
	}
	return problems
}

func roomOf(pkg string) (string, bool) {
	for room := pkg; ; {
		if _, ok := mayImport[room]; ok {
			return room, true
		}
		cut := strings.LastIndexByte(room, '/')
		if cut < 0 {
			return "", false
		}
		room = room[:cut]
	}
}

func allowed(list []string, imported string) bool {
	return slices.ContainsFunc(list, func(entry string) bool {
		tree, below := strings.CutSuffix(entry, "/...")
		return imported == tree || below && strings.HasPrefix(imported, tree+"/")
	})
}

func TestTableRefusesWhatTurnsBack(t *testing.T) {
	for _, row := range []struct{ pkg, imports string }{
		{"clusters/agent", "clusters"},             // a subject must not depend on what tests it
		{"reports", "suites"},                      // reports imports nothing else of epi
		{"bench/measure", "bench/scenario"},        // the code that executes scenarios must not depend on them
		{"framework", "clusters/emulator/sts"},     // suites must not depend on the emulator
		{"suites/injection", "clusters/kind"},      // suites must not depend on the provider
		{"clusters/emulator/control", "framework"}, // this is the wrong direction
		{"somewhere/new", "reports"},               // a new folder needs an entry in the table
	} {
		if got := breaches(row.pkg, []string{module + row.imports}); len(got) == 0 {
			t.Errorf("%s may import %s, it must not", row.pkg, row.imports)
		}
	}
	if got := breaches("suites/injection", []string{module + "framework/requirement", "fmt"}); len(got) != 0 {
		t.Errorf("a suite may import the framework: %q", got)
	}
}
