// Package requirement is the catalogue of what EKS Pod Identity has to do, as data, and the words
// by which a spec says which requirements it decides and what it needs of the environment.
package requirement

import (
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"sigs.k8s.io/yaml"
)

// Level is how binding a requirement is, in the words of RFC 2119.
type Level string

// The levels: a profile's core, and its extension.
const (
	Must   Level = "MUST"
	Should Level = "SHOULD"
)

// Profile is who has to hold a requirement.
type Profile string

// The profiles, on the way of a request.
const (
	Webhook  Profile = "webhook"
	Agent    Profile = "agent"
	Platform Profile = "platform" // associations, EKS Auth, session tags, policies, instance metadata
	Client   Profile = "client"   // SDKs
)

// Runs is where a requirement can be decided.
type Runs string

// The places: with the emulator, on AWS, or on both.
const (
	Local Runs = "local"
	AWS   Runs = "aws"
	Both  Runs = "both"
)

// Requirement is one entry of the catalogue.
type Requirement struct {
	// ID such as "INJ-01"; it never changes its meaning.
	ID      string  `json:"id"`
	Level   Level   `json:"level"`
	Profile Profile `json:"profile"`
	// Statement is what a spec decides, in one sentence.
	Statement string `json:"statement"`
	// Source is the document that says so.
	Source string `json:"source"`
	Runs   Runs   `json:"runs"`
	// Since is the release of epi that first decided it.
	Since string `json:"since"`
}

//go:embed catalogue.yaml
var document []byte

// catalogue is parsed once: it is part of the program, so an error in it is one of the program.
var catalogue = sync.OnceValue(func() []Requirement {
	list, err := parse(document)
	if err != nil {
		panic(err)
	}
	return list
})

// All returns the catalogue in the order of the document.
func All() []Requirement { return slices.Clone(catalogue()) }

// Lookup returns the requirement with the ID.
func Lookup(id string) (Requirement, bool) {
	list := catalogue()
	if i := slices.IndexFunc(list, func(r Requirement) bool { return r.ID == id }); i >= 0 {
		return list[i], true
	}
	return Requirement{}, false
}

var idForm = regexp.MustCompile(`^[A-Z0-9]+-[0-9]{2}$`)

// parse reads a catalogue and checks every entry; the error names each that is wrong.
func parse(data []byte) ([]Requirement, error) {
	var list []Requirement
	if err := yaml.UnmarshalStrict(data, &list); err != nil {
		return nil, fmt.Errorf("read catalogue of requirements: %w", err)
	}
	var problems []string
	seen := map[string]bool{}
	for i, r := range list {
		complain := func(format string, args ...any) {
			problems = append(problems, fmt.Sprintf("entry %d (%s): ", i+1, r.ID)+fmt.Sprintf(format, args...))
		}
		if !idForm.MatchString(r.ID) {
			complain("id is not of the form ABC-01")
		}
		if seen[r.ID] {
			complain("id is used twice")
		}
		seen[r.ID] = true
		if !slices.Contains([]Level{Must, Should}, r.Level) {
			complain("level %q is not MUST or SHOULD", r.Level)
		}
		if !slices.Contains([]Profile{Webhook, Agent, Platform, Client}, r.Profile) {
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
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("read catalogue of requirements: %s", strings.Join(problems, "; "))
	}
	return list, nil
}
