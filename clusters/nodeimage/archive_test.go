package nodeimage

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// writeTar writes an archive as mmdebstrap does, with "./" before every name.
func writeTar(t *testing.T, headers ...tar.Header) *rootfs {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rootfs.tar")
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	archive := tar.NewWriter(out)
	for _, header := range headers {
		content := header.PAXRecords["test.content"]
		header.PAXRecords = nil
		header.Size = int64(len(content))
		if header.Mode == 0 {
			header.Mode = 0o755
		}
		header.Name = "./" + header.Name
		if err := archive.WriteHeader(&header); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	fs, err := openRootfs(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = fs.Close() })
	return fs
}

func folder(name string) tar.Header { return tar.Header{Typeflag: tar.TypeDir, Name: name + "/"} }
func link(name, target string) tar.Header {
	return tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target}
}
func regular(name, content string) tar.Header {
	return tar.Header{Typeflag: tar.TypeReg, Name: name, PAXRecords: map[string]string{"test.content": content}}
}

func TestResolveFollowsLinksAsTheKernelDoes(t *testing.T) {
	fs := writeTar(t,
		folder("usr"), folder("usr/lib"), folder("usr/sbin"), folder("etc"), folder("etc/alternatives"),
		link("lib", "usr/lib"), link("usr/lib64", "lib"),
		regular("usr/lib/libx.so.1.2", "x"), link("usr/lib/libx.so.1", "libx.so.1.2"),
		link("usr/sbin/iptables", "/etc/alternatives/iptables"), link("etc/alternatives/iptables", "/usr/sbin/iptables-nft"),
		link("usr/sbin/iptables-nft", "xtables-nft-multi"), regular("usr/sbin/xtables-nft-multi", "program"),
		link("loop", "loop2"), link("loop2", "loop"), link("out", "../../../usr/lib"), link("gone", "nowhere"),
	)
	for name, want := range map[string]string{
		"usr/lib/libx.so.1":   "usr/lib/libx.so.1.2",
		"/lib/libx.so.1":      "usr/lib/libx.so.1.2",
		"usr/lib64/libx.so.1": "usr/lib/libx.so.1.2",
		"usr/sbin/iptables":   "usr/sbin/xtables-nft-multi",
		"out/libx.so.1":       "usr/lib/libx.so.1.2", // ".." of the root is the root
		"lib":                 "usr/lib",
		"loop":                "",
		"gone":                "",
		"lib/none":            "",
	} {
		if got, ok := fs.resolve(name); got != want || ok != (want != "") {
			t.Errorf("%s: %q, %v; want %q", name, got, ok, want)
		}
	}
	content, err := io.ReadAll(fs.content(fs.entries["usr/sbin/xtables-nft-multi"]))
	if err != nil || string(content) != "program" {
		t.Errorf("content %q, %v", content, err)
	}
}

// TestClosureOfARealProgram uses a program of this machine, which has an interpreter and at least one library.
func TestClosureOfARealProgram(t *testing.T) {
	const program = "/bin/sh"
	var headers []tar.Header
	added := map[string]bool{}
	add := func(header tar.Header) {
		if !added[header.Name] {
			added[header.Name] = true
			headers = append(headers, header)
		}
	}
	put := func(name string) {
		real, err := filepath.EvalSymlinks(name)
		if err != nil {
			t.Skipf("this machine has no %s", name)
		}
		content, err := os.ReadFile(real)
		if err != nil {
			t.Fatal(err)
		}
		for parent := filepath.Dir(name); parent != "/"; parent = filepath.Dir(parent) {
			add(folder(strings.TrimPrefix(parent, "/")))
		}
		add(regular(strings.TrimPrefix(name, "/"), string(content)))
	}
	put(program)
	alone := writeTar(t, headers...)
	interpreter, libraries, err := alone.needed("bin/sh")
	if err != nil || interpreter == "" || len(libraries) == 0 {
		t.Skipf("%s of this machine needs no libraries: %q %v %v", program, interpreter, libraries, err)
	}
	if _, err := alone.closure("bin/sh"); err == nil {
		t.Error("a missing library is no error")
	}
	put(interpreter)
	dir := filepath.Dir(interpreter)
	for _, library := range libraries {
		found, err := filepath.Glob("/lib/*/" + library)
		if err != nil || len(found) == 0 {
			t.Skipf("this machine keeps %s elsewhere", library)
		}
		put(found[0])
	}
	whole := writeTar(t, headers...)
	names, err := whole.closure("bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range append([]string{"sh", filepath.Base(interpreter)}, libraries...) {
		if !slices.ContainsFunc(names, func(name string) bool { return filepath.Base(name) == want }) {
			t.Errorf("closure %q has no %s (loader in %s)", names, want, dir)
		}
	}
}

func FuzzOpenRootfs(f *testing.F) {
	var buffer bytes.Buffer
	archive := tar.NewWriter(&buffer)
	_ = archive.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: "./a", Linkname: "b/../a"}) // into memory
	_ = archive.Close()
	f.Add(buffer.Bytes(), "a")
	f.Add([]byte("no archive"), "/")
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		file := filepath.Join(t.TempDir(), "rootfs.tar")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		fs, err := openRootfs(file)
		if err != nil {
			return
		}
		defer func() { _ = fs.Close() }()
		if resolved, ok := fs.resolve(name); ok && resolved != "" {
			if found, there := fs.entries[resolved]; !there || found.header.Typeflag == tar.TypeSymlink {
				t.Errorf("%q resolves to %q, which is not there", name, resolved)
			}
		}
	})
}

// list reads the entries of a layer.
func list(t *testing.T, data []byte) (names []string, entries map[string]tar.Header, contents map[string]string) {
	t.Helper()
	entries, contents = map[string]tar.Header{}, map[string]string{}
	archive := tar.NewReader(bytes.NewReader(data))
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return names, entries, contents
		}
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(header.Name, "/")
		if _, twice := entries[name]; twice {
			t.Errorf("%s is there twice, which engines refuse", name)
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
		entries[name], contents[name] = *header, string(content)
	}
}

func TestLayerWritesFoldersOnceAndFirst(t *testing.T) {
	source := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(source, []byte("binary"), 0o600); err != nil {
		t.Fatal(err)
	}
	fs := writeTar(t, folder("usr"), folder("usr/share"), tar.Header{Typeflag: tar.TypeReg, Name: "usr/share/x", Uid: 7, Gid: 8, Uname: "somebody", Mode: 0o640})
	write := func() []byte {
		var buffer bytes.Buffer
		l := newLayer(&buffer)
		l.text("etc/a/b", 0o600, "text")
		l.folder("etc/a", 0o700) // it exists already
		l.link("etc/c", "a/b")
		l.copy("usr/bin/program", 0o755, source)
		for _, name := range fs.names {
			l.entry(fs, name)
		}
		l.folder("tmp", 0o1777)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return buffer.Bytes()
	}
	data := write()
	names, entries, contents := list(t, data)
	want := []string{"etc", "etc/a", "etc/a/b", "etc/c", "usr", "usr/bin", "usr/bin/program", "usr/share", "usr/share/x", "tmp"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if contents["usr/bin/program"] != "binary" || contents["etc/a/b"] != "text" {
		t.Errorf("contents %q", contents)
	}
	if x := entries["usr/share/x"]; x.Uid != 7 || x.Gid != 8 || x.Uname != "" || x.Mode != 0o640 {
		t.Errorf("owner and mode of the root file system: %+v", x)
	}
	if tmp := entries["tmp"]; tmp.Mode != 0o1777 {
		t.Errorf("mode of tmp %o", tmp.Mode)
	}
	if !bytes.Equal(data, write()) {
		t.Error("the same layer is not the same bytes")
	}
}

func TestLayerKeepsItsFirstError(t *testing.T) {
	l := newLayer(io.Discard)
	l.copy("a", 0o644, "/nonexistent/file")
	l.text("b", 0o644, "text")
	if err := l.Close(); err == nil || !strings.Contains(err.Error(), "/nonexistent/file") {
		t.Errorf("error %v", err)
	}
}
