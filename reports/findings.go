package reports

// Findings are the results of a run in the order of every report, with all that follows from them. They are computed once
// and given to every writer. Writers do not change them.
type Findings struct {
	// Run is a copy of the run with its lists in the order of the reports and its times in UTC. Specs are sorted by suite
	// and name, so that reports do not depend on which of two parallel specs ended first.
	Run Run
	// Verdict is the result of the whole run.
	Verdict Verdict
	// Requirements are the results of the requirements, sorted by profile and ID; Profiles groups those of the catalogue.
	Requirements []RequirementResult
	Profiles     []ProfileResult
	// Clients are the results of the client matrix, sorted by SDK and name.
	Clients []ClientResult
	// Failures are the indexes in Run.Specs of the specs that failed, then of those that could not be decided, each in the
	// order of the requirements: a failure of a pod's admission comes before its consequences. Specs that the environment
	// left undecided are not among them, because reports show them with its absence.
	Failures []int

	// causes groups the failures by their probable cause, in the order of Failures.
	causes []*cause
	// catalogue has the requirements of the run by their IDs.
	catalogue map[string]Requirement
}

// NewFindings computes the findings of a run. It does not change the run.
func NewFindings(run Run) *Findings {
	run = run.sorted()
	f := &Findings{Run: run, Requirements: run.requirementResults(), Clients: run.clientResults(), catalogue: map[string]Requirement{}}
	for _, requirement := range run.Requirements {
		f.catalogue[requirement.ID] = requirement
	}
	f.Profiles = profileResults(f.Requirements)
	f.Verdict = run.verdict(f.Requirements)
	f.Failures = run.failures(f.catalogue)
	f.causes = causesOf(run.Specs, f.Failures)
	return f
}
