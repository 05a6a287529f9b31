package mutation

import (
	"slices"

	"github.com/podidentity/epi/framework/requirement"
)

// Scope is which specs are run on a mutant.
type Scope string

// The scopes.
const (
	// Declared: those that cover what the mutant declares to violate.
	ScopeDeclared Scope = "declared"
	// ScopeSubject: also those of every profile that the subject has a part in.
	ScopeSubject Scope = "subject"
	// ScopeAll: all.
	ScopeAll Scope = "all"
)

// Scopes lists them.
func Scopes() []Scope { return []Scope{ScopeDeclared, ScopeSubject, ScopeAll} }

// influence is the profiles that a subject has a part in. The emulator has one in all that needs
// credentials or associations, and so has the probe, which asks for the tests.
var influence = map[Subject][]requirement.Profile{
	Agent:    {requirement.Agent, requirement.Platform, requirement.Client},
	Webhook:  {requirement.Webhook, requirement.Platform},
	Emulator: {requirement.Agent, requirement.Platform, requirement.Client},
	Probe:    {requirement.Client, requirement.Platform},
}

// requirements are the requirements whose specs are run on the mutant; nil for all.
func (s Scope) requirements(m Mutant) []string {
	if s == ScopeAll {
		return nil
	}
	list := slices.Clone(m.Violates)
	if s == ScopeSubject {
		for _, r := range requirement.All() {
			if slices.Contains(influence[m.Subject], r.Profile) && !slices.Contains(list, r.ID) {
				list = append(list, r.ID)
			}
		}
	}
	return list
}
