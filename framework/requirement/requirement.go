// Package requirement is the catalogue of what EKS Pod Identity has to do, as data. It also has the labels by which a spec
// names the requirements that it decides and its needs.
package requirement

import (
	"embed"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"sync"

	"sigs.k8s.io/yaml"
)

// Level is how binding a requirement is, in the terms of RFC 2119.
type Level string

// The levels: a profile's core, and its extension.
const (
	Must   Level = "MUST"
	Should Level = "SHOULD"
)

// Profile names the part that has to hold a requirement.
type Profile string

// The profiles, in the order of a request.
const (
	Webhook  Profile = "webhook"
	Agent    Profile = "agent"
	Platform Profile = "platform" // associations, EKS Auth, session tags, policies, instance metadata
	Client   Profile = "client"   // SDKs
)

// Profiles lists them in that order.
func Profiles() []Profile { return []Profile{Webhook, Agent, Platform, Client} }

// Runs says where a requirement can be decided.
type Runs string

// The places: with the emulator, on AWS, or on both.
const (
	Local Runs = "local"
	AWS   Runs = "aws"
	Both  Runs = "both"
)

// Requirement is one entry of the catalogue.
type Requirement struct {
	// ID such as "INJ-01". Its meaning never changes.
	ID      string  `json:"id"`
	Level   Level   `json:"level"`
	Profile Profile `json:"profile"`
	// Statement is what a spec decides, in one sentence.
	Statement string `json:"statement"`
	// Source is the document with the requirement.
	Source string `json:"source"`
	Runs   Runs   `json:"runs"`
	// Since is the release of epi that first decided it.
	Since string `json:"since"`
}

//go:embed catalogue/*.yaml
var documents embed.FS

// catalogue is read once. It is part of the program, so an error in it is an error of the program.
var catalogue = sync.OnceValue(func() []Requirement {
	list, err := read(documents)
	if err != nil {
		panic(err)
	}
	return list
})

// All returns the catalogue in the order of its files and of the entries in them.
func All() []Requirement { return slices.Clone(catalogue()) }

// Lookup returns the requirement with the ID.
func Lookup(id string) (Requirement, bool) {
	list := catalogue()
	if i := slices.IndexFunc(list, func(r Requirement) bool { return r.ID == id }); i >= 0 {
		return list[i], true
	}
	return Requirement{}, false
}

// retired are the IDs of retired requirements, with the reasons. No ID is used again with another meaning.
func retired() map[string]string {
	return map[string]string{
		"AGT-12": "It asked for a limit of 1000 requests a second, which is upstream's choice and in nobody's interest; AGT-21 asks for what the limit is for.",
	}
}

var idForm = regexp.MustCompile(`^[A-Z0-9]+-[0-9]{2}$`)

// read reads the files of a catalogue, one for each subject, and checks every entry. The error names each invalid one.
func read(files fs.FS) ([]Requirement, error) {
	names, err := fs.Glob(files, "catalogue/*.yaml")
	if err != nil {
		return nil, fmt.Errorf("read catalogue of requirements: %w", err)
	}
	var list []Requirement
	var problems []string
	seen := map[string]bool{}
	for _, name := range names {
		var entries []Requirement
		data, err := fs.ReadFile(files, name)
		if err == nil {
			err = yaml.UnmarshalStrict(data, &entries)
		}
		if err != nil {
			return nil, fmt.Errorf("read catalogue of requirements, %s: %w", name, err)
		}
		for i, r := range entries {
			for _, problem := range r.problems() {
				problems = append(problems, fmt.Sprintf("%s, entry %d (%s): %s", name, i+1, r.ID, problem))
			}
			if why, ok := retired()[r.ID]; ok {
				problems = append(problems, fmt.Sprintf("%s, entry %d (%s): id is retired and stays so: %s", name, i+1, r.ID, why))
			}
			if seen[r.ID] {
				problems = append(problems, fmt.Sprintf("%s, entry %d (%s): id is used twice", name, i+1, r.ID))
			}
			seen[r.ID] = true
		}
		list = append(list, entries...)
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("read catalogue of requirements: %s", strings.Join(problems, "; "))
	}
	return list, nil
}

// problems returns the problems of one entry.
func (r Requirement) problems() []string {
	var problems []string
	complain := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if !idForm.MatchString(r.ID) {
		complain("id is not of the form ABC-01")
	}
	if !slices.Contains([]Level{Must, Should}, r.Level) {
		complain("level %q is not MUST or SHOULD", r.Level)
	}
	if !slices.Contains(Profiles(), r.Profile) {
		complain("profile %q is not webhook, agent, platform or client", r.Profile)
	}
	if !slices.Contains([]Runs{Local, AWS, Both}, r.Runs) {
		complain("runs %q is not local, aws or both", r.Runs)
	}
	if !strings.HasSuffix(r.Statement, ".") {
		complain("statement is not a sentence")
	}
	if r.Source == "" || r.Since == "" {
		complain("source or since is missing")
	}
	return problems
}
