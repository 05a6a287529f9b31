// Package clients lists the AWS clients of the client matrix. A client is a program that does what a workload does, with
// one version of one AWS SDK. Each is a folder of _sdk with client.yaml, the description, its program and its pinned
// dependencies. Package clientimage makes images of them.
package clients

import (
	"cmp"
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"sigs.k8s.io/yaml"
)

// Kind is the way in which a client's program gets into its image.
type Kind string

// The kinds.
const (
	Probe  Kind = "probe"  // it is epi-probe, which every environment has
	Go     Kind = "go"     // main.go, compiled with VERSION.mod and VERSION.sum
	NPM    Kind = "npm"    // a program of Node.js with the packages of VERSION.lock.json
	Debian Kind = "debian" // a program with Debian's packages, in the version that Debian has
)

// Client is one version of one SDK.
type Client struct {
	// Name is SDK's folder and the pinned version or release of Debian, such as "go-v1@1.55.8".
	Name string
	// Folder holds the client's files.
	Folder string
	// SDK is the name in full, such as "AWS SDK for Go v1".
	SDK string
	// Version is the pinned one; "" if only the image has it.
	Version string
	// Floor is the first version whose default chain knows Pod Identity; Source is the document that says so.
	Floor, Source string
	Kind          Kind
	// Packages are the Debian packages of the image.
	Packages []string
	// Release is their release of Debian, such as "trixie"; "" for that of this machine.
	Release string
	// Command is the image's command for people, such as /usr/bin/aws; empty for a library's client.
	Command []string
	// VersionIn is a Python file of the packages with the version; for a Debian client only.
	VersionIn string
	// Program is the command in the image. An operation is appended to it.
	Program []string
	// Limits are requirements, by ID, that the client is known not to hold, with its actual behaviour.
	Limits map[string]string
	// Default says that environments have it unless their spec says otherwise.
	Default bool
}

//go:embed all:_sdk
var files embed.FS

const root = "_sdk"

// Files are the client's own: its program and its pinned dependencies.
func (c Client) Files() fs.FS {
	sub, err := fs.Sub(files, path.Join(root, c.Folder))
	if err != nil {
		panic(err) // the name of an embedded folder is valid
	}
	return sub
}

// TooOld says whether a version of the client is below its floor.
func (c Client) TooOld(version string) bool { return Compare(version, c.Floor) < 0 }

// catalogue is read once. It is part of the program, so an error in it is an error of the program.
var catalogue = sync.OnceValue(func() []Client {
	list, err := read(files)
	if err != nil {
		panic(err)
	}
	return list
})

// All returns every client, in the order of folders and of the versions in them.
func All() []Client { return slices.Clone(catalogue()) }

// Words of Select, besides the names of clients and of folders.
const (
	SelectDefault = "default"
	SelectAll     = "all"
	SelectNone    = "none"
)

// Select returns the clients that words name: a client's name, a folder's name for all versions in it, or one of the words
// above. It always includes the probe.
func Select(selection []string) ([]Client, error) {
	var unknown []string
	for _, word := range selection {
		known := slices.Contains([]string{SelectDefault, SelectAll, SelectNone}, word) ||
			slices.ContainsFunc(catalogue(), func(c Client) bool { return c.Name == word || c.Folder == word })
		if !known {
			unknown = append(unknown, word)
		}
	}
	if len(unknown) > 0 {
		return nil, fmt.Errorf("no client %s; there are %s, and %s, %s and %s", strings.Join(unknown, ", "), strings.Join(names(), ", "), SelectDefault, SelectAll, SelectNone)
	}
	return slices.DeleteFunc(All(), func(c Client) bool {
		return c.Kind != Probe && !slices.ContainsFunc(selection, func(word string) bool {
			return word == SelectAll || word == SelectDefault && c.Default || word == c.Name || word == c.Folder
		})
	}), nil
}

func names() []string {
	var list []string
	for _, c := range catalogue() {
		if !slices.Contains(list, c.Folder) {
			list = append(list, c.Folder)
		}
		if c.Name != c.Folder {
			list = append(list, c.Name)
		}
	}
	return list
}

// Compare orders versions by their numbers, so 2.9.19 precedes 2.15.0. A suffix, such as Debian's +dfsg-1, does not count.
func Compare(a, b string) int { return slices.Compare(numbers(a), numbers(b)) }

func numbers(version string) []int {
	var list []int
	for _, part := range strings.Split(version, ".") {
		digits := part[:len(part)-len(strings.TrimLeft(part, "0123456789"))]
		number, err := strconv.Atoi(digits)
		if err != nil {
			return list
		}
		list = append(list, number)
		if digits != part {
			return list
		}
	}
	return list
}

// description is client.yaml.
type description struct {
	SDK       string            `json:"sdk"`
	Floor     string            `json:"floor"`
	Source    string            `json:"source"`
	Kind      Kind              `json:"kind"`
	Packages  []string          `json:"packages"`
	VersionIn string            `json:"versionIn"`
	Program   []string          `json:"program"`
	Command   []string          `json:"command"`
	Limits    map[string]string `json:"limits"`
	Versions  []versionLine     `json:"versions"`
}

type versionLine struct {
	Version string            `json:"version"`
	Release string            `json:"release"`
	Kind    Kind              `json:"kind"`
	Limits  map[string]string `json:"limits"`
	Default bool              `json:"default"`
}

// read reads every folder and checks that the files in its description exist. The error names each problem.
func read(files fs.FS) ([]Client, error) {
	folders, err := fs.ReadDir(files, root)
	if err != nil {
		return nil, fmt.Errorf("read clients: %w", err)
	}
	var list []Client
	var problems []string
	for _, folder := range folders {
		var d description
		data, err := fs.ReadFile(files, path.Join(root, folder.Name(), "client.yaml"))
		if err == nil {
			err = yaml.UnmarshalStrict(data, &d)
		}
		if err != nil {
			return nil, fmt.Errorf("read client %s: %w", folder.Name(), err)
		}
		for _, line := range d.Versions {
			c := Client{
				Name: folder.Name(), Folder: folder.Name(), SDK: d.SDK, Version: line.Version, Floor: d.Floor, Source: d.Source,
				Kind: cmp.Or(line.Kind, d.Kind), Packages: d.Packages, VersionIn: d.VersionIn, Program: d.Program, Command: d.Command, Release: line.Release, Limits: map[string]string{}, Default: line.Default,
			}
			maps.Copy(c.Limits, d.Limits)
			maps.Copy(c.Limits, line.Limits)
			switch c.Kind {
			case Probe:
				c.Program = []string{"/epi-probe", "do", "--attempts", "3"}
			case Go:
				c.Program = []string{"/client/client"}
			}
			if pinned := cmp.Or(c.Version, c.Release); pinned != "" {
				c.Name += "@" + pinned
			}
			for _, problem := range c.problems(files) {
				problems = append(problems, fmt.Sprintf("client %s: %s", c.Name, problem))
			}
			list = append(list, c)
		}
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("read clients: %s", strings.Join(problems, "; "))
	}
	return list, nil
}

func (c Client) problems(files fs.FS) []string {
	var problems []string
	wants := func(what string, ok bool) {
		if !ok {
			problems = append(problems, "lacks "+what)
		}
	}
	has := func(name string) {
		_, err := fs.Stat(files, path.Join(root, c.Folder, name))
		wants(name, err == nil)
	}
	wants("sdk", c.SDK != "")
	wants("a floor with numbers", len(numbers(c.Floor)) > 1)
	wants("an https source", strings.HasPrefix(c.Source, "https://"))
	wants("a program", len(c.Program) > 0)
	wants("packages of its release", c.Release == "" || c.Kind == Debian)
	switch c.Kind {
	case Probe:
	case Go:
		wants("a version", c.Version != "")
		has("main.go")
		has(c.Version + ".mod")
		has(c.Version + ".sum")
	case NPM:
		wants("a version", c.Version != "")
		wants("packages", len(c.Packages) > 0)
		has(c.Version + ".lock.json")
	case Debian:
		wants("packages", len(c.Packages) > 0)
		wants("a versionIn", c.VersionIn != "")
	default:
		problems = append(problems, fmt.Sprintf("has kind %q, not %s, %s, %s or %s", c.Kind, Probe, Go, NPM, Debian))
	}
	return problems
}
