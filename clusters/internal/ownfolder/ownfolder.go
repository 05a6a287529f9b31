// Package ownfolder makes folders with a mark that they are epi's own, and removes only such folders. Below the folder that
// it is given it follows no symbolic link, and it removes nothing that is mounted.
package ownfolder

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// MarkFile is the file with the mark of a folder.
const MarkFile = ".epi.json"

// Mark describes a folder of epi's own.
type Mark struct {
	// Folder is its kind, such as "environment".
	Folder string `json:"folder"`
	// Name is its name, if there are several of the kind.
	Name string `json:"name,omitempty"`
	// Provider of an environment.
	Provider string `json:"provider,omitempty"`
	// Kept says that the folder existed before epi used it, so it stays when it is empty again.
	Kept bool `json:"kept,omitempty"`
}

// is says whether the mark matches the wanted one.
func (m Mark) is(want Mark) bool { return m.Folder == want.Folder && m.Name == want.Name }

// ForeignError says that a folder or a file at a place of epi's is not epi's. It was not changed.
type ForeignError struct {
	Path string
	// Why is the reason, such as "it is a symbolic link".
	Why string
}

func (e *ForeignError) Error() string { return fmt.Sprintf("%s is not epi's: %s", e.Path, e.Why) }

// Folder is the folder Below[0]/Below[1]/… below Base, which must have Mark. Base is the user's choice and may contain
// links. The others may not be links.
type Folder struct {
	Base  string
	Below []string
	Mark  Mark
	// Older says whether an older epi, which wrote no mark, made a folder. nil means that none did.
	Older func(root *os.Root) bool
}

// Path of the folder.
func (f Folder) Path() string { return filepath.Join(append([]string{f.Base}, f.Below...)...) }

// Make creates the folder and missing folders above it, and marks it. An existing folder must be epi's own.
func (f Folder) Make(mode fs.FileMode) error {
	if err := os.MkdirAll(f.Base, 0o755); err != nil {
		return fmt.Errorf("make folder %s: %w", f.Base, err)
	}
	root, err := os.OpenRoot(f.Base)
	if err != nil {
		return fmt.Errorf("make folder %s: %w", f.Path(), err)
	}
	defer func() { _ = root.Close() }() // read only
	for _, name := range f.Below {
		if err := root.Mkdir(name, mode); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("make folder %s: %w", f.Path(), err)
		}
		next, err := enter(root, name)
		if err != nil {
			return err
		}
		defer func() { _ = next.Close() }() // read only
		root = next
	}
	mark, err := f.read(root)
	if err != nil || mark.is(f.Mark) {
		return err
	}
	data, err := json.Marshal(f.Mark)
	if err != nil {
		return fmt.Errorf("mark folder %s: %w", f.Path(), err)
	}
	if err := root.WriteFile(MarkFile, append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("mark folder %s: %w", f.Path(), err)
	}
	return nil
}

// Open opens the folder, which must be epi's own, and returns its mark, which is empty if an older epi made it. The error
// is fs.ErrNotExist if it does not exist, and a *ForeignError if it is not epi's.
func (f Folder) Open() (*os.Root, Mark, error) {
	root, err := f.open(len(f.Below))
	if err != nil {
		return nil, Mark{}, err
	}
	mark, err := f.read(root)
	if err != nil {
		return nil, Mark{}, errors.Join(err, root.Close())
	}
	return root, mark, nil
}

// open enters the first depth folders below the base.
func (f Folder) open(depth int) (*os.Root, error) {
	root, err := os.OpenRoot(f.Base)
	if err != nil {
		return nil, err
	}
	for _, name := range f.Below[:depth] {
		next, err := enter(root, name)
		if closing := root.Close(); err != nil || closing != nil {
			return nil, errors.Join(err, closing)
		}
		root = next
	}
	return root, nil
}

// enter opens a folder in root that is no link.
func enter(root *os.Root, name string) (*os.Root, error) {
	path := filepath.Join(root.Name(), name)
	seen, err := root.Lstat(name)
	switch {
	case err != nil:
		return nil, err
	case seen.Mode().Type() == fs.ModeSymlink:
		return nil, &ForeignError{Path: path, Why: "it is a symbolic link"}
	case !seen.IsDir():
		return nil, &ForeignError{Path: path, Why: "it is not a folder"}
	}
	next, err := root.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	// It may have become a link between the two checks.
	opened, err := next.Stat(".")
	if err == nil && !os.SameFile(seen, opened) {
		err = &ForeignError{Path: path, Why: "it is being changed"}
	}
	if err != nil {
		return nil, errors.Join(err, next.Close())
	}
	return next, nil
}

// read returns the mark of a folder that is epi's own. In an otherwise empty folder the mark may be missing or incomplete,
// because its creator was killed or the disk was full.
func (f Folder) read(root *os.Root) (Mark, error) {
	var mark Mark
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return mark, fmt.Errorf("read folder %s: %w", f.Path(), err)
	}
	if len(entries) == 0 {
		return mark, nil
	}
	info, err := root.Lstat(MarkFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if f.Older != nil && f.Older(root) {
			return mark, nil
		}
		return mark, &ForeignError{Path: f.Path(), Why: fmt.Sprintf("it has files, but no %s that says so", MarkFile)}
	case err != nil:
		return mark, fmt.Errorf("read folder %s: %w", f.Path(), err)
	case !info.Mode().IsRegular():
		return mark, &ForeignError{Path: f.Path(), Why: fmt.Sprintf("its %s is no file", MarkFile)}
	}
	data, err := root.ReadFile(MarkFile)
	if err != nil {
		return mark, fmt.Errorf("read folder %s: %w", f.Path(), err)
	}
	err = json.Unmarshal(data, &mark)
	switch {
	case len(entries) == 1 && err != nil:
		return Mark{}, nil //nolint:nilerr // nothing but a mark that was cut off
	case err != nil:
		return mark, &ForeignError{Path: f.Path(), Why: fmt.Sprintf("its %s cannot be read: %v", MarkFile, err)}
	case !mark.is(f.Mark):
		return mark, &ForeignError{Path: f.Path(), Why: fmt.Sprintf("its %s says that it is the folder of %s %q", MarkFile, mark.Folder, mark.Name)}
	}
	return mark, nil
}

// Remove removes the folder if it is epi's own. A missing folder is no error. The mark is removed last, so that an
// interrupted removal can be repeated.
func (f Folder) Remove() error {
	root, mark, err := f.Open()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // read only
	if point := mountBelow(f.Path()); point != "" {
		return &ForeignError{Path: point, Why: "it is mounted there; unmount it with: umount " + point}
	}
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return fmt.Errorf("remove folder %s: %w", f.Path(), err)
	}
	if len(entries) > 0 {
		// An older epi's folder gets a mark for the time of the removal, if the disk has room for it.
		_ = f.Make(0o700)
	}
	for _, entry := range entries {
		if entry.Name() == MarkFile {
			continue
		}
		if err := root.RemoveAll(entry.Name()); err != nil {
			return fmt.Errorf("remove folder %s: %w", f.Path(), err)
		}
	}
	if err := root.Remove(MarkFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove folder %s: %w", f.Path(), err)
	}
	if mark.Kept {
		return nil
	}
	parent, err := f.open(len(f.Below) - 1)
	if err != nil {
		return fmt.Errorf("remove folder %s: %w", f.Path(), err)
	}
	defer func() { _ = parent.Close() }() // read only
	// Remove removes an empty folder or a file. Anything else that replaced it meanwhile stays.
	if err := parent.Remove(f.Below[len(f.Below)-1]); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove folder %s: %w", f.Path(), err)
	}
	return nil
}
