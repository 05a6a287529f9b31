package clusters

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/podidentity/epi/clusters/internal/ownfolder"
)

// Names in the state folder.
const (
	environmentsFolder = "clusters"
	engineFolder       = "engine"
	locksFolder        = "locks"
	stateLock          = "state.lock"
	environmentFile    = "environment.json"
	kubeconfigFile     = "kubeconfig"
	// JournalFile is the journal of an environment's resources in AWS, in its folder.
	JournalFile = "aws-journal.jsonl"
)

// ForeignError says that a file or folder at a place of epi's is not epi's. It was not changed.
type ForeignError = ownfolder.ForeignError

// stateFolder is the state folder with epi's mark. The user's path to it may contain links. Below it epi follows none.
func (d Dirs) stateFolder() ownfolder.Folder {
	dir := d.State
	if target, err := filepath.EvalSymlinks(dir); err == nil {
		dir = target
	}
	return ownfolder.Folder{
		Base: filepath.Dir(dir), Below: []string{filepath.Base(dir)},
		Mark: ownfolder.Mark{Folder: "state"}, Older: hasOnlyState,
	}
}

// hasOnlyState says whether a folder has only what epi keeps in its state folder. If it is a file system of its own, it may
// also have the folder of its file system check.
func hasOnlyState(root *os.Root) bool {
	return hasOnly(root, environmentsFolder, engineFolder, engineFolder+".lock", locksFolder, stateLock, "lost+found")
}

func hasOnly(root *os.Root, names ...string) bool {
	entries, err := fs.ReadDir(root.FS(), ".")
	return err == nil && !slices.ContainsFunc(entries, func(entry fs.DirEntry) bool { return !slices.Contains(names, entry.Name()) })
}

// CheckState returns the problem of the state folder: it is a file, or it has other people's files and was not created by
// epi. A missing folder is no problem.
func (d Dirs) CheckState() error {
	if filepath.Dir(d.State) == d.State {
		return &ForeignError{Path: d.State, Why: "it is the root of the file system"}
	}
	root, _, err := d.stateFolder().Open()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return root.Close()
}

// MakeState makes the state folder.
func (d Dirs) MakeState() error {
	if err := d.CheckState(); err != nil {
		return cannotKeepState(d.State, err)
	}
	folder := d.stateFolder()
	if _, err := os.Lstat(d.State); err == nil {
		folder.Mark.Kept = true
	}
	if err := folder.Make(0o755); err != nil {
		return cannotKeepState(d.State, err)
	}
	return nil
}

func cannotKeepState(dir string, err error) error {
	return &EnvironmentError{
		Doing: "keep state in " + dir, Err: err,
		Remedy: "give a folder that you can write to and that is for epi alone, such as --state-dir /tmp/epi",
	}
}

// RemoveState removes the state folder if it is empty, unless it existed before epi used it.
func (d Dirs) RemoveState() error {
	root, mark, err := d.stateFolder().Open()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // read only
	for _, name := range []string{environmentsFolder, locksFolder} {
		if info, err := root.Lstat(name); err == nil && info.IsDir() {
			_ = root.Remove(name) // fails unless it is empty
		}
	}
	if mark.Folder == "" || !hasOnly(root, ownfolder.MarkFile) {
		return nil
	}
	return d.stateFolder().Remove()
}

// environment is the folder of an environment.
func (d Dirs) environment(name string) (ownfolder.Folder, error) {
	if err := CheckName(name); err != nil {
		return ownfolder.Folder{}, err
	}
	return ownfolder.Folder{
		Base: d.State, Below: []string{environmentsFolder, name},
		Mark:  ownfolder.Mark{Folder: "environment", Name: name},
		Older: func(root *os.Root) bool { return isOlderEnvironment(root, name) },
	}, nil
}

// isOlderEnvironment recognizes the folder of an environment of an older epi, which set no mark: by its environment.json
// or, if it was never up, by a single file with a name of epi's own.
func isOlderEnvironment(root *os.Root, name string) bool {
	data, err := readOwn(root, environmentFile)
	if err == nil {
		var env Environment
		return json.Unmarshal(data, &env) == nil && env.Name == name && env.Provider != "" && env.ClusterName != ""
	}
	if _, err := root.Lstat("control-plane.conflist"); err != nil {
		return false
	}
	return hasOnly(root, "control-plane.conflist", kubeconfigFile, kubeconfigFile+".lock", "bin", "agent.tar", "webhook.tar", environmentFile+".new")
}

// EnvironmentDir is the folder with all files about the named environment. The error is a *NameError if the name is
// invalid.
func (d Dirs) EnvironmentDir(name string) (string, error) {
	folder, err := d.environment(name)
	if err != nil {
		return "", err
	}
	return folder.Path(), nil
}

// EngineDir is the folder of the private container engine.
func (d Dirs) EngineDir() string { return filepath.Join(d.State, engineFolder) }

// MakeEnvironmentDir creates the folder of an environment and returns it. An existing folder must be epi's own.
func MakeEnvironmentDir(dirs Dirs, name, provider string) (string, error) {
	folder, err := dirs.environment(name)
	if err != nil {
		return "", err
	}
	if err := dirs.MakeState(); err != nil {
		return "", err
	}
	folder.Mark.Provider = provider
	if err := folder.Make(0o700); err != nil {
		return "", foreign(fmt.Sprintf("make the folder of environment %q", name), err)
	}
	if before, err := ProviderOf(dirs, name); err == nil && before != "" && before != provider {
		return "", &EnvironmentError{
			Doing: fmt.Sprintf("make the folder of environment %q", name), Err: fmt.Errorf("it has one, of provider %s", before),
			Remedy: fmt.Sprintf("remove it with: epi down --name %s, or choose another --name", name),
		}
	}
	return folder.Path(), nil
}

// HasEnvironmentDir says whether the named environment has a folder, complete or not.
func HasEnvironmentDir(dirs Dirs, name string) (bool, error) {
	root, _, err := openEnvironment(dirs, name)
	if errors.Is(err, ErrNoEnvironment) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, root.Close()
}

// RemoveEnvironmentDir removes the folder of an environment if it is epi's own. A missing folder is no error.
func RemoveEnvironmentDir(dirs Dirs, name string) error {
	folder, err := dirs.environment(name)
	if err != nil {
		return err
	}
	return foreign(fmt.Sprintf("remove the folder of environment %q", name), folder.Remove())
}

// foreign adds what a user can do to the error about a foreign folder.
func foreign(doing string, err error) error {
	if err == nil {
		return nil
	}
	if other, ok := errors.AsType[*ForeignError](err); ok {
		return &EnvironmentError{Doing: doing, Err: err, Remedy: "epi leaves it alone; look at it, and if it is of no use remove it yourself: rm -r " + other.Path}
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// openEnvironment opens the folder of an environment. It returns ErrNoEnvironment if there is none.
func openEnvironment(dirs Dirs, name string) (*os.Root, ownfolder.Mark, error) {
	folder, err := dirs.environment(name)
	if err != nil {
		return nil, ownfolder.Mark{}, err
	}
	root, mark, err := folder.Open()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, mark, ErrNoEnvironment
	}
	return root, mark, err
}

// EnvironmentNames are the names of the environments that have a folder, also of incomplete ones. Foreign folders are left
// out.
func EnvironmentNames(dirs Dirs) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(dirs.State, environmentsFolder))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list environments: %w", err)
	}
	var names []string
	for _, entry := range entries {
		if there, err := HasEnvironmentDir(dirs, entry.Name()); err == nil && there {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

// ProviderOf is the name of the provider of the named environment, complete or not. It returns ErrNoEnvironment if there is
// none, and "" if its folder does not name it.
func ProviderOf(dirs Dirs, name string) (string, error) {
	root, mark, err := openEnvironment(dirs, name)
	if err != nil {
		return "", foreign(fmt.Sprintf("look for environment %q", name), err)
	}
	defer func() { _ = root.Close() }() // read only
	if mark.Provider != "" {
		return mark.Provider, nil
	}
	data, err := readOwn(root, environmentFile)
	if err != nil {
		return "", nil // a missing or unreadable file names none
	}
	var env Environment
	if err := json.Unmarshal(data, &env); err != nil {
		return "", nil // the same
	}
	return env.Provider, nil
}
