// Package mutation proves that the suites detect what they claim to detect. It builds broken variants, called mutants, of
// the agent, the webhook, the emulator and the probe. It compares the suites' results for each with the requirements that
// the mutant declares to violate.
//
// A mutant is data: an edit of the source that is applied during the build. No released program contains any of it.
package mutation

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/podidentity/epi/framework/requirement"
)

// Subject is the program that a mutant breaks.
type Subject string

// The subjects; each is the command cmd/epi-NAME.
const (
	Agent    Subject = "agent"
	Webhook  Subject = "webhook"
	Emulator Subject = "emulator"
	Probe    Subject = "probe" // the client that runs in test pods
)

// Mutant is one broken variant.
type Mutant struct {
	// Name such as "agent-ignores-host": the subject, then its effect. It is unique.
	Name    string  `json:"name"`
	Subject Subject `json:"subject"`
	// Does says in a few words what it does wrong.
	Does string `json:"does"`
	// Violates are the IDs of the requirements that must fail.
	Violates []string `json:"violates"`
	Edits    []Edit   `json:"edits"`
	// Mechanical says that the mutant was drawn at random and declares nothing: any failure kills it.
	Mechanical bool `json:"-"`
	// Equivalent says why the mutant cannot be distinguished from the reference. It is not run then.
	Equivalent string `json:"-"`
}

// Edit replaces text that occurs exactly once in a file of the repository.
type Edit struct {
	// File is the path from the root of the repository.
	File    string `json:"file"`
	Replace string `json:"replace"`
	With    string `json:"with"`
}

// Read reads every file *.yaml at the top of files, each a list of mutants, and checks them. The error names each problem.
func Read(files fs.FS) ([]Mutant, error) {
	names, err := fs.Glob(files, "*.yaml")
	if err != nil {
		return nil, fmt.Errorf("read mutants: %w", err)
	}
	var list []Mutant
	var problems []error
	seen := map[string]bool{}
	for _, name := range names {
		var mutants []Mutant
		data, err := fs.ReadFile(files, name)
		if err == nil {
			err = yaml.UnmarshalStrict(data, &mutants)
		}
		if err != nil {
			return nil, fmt.Errorf("read mutants, %s: %w", name, err)
		}
		for i, m := range mutants {
			for _, problem := range m.problems() {
				problems = append(problems, fmt.Errorf("%s, entry %d (%s): %s", name, i+1, m.Name, problem))
			}
			if seen[m.Name] {
				problems = append(problems, fmt.Errorf("%s, entry %d (%s): name is used twice", name, i+1, m.Name))
			}
			seen[m.Name] = true
		}
		list = append(list, mutants...)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("read mutants: %w", err)
	}
	return list, nil
}

var nameForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)+$`)

func (m Mutant) problems() []string {
	var problems []string
	complain := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if !slices.Contains([]Subject{Agent, Webhook, Emulator, Probe}, m.Subject) {
		complain("subject %q is not agent, webhook, emulator or probe", m.Subject)
	}
	if !nameForm.MatchString(m.Name) || !strings.HasPrefix(m.Name, string(m.Subject)+"-") {
		complain("name is not of the form %s-does-this", m.Subject)
	}
	if m.Does == "" {
		complain("does not say what it does")
	}
	if len(m.Violates) == 0 {
		complain("violates nothing")
	}
	for _, id := range m.Violates {
		if _, ok := requirement.Lookup(id); !ok {
			complain("the catalogue has no requirement %q", id)
		}
	}
	if len(m.Edits) == 0 {
		complain("edits nothing")
	}
	for _, edit := range m.Edits {
		if !edit.mayEdit(m.Subject) {
			complain("file %q is neither a Go file of the repository nor the subject's manifest", edit.File)
		}
		if edit.Replace == "" || edit.Replace == edit.With {
			complain("an edit of %s changes nothing", edit.File)
		}
	}
	return problems
}

// manifest is the end of the names of manifests.
const manifest = ".yaml"

// mayEdit says whether the file is part of the subject. Of the manifests only the webhook's is, because its registration
// decides about its requests.
func (e Edit) mayEdit(subject Subject) bool {
	if !fs.ValidPath(e.File) || strings.HasSuffix(e.File, "_test.go") {
		return false
	}
	return path.Ext(e.File) == ".go" || subject == Webhook && path.Dir(e.File) == "manifests/webhook" && path.Ext(e.File) == manifest
}

// Apply returns the new contents of each file that the mutant edits; root is the repository.
func (m Mutant) Apply(root fs.FS) (map[string][]byte, error) {
	edited := map[string][]byte{}
	for _, edit := range m.Edits {
		text, ok := edited[edit.File]
		if !ok {
			var err error
			if text, err = fs.ReadFile(root, edit.File); err != nil {
				return nil, fmt.Errorf("apply mutant %s: %w", m.Name, err)
			}
		}
		if n := strings.Count(string(text), edit.Replace); n != 1 {
			return nil, fmt.Errorf("apply mutant %s: %s has %d times, not once, the text\n%s", m.Name, edit.File, n, edit.Replace)
		}
		edited[edit.File] = []byte(strings.Replace(string(text), edit.Replace, edit.With, 1))
	}
	return edited, nil
}
