package history

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/aclements/go-moremath/stats"

	"github.com/podidentity/epi/reports"
)

// Break is a requirement that held and then failed.
type Break struct {
	ID string
	// Held is the last run in which it held. Its Key is empty if it failed in every run that decided it.
	Held Record
	// Broke is the first run in which it failed. Fixed is the first one in which it held again, if there is one.
	Broke Record
	Fixed *Record
	// Failed is the number of consecutive runs in which it failed.
	Failed int
	// Undecided is the number of runs between Held and Broke that did not decide it.
	Undecided int
	// Changes are the differences between Held and Broke.
	Changes []Change
}

// Breaks returns those of a track, the lasting ones first, then by their run, the newest first.
func (t Track) Breaks() []Break {
	var list []Break
	for _, id := range t.IDs() {
		var held *Record
		var open *Break
		undecided := 0
		for i := range t.Runs {
			run := &t.Runs[i]
			switch run.OutcomeOf(id) {
			case reports.Pass:
				if open != nil {
					open.Fixed = run
					list = append(list, *open)
					open = nil
				}
				held, undecided = run, 0
			case reports.Fail:
				if open == nil {
					open = &Break{ID: id, Broke: *run, Undecided: undecided}
					if held != nil {
						open.Held, open.Changes = *held, Changes(*held, *run)
					}
				}
				open.Failed++
				undecided = 0
			default:
				undecided++
			}
		}
		if open != nil {
			list = append(list, *open)
		}
	}
	slices.SortStableFunc(list, func(a, b Break) int {
		lasts := func(b Break) int {
			if b.Fixed == nil {
				return 0
			}
			return 1
		}
		return cmp.Or(cmp.Compare(lasts(a), lasts(b)), b.Broke.Started.Compare(a.Broke.Started))
	})
	return list
}

// IDs are the requirements that any run of the track knows, sorted.
func (t Track) IDs() []string {
	known := map[string]bool{}
	var ids []string
	for _, run := range t.Runs {
		for _, list := range run.Requirements {
			for _, id := range list {
				if !known[id] {
					known[id] = true
					ids = append(ids, id)
				}
			}
		}
	}
	slices.SortFunc(ids, reports.CompareIDs)
	return ids
}

// Flake is a requirement that passed and failed without a change of the tested programs.
type Flake struct {
	ID string
	// Pairs are consecutive runs of the same subjects in the same kind of environment that both decided the requirement.
	// Flips are those with different results.
	Pairs, Flips int
	// OnlyEpi is the number of flips with another version of epi, which may be the reason.
	OnlyEpi int
	// Rate is Flips divided by Pairs, between Low and High with 95% confidence (Clopper and Pearson).
	Rate, Low, High float64
	// Once says that it flipped once and stayed: something that is not recorded may have changed.
	Once bool
	// Last are the runs of the newest flip.
	Before, After Record
}

// stays is the number of equal results after a single flip from which it counts as a change.
const stays = 4

// Flakes returns those of a track, the most frequent first. A single flip with another version of epi is none.
func (t Track) Flakes() []Flake {
	// The key of what was tested: runs with the same key have the same subjects.
	groups := map[string][]Record{}
	var keys []string
	for _, run := range t.Runs {
		key := subjectKey(run)
		if groups[key] == nil {
			keys = append(keys, key)
		}
		groups[key] = append(groups[key], run)
	}
	var list []Flake
	for _, id := range t.IDs() {
		flake := Flake{ID: id}
		agree := 0
		for _, key := range keys {
			var last *Record
			for i := range groups[key] {
				run := &groups[key][i]
				outcome := run.OutcomeOf(id)
				if !outcome.Decided() {
					continue
				}
				if last != nil {
					flake.Pairs++
					agree++
					if last.OutcomeOf(id) != outcome {
						flake.Flips++
						agree = 0
						if len(epiChanges(*last, *run)) > 0 {
							flake.OnlyEpi++
						}
						flake.Before, flake.After = *last, *run
					}
				}
				last = run
			}
		}
		if flake.Flips == 0 || flake.Flips == 1 && flake.OnlyEpi == 1 {
			continue
		}
		flake.Once = flake.Flips == 1 && agree >= stays
		flake.Rate = float64(flake.Flips) / float64(flake.Pairs)
		flake.Low, flake.High = proportion(flake.Flips, flake.Pairs)
		list = append(list, flake)
	}
	slices.SortStableFunc(list, func(a, b Flake) int { return cmp.Compare(b.Rate, a.Rate) })
	return list
}

// subjectKey is equal for runs between which subjectChanges finds nothing.
func subjectKey(r Record) string {
	var parts []string
	for _, change := range subjectChanges(Record{Environment: reports.Environment{Nodes: -1, IMDSHopLimit: -1}}, r) {
		parts = append(parts, change.What+"="+change.New)
	}
	return strings.Join(parts, "\n")
}

// confidence of all intervals. One minus it is the error of all change points of a store together.
const confidence = 0.95

// proportion is the exact interval of a share if k of n were seen
// (https://en.wikipedia.org/wiki/Binomial_proportion_confidence_interval#Clopper%E2%80%93Pearson_interval).
func proportion(k, n int) (low, high float64) {
	const tail = (1 - confidence) / 2
	// search finds the share at which a probability that grows with it reaches tail.
	search := func(of func(share float64) float64) float64 {
		low, high := 0.0, 1.0
		for high-low > 1e-9 {
			if middle := (low + high) / 2; of(middle) < tail {
				low = middle
			} else {
				high = middle
			}
		}
		return (low + high) / 2
	}
	if k > 0 { // at least k are seen
		low = search(func(share float64) float64 {
			return 1 - stats.BinomialDist{N: n, P: share}.CDF(float64(k-1))
		})
	}
	high = 1
	if k < n { // at most k are seen
		high = 1 - search(func(share float64) float64 {
			return stats.BinomialDist{N: n, P: 1 - share}.CDF(float64(k))
		})
	}
	return math.Max(0, low), math.Min(1, high)
}
