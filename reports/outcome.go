package reports

// outcomes lists every outcome, worst first: the order in which reports show them.
var outcomes = [...]Outcome{Fail, Error, NotRun, Skipped, NotSupported, Pass}

// Valid says whether o is one of the six outcomes.
func (o Outcome) Valid() bool {
	for _, known := range outcomes {
		if o == known {
			return true
		}
	}
	return false
}

// Decided says whether the outcome is a statement about the subject: it passed or it failed.
func (o Outcome) Decided() bool { return o == Pass || o == Fail }

// Label is the outcome in words, such as "not supported".
func (o Outcome) Label() string {
	switch o {
	case NotSupported:
		return "not supported"
	case NotRun:
		return "not run"
	default:
		return string(o)
	}
}

// Counts is the number of specs or requirements by outcome.
type Counts struct {
	Passed       int `yaml:"passed"`
	Failed       int `yaml:"failed"`
	Errored      int `yaml:"errored"`
	Skipped      int `yaml:"skipped"`
	NotSupported int `yaml:"notSupported"`
	NotRun       int `yaml:"notRun"`
}

// add counts one more. An invalid outcome counts as an error, and never as a pass.
func (c *Counts) add(o Outcome) {
	switch o {
	case Pass:
		c.Passed++
	case Fail:
		c.Failed++
	case Skipped:
		c.Skipped++
	case NotSupported:
		c.NotSupported++
	case NotRun:
		c.NotRun++
	default:
		c.Errored++
	}
}

// Of is the count of one outcome.
func (c Counts) Of(o Outcome) int {
	switch o {
	case Pass:
		return c.Passed
	case Fail:
		return c.Failed
	case Error:
		return c.Errored
	case Skipped:
		return c.Skipped
	case NotSupported:
		return c.NotSupported
	case NotRun:
		return c.NotRun
	default:
		return 0
	}
}

// Decided is the number of passes and failures.
func (c Counts) Decided() int { return c.Passed + c.Failed }

// Total is the number of all.
func (c Counts) Total() int {
	return c.Passed + c.Failed + c.Errored + c.Skipped + c.NotSupported + c.NotRun
}
