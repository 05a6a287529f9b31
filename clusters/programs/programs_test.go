package programs

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/podidentity/epi/clusters"
)

// steps records the announced steps.
type steps struct{ started []string }

func (s *steps) Start(step string) clusters.Task {
	s.started = append(s.started, step)
	return task{}
}

type task struct{}

func (task) Detail(string, ...any) {}
func (task) End(error)             {}

// folder has a file for each of the programs, whose content is its name.
func folder(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func archive(t *testing.T) []byte {
	t.Helper()
	var packed bytes.Buffer
	if err := Pack(&packed, folder(t, Names()...)); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

func TestWhereProgramsComeFrom(t *testing.T) {
	module := Module{Path: "github.com/podidentity/epi", Version: "v1.2.3"}
	all, some := folder(t, Names()...), folder(t, "epi-agent", "epi-probe")
	for _, row := range []struct {
		name   string
		finder Finder
		look   string
	}{
		{"beside", Finder{Beside: all}, "in " + all},
		{"beside comes first", Finder{Beside: all, Packed: archive(t), Module: module}, "in " + all},
		{"some are not enough", Finder{Beside: some, Packed: archive(t)}, "packed into epi"},
		{"packed comes before a build", Finder{Beside: some, Packed: archive(t), Module: module}, "packed into epi"},
		{"a build is announced", Finder{Beside: some, Module: module}, "to be built from github.com/podidentity/epi@v1.2.3"},
	} {
		row.finder.Cache = t.TempDir()
		look, err := row.finder.Look()
		if err != nil || look != row.look {
			t.Errorf("%s: %q, %v; want %q", row.name, look, err, row.look)
		}
		if made, err := os.ReadDir(row.finder.Cache); err != nil || len(made) > 0 {
			t.Errorf("%s: a look made %v, %v", row.name, made, err)
		}
	}
	finder := Finder{Beside: some, Cache: t.TempDir()}
	for _, ask := range []func() (string, error){finder.Look, func() (string, error) { return finder.Find(t.Context(), &steps{}) }} {
		_, err := ask()
		var environment *clusters.EnvironmentError
		if !errors.As(err, &environment) || !strings.Contains(err.Error(), "epi-emulator, epi-runc, epi-webhook") || environment.Remedy == "" {
			t.Errorf("%v", err)
		}
	}
}

func TestPackedProgramsAreUnpackedOnce(t *testing.T) {
	finder := Finder{Beside: t.TempDir(), Packed: archive(t), Cache: filepath.Join(t.TempDir(), "not", "there", "yet")}
	var together sync.WaitGroup
	found := make([]string, 4)
	for i := range found {
		together.Go(func() {
			var err error
			if found[i], err = finder.Find(t.Context(), &steps{}); err != nil {
				t.Error(err)
			}
		})
	}
	together.Wait()
	if found = slices.Compact(found); found[0] == "" || len(found) != 1 {
		t.Fatalf("folders %q", found)
	}
	for _, name := range Names() {
		content, err := os.ReadFile(filepath.Join(found[0], name))
		if err != nil || string(content) != name {
			t.Errorf("%s: %q, %v", name, content, err)
		}
		if info, err := os.Stat(filepath.Join(found[0], name)); err != nil || info.Mode().Perm()&0o111 != 0o111 {
			t.Errorf("%s: mode %v, %v", name, info.Mode(), err)
		}
	}
	if left, err := os.ReadDir(filepath.Dir(found[0])); err != nil || len(left) != 1 {
		t.Errorf("beside the folder: %v, %v", left, err)
	}
	// A folder with missing files is completed.
	if err := os.Remove(filepath.Join(found[0], "epi-runc")); err != nil {
		t.Fatal(err)
	}
	if again, err := finder.Find(t.Context(), &steps{}); err != nil || again != found[0] || len(Missing(again)) > 0 {
		t.Errorf("%q, %v: lacks %v", again, err, Missing(again))
	}
}

func TestAPackedArchiveThatIsDamagedLeavesNothing(t *testing.T) {
	whole := archive(t)
	var few bytes.Buffer
	for name, packed := range map[string][]byte{
		"cut":        whole[:len(whole)/2],
		"no archive": []byte("not an archive"),
		"flipped":    append(slices.Clone(whole[:len(whole)-1]), whole[len(whole)-1]^1),
		"empty tar":  emptyArchive(t, &few),
	} {
		finder := Finder{Packed: packed, Cache: t.TempDir()}
		_, err := finder.Find(t.Context(), &steps{})
		var environment *clusters.EnvironmentError
		if !errors.As(err, &environment) {
			t.Errorf("%s: %v", name, err)
		}
		if left, err := os.ReadDir(finder.below()); err != nil || len(left) > 0 {
			t.Errorf("%s: left %v, %v", name, left, err)
		}
	}
}

func TestAModuleThatCannotBeBuiltIsReported(t *testing.T) {
	t.Setenv("GOPROXY", "off")
	t.Setenv("GOFLAGS", "-mod=vendor") // a setting of another build
	finder := Finder{Beside: t.TempDir(), Module: Module{Path: "github.com/podidentity/epi", Version: "v0.0.0-20000101000000-000000000000"}, Cache: t.TempDir()}
	progress := &steps{}
	_, err := finder.Find(t.Context(), progress)
	var environment *clusters.EnvironmentError
	if !errors.As(err, &environment) || !strings.Contains(environment.Remedy, "module proxy") {
		t.Errorf("%v", err)
	}
	if !slices.Equal(progress.started, []string{"Programs of epi v0.0.0-20000101000000-000000000000"}) {
		t.Errorf("steps %q", progress.started)
	}
	if left, err := os.ReadDir(finder.below()); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := finder.Find(ended, &steps{}); !errors.Is(err, context.Canceled) {
		t.Errorf("ended: %v", err)
	}
}

func TestAVersionNeverLeavesTheCache(t *testing.T) {
	for _, version := range []string{"../../../victim", "/etc", "", ".", "v1.0.0/../../x", strings.Repeat("9", 300)} {
		finder := Finder{Module: Module{Path: "../..", Version: version}, Cache: "/cache"}
		if folder := finder.builtFolder(); filepath.Dir(folder) != "/cache/programs" || len(filepath.Base(folder)) > 255 {
			t.Errorf("%q: %s", version, folder)
		}
	}
}

// emptyArchive is a compressed archive without a file.
func emptyArchive(t *testing.T, to *bytes.Buffer) []byte {
	t.Helper()
	compressed, err := zstd.NewWriter(to)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(tar.NewWriter(compressed).Close(), compressed.Close()); err != nil {
		t.Fatal(err)
	}
	return to.Bytes()
}
