package nodeimage

import (
	"archive/tar"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

// rootfs is a root file system in a tar archive, with an index of its files by name. Names have no leading slash, as in
// "usr/sbin/init".
type rootfs struct {
	file    *os.File
	entries map[string]entry
	// names are those of the entries, in the order of the archive.
	names []string
}

type entry struct {
	header tar.Header
	// offset is that of the content in the archive.
	offset int64
}

// openRootfs indexes the tar archive. The caller must close it.
func openRootfs(name string) (*rootfs, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open root file system: %w", err)
	}
	fs := &rootfs{file: file, entries: map[string]entry{}}
	archive := tar.NewReader(file)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return fs, nil
		}
		if err != nil {
			_ = file.Close()
			return nil, fmt.Errorf("read root file system %s: %w", name, err)
		}
		// The archive's reader does not read ahead, so the content follows at the current offset.
		offset, err := file.Seek(0, io.SeekCurrent)
		if err != nil {
			_ = file.Close()
			return nil, fmt.Errorf("read root file system %s: %w", name, err)
		}
		clean := strings.TrimPrefix(path.Clean("/"+header.Name), "/")
		if clean == "" {
			continue
		}
		if _, twice := fs.entries[clean]; !twice {
			fs.names = append(fs.names, clean)
		}
		fs.entries[clean] = entry{header: *header, offset: offset}
	}
}

func (fs *rootfs) Close() error { return fs.file.Close() }

func (fs *rootfs) content(e entry) *io.SectionReader {
	return io.NewSectionReader(fs.file, e.offset, e.header.Size)
}

// maxLinks bounds the symbolic links on the way to a file, like the kernel (path_resolution(7)).
const maxLinks = 40

// resolve follows symbolic links, also of folders, and returns the name of the file. It returns false for a file that is
// not in the archive.
func (fs *rootfs) resolve(name string) (string, bool) {
	links := 0
	resolved := ""
	rest := strings.Split(strings.Trim(path.Clean("/"+name), "/"), "/")
	for len(rest) > 0 {
		next := path.Join(resolved, rest[0])
		rest = rest[1:]
		found, ok := fs.entries[next]
		if !ok {
			return "", false
		}
		if found.header.Typeflag != tar.TypeSymlink {
			resolved = next
			continue
		}
		if links++; links > maxLinks {
			return "", false
		}
		target := found.header.Linkname
		if !path.IsAbs(target) {
			target = path.Join("/", resolved, target)
		}
		resolved = ""
		rest = append(strings.Split(strings.Trim(path.Clean(target), "/"), "/"), rest...)
	}
	return resolved, true
}

// sharedObjectFolders are the folders in which Debian's dynamic loader searches: those of the architecture (multiarch) and
// the classic ones.
func (fs *rootfs) sharedObjectFolders() []string {
	var folders []string
	for _, name := range fs.names {
		dir, base := path.Split(name)
		if base == "libc.so.6" {
			folders = append(folders, path.Clean(dir))
		}
	}
	return append(folders, "usr/lib", "usr/lib64", "lib", "lib64")
}

// closure returns the names of the programs and of all files that the dynamic loader needs to start them, with symbolic
// links resolved: the loader itself and the libraries, under the name that is searched and under their own.
func (fs *rootfs) closure(programs ...string) ([]string, error) {
	folders := fs.sharedObjectFolders()
	seen := map[string]bool{}
	var names []string
	add := func(name string) {
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	// find adds a file and every link that leads to it, and returns its real name.
	find := func(name string) (string, error) {
		real, ok := fs.resolve(name)
		if !ok {
			return "", fmt.Errorf("root file system has no %s", name)
		}
		if dir, ok := fs.resolve(path.Dir(name)); ok {
			add(path.Join(dir, path.Base(name)))
		}
		add(real)
		return real, nil
	}
	queue := append([]string(nil), programs...)
	loaded := map[string]bool{}
	for len(queue) > 0 {
		name := queue[0]
		queue = queue[1:]
		real, err := find(name)
		if err != nil {
			return nil, err
		}
		if loaded[real] {
			continue
		}
		loaded[real] = true
		interpreter, libraries, err := fs.needed(real)
		if err != nil {
			return nil, err
		}
		if interpreter != "" {
			queue = append(queue, interpreter)
		}
		for _, library := range libraries {
			at, err := fs.findLibrary(folders, library)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", real, err)
			}
			queue = append(queue, at)
		}
	}
	return names, nil
}

func (fs *rootfs) findLibrary(folders []string, library string) (string, error) {
	for _, folder := range folders {
		name := path.Join(folder, library)
		if _, ok := fs.resolve(name); ok {
			return name, nil
		}
	}
	return "", fmt.Errorf("library %s is in none of %s", library, strings.Join(folders, ", "))
}

// needed reads the dynamic loader and the libraries of an ELF file.
func (fs *rootfs) needed(name string) (interpreter string, libraries []string, err error) {
	file, err := elf.NewFile(fs.content(fs.entries[name]))
	if err != nil {
		return "", nil, fmt.Errorf("read program %s: %w", name, err)
	}
	for _, segment := range file.Progs {
		if segment.Type != elf.PT_INTERP {
			continue
		}
		data, err := io.ReadAll(segment.Open())
		if err != nil {
			return "", nil, fmt.Errorf("read program %s: %w", name, err)
		}
		interpreter = strings.TrimRight(string(data), "\x00")
	}
	if libraries, err = file.ImportedLibraries(); err != nil {
		return "", nil, fmt.Errorf("read program %s: %w", name, err)
	}
	return interpreter, libraries, nil
}
