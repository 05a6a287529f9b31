package threshold_test

import (
	"fmt"

	"github.com/podidentity/epi/bench/threshold"
)

// A condition on one case of a scenario.
func ExampleParse() {
	conditions, err := threshold.Parse("warm/rate=900.p99<5ms")
	if err != nil {
		fmt.Println(err)
		return
	}
	c := conditions[0]
	fmt.Println(c.Scenario, c.Case, c.Metric, c.Operator, c.Limit)
	// Output: warm rate=900 p99 < 0.005
}
