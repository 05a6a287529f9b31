package reports

// Levels of requirements: a profile's core and its extension.
const (
	Must   = "MUST"
	Should = "SHOULD"
)

// ProfileResult has the run's results about one profile of the catalogue.
type ProfileResult struct {
	Name string
	// Core counts the MUST requirements, Extended all others.
	Core, Extended LevelResult
}

// LevelResult has the run's results about the requirements of one level of a profile.
type LevelResult struct {
	Counts Counts
	// Failed are the IDs of the requirements that failed, sorted.
	Failed []string
	// Undecided are the requirements that neither passed nor failed, sorted, each with its reason.
	Undecided []RequirementResult
}

// Result summarizes a level in a word: "fail" if any requirement failed, otherwise "error" if any could not be decided,
// "pass" if all passed, "partial" if some did, "undecided" if none did, and "" for a level without requirements.
func (l LevelResult) Result() string {
	c := l.Counts
	switch {
	case c.Total() == 0:
		return ""
	case c.Failed > 0:
		return "fail"
	case c.Errored > 0:
		return "error"
	case c.Passed == c.Total():
		return "pass"
	case c.Passed > 0:
		return "partial"
	default:
		return "undecided"
	}
}

// profileResults groups the requirements of the catalogue by profile, in the order of the results.
// Requirements that the catalogue lacks belong to no profile.
func profileResults(results []RequirementResult) []ProfileResult {
	var profiles []ProfileResult
	for _, result := range results {
		if result.Profile == "" {
			continue
		}
		// Results are sorted by profile.
		if n := len(profiles); n == 0 || profiles[n-1].Name != result.Profile {
			profiles = append(profiles, ProfileResult{Name: result.Profile})
		}
		profile := &profiles[len(profiles)-1]
		level := &profile.Extended
		if result.Level == Must {
			level = &profile.Core
		}
		level.Counts.add(result.Outcome)
		switch {
		case result.Outcome == Fail:
			level.Failed = append(level.Failed, result.ID)
		case !result.Outcome.Decided():
			level.Undecided = append(level.Undecided, result)
		}
	}
	return profiles
}
