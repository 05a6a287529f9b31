package stats_test

import (
	"fmt"

	"github.com/podidentity/epi/bench/stats"
)

// Latencies in seconds of two runs, six repeats each.
func ExampleCompare() {
	before := []float64{0.0101, 0.0102, 0.0103, 0.0101, 0.0104, 0.0102}
	after := []float64{0.0131, 0.0129, 0.0133, 0.0130, 0.0132, 0.0131}
	difference, err := stats.Compare(before, after, stats.LowerIsBetter)
	fmt.Println(difference.Verdict, err)
	// Output: worse <nil>
}
