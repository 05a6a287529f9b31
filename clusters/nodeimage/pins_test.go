package nodeimage

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"

	"github.com/podidentity/epi/clusters/internal/debian"
)

var refresh = flag.Bool("refresh", false, "bring the pinned modules in _node up to date with their sources (go mod tidy)")

// TestRefresh rewrites the files of _node after a change of what they require:
//
//	go test ./clusters/nodeimage -run TestRefresh -refresh
//
// For a new version of Kubernetes copy the .mod and .sum of another one first, change the versions
// in it (the staging modules k8s.io/X are replaced by v0.Y.Z), and add it to pins.
func TestRefresh(t *testing.T) {
	if !*refresh {
		t.Skip("changes files of the repository: only with -refresh")
	}
	for _, p := range pins {
		dir := t.TempDir()
		if err := writeModule(dir, p.version); err != nil {
			t.Fatal(err)
		}
		if err := goCommand(dir, "mod", "tidy").Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, ext := range []string{".mod", ".sum"} {
			content, err := os.ReadFile(filepath.Join(dir, "go"+ext))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join("_node", p.version+ext), content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func parseModule(t *testing.T, file string) *modfile.File {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := modfile.Parse(file, content, nil)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func required(module *modfile.File, name string) string {
	for _, require := range module.Require {
		if require.Mod.Path == name {
			return require.Mod.Version
		}
	}
	return ""
}

func TestPinsAreWhatTheySay(t *testing.T) {
	own := parseModule(t, "../../go.mod")
	if got := required(own, "sigs.k8s.io/kind"); got != kindVersion {
		t.Errorf("epi uses kind %s as a library, node images are of %s", got, kindVersion)
	}
	for _, p := range pins {
		t.Run(p.version, func(t *testing.T) {
			module := parseModule(t, "_node/"+p.version+".mod")
			sums, err := os.ReadFile("_node/" + p.version + ".sum")
			if err != nil {
				t.Fatal(err)
			}
			if got := required(module, "k8s.io/kubernetes"); got != p.version {
				t.Errorf("Kubernetes %s", got)
			}
			if got := required(module, "sigs.k8s.io/kind"); got != kindVersion {
				t.Errorf("kind's node files are of %s, want %s", got, kindVersion)
			}
			staging := "v0" + strings.TrimPrefix(p.version, "v1")
			for _, replace := range module.Replace {
				if replace.New.Path != replace.Old.Path || replace.New.Version != staging {
					t.Errorf("%s is replaced by %s %s, want %s", replace.Old.Path, replace.New.Path, replace.New.Version, staging)
				}
				used := required(module, replace.Old.Path) != ""
				if used && !strings.Contains(string(sums), replace.New.Path+" "+staging+"/go.mod h1:") {
					t.Errorf("no checksum of %s %s", replace.New.Path, staging)
				}
			}
			if len(module.Replace) == 0 {
				t.Error("the staging modules of Kubernetes are not replaced")
			}
			if p.published != "" && (!strings.HasPrefix(p.published, "kindest/node:"+p.publishedVersion+"@sha256:") || minor(p.publishedVersion) != minor(p.version)) {
				t.Errorf("published image %s of %s", p.published, p.publishedVersion)
			}
		})
	}
}

func minor(version string) string { return version[:strings.LastIndex(version, ".")] }

func TestPinOf(t *testing.T) {
	if p, err := pinOf(""); err != nil || p.version != Versions()[0] || p.published == "" {
		t.Errorf("default: %+v, %v", p, err)
	}
	for _, version := range Versions() {
		p, err := pinOf(version)
		if err != nil || p.version != version {
			t.Errorf("%s: %+v, %v", version, p, err)
		}
		// A version that is named gets no other one from the registry.
		if p.published != "" && p.publishedVersion != version {
			t.Errorf("%s may be answered with %s", version, p.publishedVersion)
		}
	}
	for _, unknown := range []string{"v1.2.3", "1.36.3", "latest"} {
		if _, err := pinOf(unknown); err == nil || !strings.Contains(err.Error(), Versions()[0]) {
			t.Errorf("%s: error %v does not name what there is", unknown, err)
		}
	}
}

func TestWriteModuleIsAModule(t *testing.T) {
	for _, version := range Versions() {
		dir := t.TempDir()
		if err := writeModule(dir, version); err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{"go.mod", "go.sum", "kubernetes/main.go", "pause/main.go"} {
			if !exists(filepath.Join(dir, file)) {
				t.Errorf("%s: no %s", version, file)
			}
		}
		if others, err := filepath.Glob(filepath.Join(dir, "v*")); err != nil || len(others) != 0 {
			t.Errorf("%s: also %v", version, others)
		}
		if output, err := exec.Command("gofmt", "-l", dir).CombinedOutput(); err != nil || len(output) != 0 {
			t.Errorf("%s: not formatted: %s %v", version, output, err)
		}
	}
}

func TestKeysReportEveryIngredient(t *testing.T) {
	base := build{pin: pins[0], compiler: "go1.26.0", suite: debian.Suite{Name: "bookworm", Sources: []string{"deb a"}}}
	file := filepath.Join(t.TempDir(), "epi-runc")
	write := func(content string) {
		if err := os.WriteFile(file, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write("wrapper")
	base.wrapper = file
	keys := func(change func(*build)) [2]string {
		b := base
		change(&b)
		if err := b.hash(t.Context()); err != nil {
			t.Fatal(err)
		}
		return [2]string{b.binKey, b.imageKey}
	}
	same := keys(func(*build) {})
	if again := keys(func(*build) {}); again != same {
		t.Errorf("keys are not stable: %v and %v", same, again)
	}
	if other := keys(func(b *build) { b.compiler = "go1.26.1" }); other[0] == same[0] || other[1] == same[1] {
		t.Errorf("another compiler: %v and %v", same, other)
	}
	if other := keys(func(b *build) { b.suite.Sources = []string{"deb b"} }); other[0] != same[0] || other[1] == same[1] {
		t.Errorf("another source of packages: %v and %v; want programs kept, image not", same, other)
	}
	if other := keys(func(b *build) { b.suite.Options = []string{"proxy"} }); other != same {
		t.Errorf("another proxy: %v and %v; want the same", same, other)
	}
	write("wrapper 2")
	if other := keys(func(*build) {}); other[0] != same[0] || other[1] == same[1] {
		t.Errorf("another runtime wrapper: %v and %v; want programs kept, image not", same, other)
	}
}
