package main

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/podidentity/epi/reports"
	"github.com/podidentity/epi/suites"
)

func TestOnlyChoosesWholeNames(t *testing.T) {
	expression := regexp.MustCompile(only([]suites.Spec{{Key: "A pod (of one) works"}, {Key: "It holds"}}))
	for name, want := range map[string]bool{
		"A pod (of one) works": true, "It holds": true, "It holds too": false, "When asked It holds": false, "A pod of one works": false,
	} {
		if expression.MatchString(name) != want {
			t.Errorf("%q: %t", name, !want)
		}
	}
}

func TestTableOfSpecsAlone(t *testing.T) {
	var out strings.Builder
	writeEach(&out, []reports.Spec{
		{Name: "It holds", Requirements: []string{"AGT-01", "AGT-02"}, Outcome: reports.Pass, Duration: 1500 * time.Millisecond},
		{Name: "It holds in company", Requirements: []string{"OPS-03"}, Outcome: reports.Fail, Duration: time.Second},
	})
	for _, want := range []string{`pass +1\.5s +AGT-01 AGT-02 +It holds\n`, `fail +1\.0s +OPS-03 +It holds in company\n`, `2 specs alone: 1 held, 1 did not\n$`} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("%s is not in\n%s", want, out.String())
		}
	}
}

func TestEachIsNotRepeated(t *testing.T) {
	code, _, errOut := invoke(t, nil, "test", "--each", "--repeat", "2")
	if code != 2 || !strings.Contains(errOut, "--each and --repeat") {
		t.Errorf("exit %d: %s", code, errOut)
	}
}
