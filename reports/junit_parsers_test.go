package reports

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"testing"

	"github.com/joshdk/go-junit"
	reporter "github.com/jstemmer/go-junit-report/v2/junit"
)

// Two independent parsers read the writer's output and find the same.
func TestJUnitIsReadByOthers(t *testing.T) {
	for name, run := range samples() {
		data := written(t, of(WriteJUnit), run)
		var own struct {
			Suites []struct {
				Cases []struct {
					Failure *struct{} `xml:"failure"`
					Error   *struct{} `xml:"error"`
					Skipped *struct{} `xml:"skipped"`
				} `xml:"testcase"`
			} `xml:"testsuite"`
		}
		if err := xml.Unmarshal(bytes.ToValidUTF8(data, nil), &own); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want := map[string]int{}
		for _, suite := range own.Suites {
			for _, c := range suite.Cases {
				switch {
				case c.Failure != nil:
					want["failed"]++
				case c.Error != nil:
					want["error"]++
				case c.Skipped != nil:
					want["skipped"]++
				default:
					want["passed"]++
				}
			}
		}
		suites, err := junit.Ingest(data)
		if err != nil {
			t.Errorf("%s: joshdk/go-junit: %v", name, err)
		}
		first := map[string]int{}
		for _, suite := range suites {
			for _, test := range suite.Tests {
				first[string(test.Status)]++
			}
		}
		var read reporter.Testsuites
		if err := xml.Unmarshal(data, &read); err != nil {
			t.Errorf("%s: jstemmer/go-junit-report: %v", name, err)
		}
		second := map[string]int{}
		for _, suite := range read.Suites {
			failed, errored, skipped := 0, 0, 0
			for _, c := range suite.Testcases {
				switch {
				case c.Failure != nil:
					failed++
				case c.Error != nil:
					errored++
				case c.Skipped != nil:
					skipped++
				}
			}
			if failed != suite.Failures || errored != suite.Errors || skipped != suite.Skipped || len(suite.Testcases) != suite.Tests {
				t.Errorf("%s: suite %s says %d tests, %d failures, %d errors, %d skipped, and has %d, %d, %d, %d", name, suite.Name,
					suite.Tests, suite.Failures, suite.Errors, suite.Skipped, len(suite.Testcases), failed, errored, skipped)
			}
			for status, n := range map[string]int{"failed": failed, "error": errored, "skipped": skipped, "passed": len(suite.Testcases) - failed - errored - skipped} {
				if n > 0 {
					second[status] += n
				}
			}
		}
		if fmt.Sprint(first) != fmt.Sprint(want) || fmt.Sprint(second) != fmt.Sprint(want) {
			t.Errorf("%s: written %v, read %v and %v", name, want, first, second)
		}
	}
}
