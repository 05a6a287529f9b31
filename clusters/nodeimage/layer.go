package nodeimage

import (
	"archive/tar"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

// layer writes a tar archive of files that root owns. It writes the folders above a file before the file. Close returns the
// first error.
type layer struct {
	archive *tar.Writer
	folders map[string]bool
	err     error
}

func newLayer(w io.Writer) *layer {
	return &layer{archive: tar.NewWriter(w), folders: map[string]bool{".": true}}
}

func (l *layer) header(header *tar.Header) {
	if l.err != nil {
		return
	}
	l.parents(header.Name)
	if l.err == nil {
		l.err = l.archive.WriteHeader(header)
	}
}

// parents writes the missing folders above name.
func (l *layer) parents(name string) {
	parent := path.Dir(path.Clean(name))
	if parent == "." || parent == "/" || l.folders[parent] {
		return
	}
	l.folder(parent, 0o755)
}

// folder writes a folder.
func (l *layer) folder(name string, mode int64) {
	name = path.Clean(name)
	if l.folders[name] {
		return
	}
	l.folders[name] = true
	l.header(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: mode})
}

// text writes a small file.
func (l *layer) text(name string, mode int64, content string) {
	l.header(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(content))})
	if l.err == nil {
		_, l.err = io.WriteString(l.archive, content)
	}
}

// link writes a symbolic link.
func (l *layer) link(name, target string) {
	l.header(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777})
}

// copy writes a file of this machine.
func (l *layer) copy(name string, mode int64, source string) {
	if l.err != nil {
		return
	}
	file, err := os.Open(source)
	if err != nil {
		l.err = err
		return
	}
	defer func() { _ = file.Close() }() // read only
	info, err := file.Stat()
	if err != nil {
		l.err = err
		return
	}
	l.header(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: info.Size()})
	if l.err == nil {
		_, l.err = io.Copy(l.archive, file)
	}
}

// entry writes a file of a root file system unchanged.
func (l *layer) entry(fs *rootfs, name string) {
	if l.err != nil {
		return
	}
	found := fs.entries[name]
	header := found.header
	header.Name = name
	// It leaves out names of users and times, which would differ on another machine.
	header.Format, header.PAXRecords = tar.FormatUnknown, nil
	header.Uname, header.Gname = "", ""
	if header.Typeflag == tar.TypeDir {
		if l.folders[name] {
			return
		}
		l.folders[name] = true
		header.Name += "/"
	}
	if header.Typeflag == tar.TypeLink {
		header.Linkname = strings.TrimPrefix(path.Clean("/"+header.Linkname), "/")
	}
	// Extended attributes hold file capabilities, for example ping's.
	for key, value := range found.header.PAXRecords {
		if strings.HasPrefix(key, "SCHILY.xattr.") {
			if header.PAXRecords == nil {
				header.PAXRecords = map[string]string{}
			}
			header.PAXRecords[key] = value
		}
	}
	l.header(&header)
	if l.err == nil && header.Typeflag == tar.TypeReg {
		_, l.err = io.Copy(l.archive, fs.content(found))
	}
}

// Close ends the archive and returns the first error of all writes.
func (l *layer) Close() error {
	if l.err != nil {
		return fmt.Errorf("write layer: %w", l.err)
	}
	if err := l.archive.Close(); err != nil {
		return fmt.Errorf("write layer: %w", err)
	}
	return nil
}

// writeLayer writes a layer to a new file.
func writeLayer(file string, write func(*layer) error) error {
	out, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("write layer: %w", err)
	}
	defer func() { _ = out.Close() }() // the first Close is the one that counts
	l := newLayer(out)
	if err := write(l); err != nil {
		return err
	}
	if err := l.Close(); err != nil {
		return err
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("write layer: %w", err)
	}
	return nil
}
