package clusters

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podidentity/epi/clusters/internal/ownfolder"
)

// lay writes files below dir. A name that ends with "/" is a folder. Content that starts with "-> " is a link.
func lay(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		switch target, link := strings.CutPrefix(content, "-> "); {
		case link:
			err = os.Symlink(target, file)
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(file, 0o755)
		default:
			err = os.WriteFile(file, []byte(content), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// tree lists what is below dir.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		list = append(list, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(list, "\n")
}

const olderEnvironment = `{"provider":"kind","name":"mine","clusterName":"mine"}`

func TestOnlyOwnFoldersOfEnvironmentsAreRemoved(t *testing.T) {
	for name, row := range map[string]struct {
		files map[string]string
		// gone says that the folder is removed. Otherwise nothing may change.
		gone bool
		says string
	}{
		"nothing there":                 {files: nil},
		"one that is marked":            {files: map[string]string{"s/clusters/mine/.epi.json": `{"folder":"environment","name":"mine"}`, "s/clusters/mine/kubeconfig": "x", "s/clusters/mine/bin/kubectl": "-> /bin/true"}, gone: true},
		"an empty one":                  {files: map[string]string{"s/clusters/mine/": ""}, gone: true},
		"a mark cut off":                {files: map[string]string{"s/clusters/mine/.epi.json": `{"fold`}, gone: true},
		"an older epi's":                {files: map[string]string{"s/clusters/mine/environment.json": olderEnvironment, "s/clusters/mine/kubeconfig": "x"}, gone: true},
		"an older epi's, half up":       {files: map[string]string{"s/clusters/mine/control-plane.conflist": "{}", "s/clusters/mine/agent.tar": "x"}, gone: true},
		"a link inside":                 {files: map[string]string{"s/clusters/mine/.epi.json": `{"folder":"environment","name":"mine"}`, "s/clusters/mine/out": "-> ../../../victim", "victim/file": "precious"}, gone: true},
		"the user's":                    {files: map[string]string{"s/clusters/mine/notes.txt": "precious"}, says: "no .epi.json"},
		"only a kubeconfig":             {files: map[string]string{"s/clusters/mine/kubeconfig": "precious"}, says: "no .epi.json"},
		"mark of another name":          {files: map[string]string{"s/clusters/mine/.epi.json": `{"folder":"environment","name":"other"}`, "s/clusters/mine/x": ""}, says: `environment "other"`},
		"mark of something else":        {files: map[string]string{"s/clusters/mine/.epi.json": `{"folder":"engine"}`, "s/clusters/mine/x": ""}, says: "engine"},
		"mark that is a link":           {files: map[string]string{"s/clusters/mine/.epi.json": "-> ../../../mark", "mark": `{"folder":"environment","name":"mine"}`, "s/clusters/mine/x": ""}, says: "is no file"},
		"mark cut off beside files":     {files: map[string]string{"s/clusters/mine/.epi.json": `{"fold`, "s/clusters/mine/x": ""}, says: "cannot be read"},
		"environment of another name":   {files: map[string]string{"s/clusters/mine/environment.json": strings.ReplaceAll(olderEnvironment, "mine", "../x")}, says: "no .epi.json"},
		"an environment.json of others": {files: map[string]string{"s/clusters/mine/environment.json": `{"name":"mine"}`}, says: "no .epi.json"},
		"a link to a folder":            {files: map[string]string{"s/clusters/mine": "-> ../../victim", "s/clusters/x": "", "victim/.epi.json": `{"folder":"environment","name":"mine"}`}, says: "symbolic link"},
		"a file":                        {files: map[string]string{"s/clusters/mine": "precious"}, says: "not a folder"},
		"a parent that is a link":       {files: map[string]string{"s/clusters": "-> ../victim", "victim/mine/.epi.json": `{"folder":"environment","name":"mine"}`}, says: "symbolic link"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			lay(t, dir, row.files)
			before := tree(t, dir)
			err := RemoveEnvironmentDir(Dirs{State: filepath.Join(dir, "s")}, "mine")
			if row.says == "" && err != nil {
				t.Fatal(err)
			}
			if row.says != "" && (err == nil || !strings.Contains(err.Error(), row.says) || Remedy(err) == "") {
				t.Errorf("error %v, want %q and a remedy", err, row.says)
			}
			if row.gone {
				if _, err := os.Lstat(filepath.Join(dir, "s/clusters/mine")); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("it is still there: %v", err)
				}
				if _, victim := row.files["victim/file"]; victim {
					if _, err := os.Stat(filepath.Join(dir, "victim/file")); err != nil {
						t.Errorf("a link was followed: %v", err)
					}
				}
			} else if after := tree(t, dir); after != before {
				t.Errorf("before:\n%s\nafter:\n%s", before, after)
			}
		})
	}
}

func TestNoFunctionTakesABadName(t *testing.T) {
	dir := t.TempDir()
	lay(t, dir, map[string]string{"victim/environment.json": olderEnvironment, "state/clusters/epi/environment.json": strings.ReplaceAll(olderEnvironment, "mine", "epi")})
	dirs := Dirs{State: filepath.Join(dir, "state")}
	before := tree(t, dir)
	for _, name := range []string{"", ".", "..", "../../victim", "../..", "/", "a/../../../victim", "epi/", "EPI"} {
		for function, call := range map[string]func() error{
			"EnvironmentDir":       func() error { _, err := dirs.EnvironmentDir(name); return err },
			"MakeEnvironmentDir":   func() error { _, err := MakeEnvironmentDir(dirs, name, "kind"); return err },
			"HasEnvironmentDir":    func() error { _, err := HasEnvironmentDir(dirs, name); return err },
			"RemoveEnvironmentDir": func() error { return RemoveEnvironmentDir(dirs, name) },
			"ProviderOf":           func() error { _, err := ProviderOf(dirs, name); return err },
			"LoadEnvironment":      func() error { _, err := LoadEnvironment(dirs, name); return err },
			"SaveEnvironment":      func() error { return SaveEnvironment(dirs, &Environment{Name: name}) },
		} {
			if _, ok := errors.AsType[*NameError](call()); !ok {
				t.Errorf("%s(%q): error %v is no *NameError", function, name, call())
			}
		}
	}
	if after := tree(t, dir); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

func TestAnEnvironmentFileFromElsewhere(t *testing.T) {
	mark := `{"folder":"environment","name":"mine","provider":"kind"}`
	for content, says := range map[string]string{
		`{"provider":"kind","name":"../x"}`:     `environment "../x"`,
		`{"provider":"existing","name":"mine"}`: `provider "existing"`,
		`{"provider`:                            "cut off",
		``:                                      "it is empty",
		"\n":                                    "it is empty",
		`null`:                                  "does not name",
		`[]`:                                    "array and not an object",
		`"mine"`:                                "string and not an object",
		"\x00\x00":                              "not JSON",
		`{"name": mine}`:                        "not JSON, from byte 10",
		`{"name":5}`:                            "field name must not be a JSON number",
		`{"name":"mine","provider":"kind","aws":[]}`:                            "field aws must not be a JSON array",
		`{"name":"mine","provider":"kind","control":{}}`:                        "where the AWS emulator is",
		`{"name":"mine","provider":"kind","capabilities":["emulator-control"]}`: "where the AWS emulator is",
		`{"name":"mine","provider":"kind","capabilities":["second-account"]}`:   "second AWS account",
		"-> /dev/zero":        "not a file",
		"-> ../../victim":     "not a file",
		"-> environment.json": "not a file",
	} {
		dirs := Dirs{State: t.TempDir()}
		lay(t, dirs.State, map[string]string{"clusters/mine/.epi.json": mark, "clusters/mine/environment.json": content})
		if _, err := LoadEnvironment(dirs, "mine"); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(Remedy(err), "epi down --name mine") {
			t.Errorf("%s: error %v, remedy %q", content, err, Remedy(err))
		} else if strings.Contains(err.Error(), "Go ") || strings.Contains(err.Error(), "clusters.") {
			t.Errorf("%s: Go's own words: %v", content, err)
		}
		// What removes it does not need the file.
		if provider, err := ProviderOf(dirs, "mine"); err != nil || provider != "kind" {
			t.Errorf("%s: provider %q, %v", content, provider, err)
		}
	}
	dirs := Dirs{State: t.TempDir()}
	lay(t, dirs.State, map[string]string{"clusters/mine/.epi.json": mark, "clusters/mine/kubeconfig": "", "clusters/mine/environment.json": `{"provider":"kind","name":"mine","kubeconfig":"/etc/kubernetes/admin.conf"}`})
	env, err := LoadEnvironment(dirs, "mine")
	if want := filepath.Join(dirs.State, "clusters/mine/kubeconfig"); err != nil || env.Kubeconfig != want {
		t.Errorf("%+v, %v; want the kubeconfig %s", env, err, want)
	}
}

func TestStateFolders(t *testing.T) {
	for name, row := range map[string]struct {
		files map[string]string
		says  string
		// marked says that a mark stays, beside what else stays.
		marked bool
	}{
		"not there":                     {},
		"empty":                         {files: map[string]string{"s/": ""}},
		"a file system of its own":      {files: map[string]string{"s/lost+found/": ""}, marked: true},
		"an older epi's":                {files: map[string]string{"s/clusters/": "", "s/engine/": "", "s/engine.lock": ""}, marked: true},
		"marked, with a file of others": {files: map[string]string{"s/.epi.json": `{"folder":"state"}`, "s/notes.txt": ""}, marked: true},
		"the user's home":               {files: map[string]string{"s/.bashrc": "", "s/src/": ""}, says: "no .epi.json"},
		"a source tree":                 {files: map[string]string{"s/clusters/engine/engine.go": "", "s/go.mod": ""}, says: "no .epi.json"},
		"a file":                        {files: map[string]string{"s": ""}, says: "not a folder"},
		"the folder of an environment":  {files: map[string]string{"s/.epi.json": `{"folder":"environment","name":"x"}`, "s/x": ""}, says: `environment "x"`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			lay(t, dir, row.files)
			before := tree(t, dir)
			dirs := Dirs{State: filepath.Join(dir, "s")}
			err := dirs.CheckState()
			if (err == nil) != (row.says == "") || err != nil && !strings.Contains(err.Error(), row.says) {
				t.Errorf("error %v, want %q", err, row.says)
			}
			if after := tree(t, dir); after != before {
				t.Errorf("before:\n%s\nafter:\n%s", before, after)
			}
			if err == nil {
				// It is what it was after an environment has come and gone, except that an empty folder of epi's own goes.
				if _, err := MakeEnvironmentDir(dirs, "mine", "kind"); err != nil {
					t.Fatal(err)
				}
				if err := errors.Join(RemoveEnvironmentDir(dirs, "mine"), dirs.RemoveState()); err != nil {
					t.Fatal(err)
				}
				if after := tree(t, dir); !row.marked && after != before {
					t.Errorf("before:\n%s\nafter:\n%s", before, after)
				}
			} else if err := dirs.MakeState(); err == nil || Remedy(err) == "" {
				t.Errorf("it is used nevertheless: %v", err)
			}
		})
	}
	dir := t.TempDir()
	lay(t, dir, map[string]string{"real/": "", "link": "-> real"})
	dirs := Dirs{State: filepath.Join(dir, "link")}
	if _, err := MakeEnvironmentDir(dirs, "mine", "kind"); err != nil {
		t.Errorf("a state folder behind a link of the user's: %v", err)
	}
	if err := errors.Join(RemoveEnvironmentDir(dirs, "mine"), dirs.RemoveState()); err != nil {
		t.Error(err)
	}
	if got := tree(t, dir); strings.Count(got, "\n") != 2 {
		t.Errorf("it was changed:\n%s", got)
	}
	if err := (Dirs{State: "/"}).CheckState(); err == nil {
		t.Error("the root of the file system is taken for epi's")
	}
}

func TestEnvironmentNamesAreOwnOnes(t *testing.T) {
	dirs := Dirs{State: t.TempDir()}
	lay(t, dirs.State, map[string]string{
		"clusters/mine/.epi.json": `{"folder":"environment","name":"mine"}`, "clusters/Not_A_Name/.epi.json": `{"folder":"environment","name":"Not_A_Name"}`,
		"clusters/theirs/notes.txt": "", "clusters/file": "", "clusters/link": "-> mine",
	})
	names, err := EnvironmentNames(dirs)
	if err != nil || len(names) != 1 || names[0] != "mine" {
		t.Errorf("%q, %v", names, err)
	}
}

func TestAFolderOfAnotherProviderIsNotTaken(t *testing.T) {
	dirs := Dirs{State: t.TempDir()}
	if _, err := MakeEnvironmentDir(dirs, "mine", "kind"); err != nil {
		t.Fatal(err)
	}
	if _, err := MakeEnvironmentDir(dirs, "mine", "existing"); err == nil || !strings.Contains(Remedy(err), "epi down --name mine") {
		t.Errorf("error %v, remedy %q", err, Remedy(err))
	}
	data, err := os.ReadFile(filepath.Join(dirs.State, "clusters/mine", ownfolder.MarkFile))
	if err != nil || !strings.Contains(string(data), "kind") {
		t.Errorf("%s, %v", data, err)
	}
}
