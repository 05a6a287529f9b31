package generator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/podidentity/epi/framework/probe"
)

// Offset says how far the clocks of nodes are ahead of this machine's: between Least, which is negative for a clock that is
// behind, and Most.
type Offset struct{ Least, Most time.Duration }

func (o Offset) String() string {
	return fmt.Sprintf("between %+.3f s and %+.3f s", o.Least.Seconds(), o.Most.Seconds())
}

const (
	// clockNodes is the largest number of nodes to ask. The same servers set all clocks of a cluster.
	clockNodes = 10
	// clockAsks is how often each clock is read. The quickest answers are the most precise.
	clockAsks = 5
)

// Clocks compares the clocks of up to 10 nodes with this machine's.
func (f *Fleet) Clocks(ctx context.Context) (Offset, error) {
	var all *Offset
	asked := 0
	for node, observer := range f.observers {
		if asked++; asked > clockNodes {
			break
		}
		var heard []reading
		for range clockAsks {
			var answer probe.Clock
			r := reading{before: time.Now()}
			if err := ask(ctx, observer, &answer, "do", probe.OpClock); err != nil {
				return Offset{}, fmt.Errorf("ask node %s for its time: %w", node, err)
			}
			r.after, r.other = time.Now(), answer.Now
			heard = append(heard, r)
		}
		own := offset(heard)
		if all == nil {
			all = &own
		}
		all.Least, all.Most = min(all.Least, own.Least), max(all.Most, own.Most)
	}
	if all == nil {
		return Offset{}, errors.New("ask nodes for their time: there is none")
	}
	return *all, nil
}

// reading is the time of another clock between two times of this one.
type reading struct{ before, other, after time.Time }

// offset combines all readings of a clock, of which there is at least one.
func offset(readings []reading) Offset {
	var o Offset
	for i, r := range readings {
		// Both are wall clock times, because the other's has no monotonic reading.
		least, most := r.other.Sub(r.after.Round(0)), r.other.Sub(r.before.Round(0))
		if i == 0 || least > o.Least {
			o.Least = least
		}
		if i == 0 || most < o.Most {
			o.Most = most
		}
	}
	return o
}
