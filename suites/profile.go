package suites

import (
	"fmt"
	"slices"
	"strings"

	"github.com/podidentity/epi/framework/requirement"
)

// Levels that a run can ask for.
const (
	Core     = "core"     // what decides a MUST
	Extended = "extended" // what decides a MUST or a SHOULD
	All      = "all"      // every spec
)

// Levels lists them.
func Levels() []string { return []string{Core, Extended, All} }

// profiles is what a run decides: the requirements of these levels that these profiles have to hold.
type profiles struct {
	levels []requirement.Level   // nil: every spec, whatever it covers
	who    []requirement.Profile // nil: all
}

// parseProfiles reads words such as "core", "agent" and "webhook": any number of profiles, and at
// most one level, in any order.
func parseProfiles(list []string) (profiles, error) {
	var chosen profiles
	level := ""
	for _, word := range list {
		word = strings.TrimSpace(word)
		who := requirement.Profile(word)
		switch {
		case slices.Contains(Levels(), word):
			if level != "" && level != word {
				return profiles{}, fmt.Errorf("profile takes one of %s, not %s and %s", strings.Join(Levels(), ", "), level, word)
			}
			level = word
		case !slices.Contains(requirement.Profiles(), who):
			return profiles{}, fmt.Errorf("profile %q is none of %s (who has to hold it) and none of %s (how binding it is); for example agent,webhook,core",
				word, strings.Join(names(requirement.Profiles()), ", "), strings.Join(Levels(), ", "))
		case !slices.Contains(chosen.who, who):
			chosen.who = append(chosen.who, who)
		}
	}
	switch level {
	case Core:
		chosen.levels = []requirement.Level{requirement.Must}
	case Extended:
		chosen.levels = []requirement.Level{requirement.Must, requirement.Should}
	}
	return chosen, nil
}

// every says that nothing is left out.
func (p profiles) every() bool { return len(p.levels) == 0 && len(p.who) == 0 }

// have says whether the requirement is among them.
func (p profiles) have(r requirement.Requirement) bool {
	return (len(p.levels) == 0 || slices.Contains(p.levels, r.Level)) && (len(p.who) == 0 || slices.Contains(p.who, r.Profile))
}

func names(list []requirement.Profile) []string {
	names := make([]string, 0, len(list))
	for _, profile := range list {
		names = append(names, string(profile))
	}
	return names
}
