package compat

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/clusters/emulator/emulatortest"
)

var update = flag.Bool("update", false, "write COMPATIBILITY.md anew")

const golden = "COMPATIBILITY.md"

// testCase is one input of one operation.
type testCase struct {
	// service is the signing name, or "imds".
	service string
	// operation is the name in the API reference; for the metadata service it is method and path. anyOperation stands for
	// the whole service.
	operation string
	input     string
	want      answer
	do        func(context.Context, *fixture) error
}

const anyOperation = "(any)"

// answer is what the service answered. A zero code with a status from 300 on is an answer without a code.
type answer struct {
	status int
	code   string
}

// accepted is any status below 300.
var accepted = answer{}

func refused(status int, code string) answer { return answer{status, code} }

func (a answer) accepted() bool { return a.status < 300 && a.code == "" }

// satisfies says whether the observed answer a is the wanted one.
func (a answer) satisfies(want answer) bool {
	return a == want || want == accepted && a.accepted()
}

func (a answer) String() string { return strings.TrimSpace(fmt.Sprintf("%d %s", a.status, a.code)) }

// fixture is the fixture of one case: clients whose answers are recorded.
type fixture struct {
	*emulatortest.Fixture
	t *testing.T
}

// must ends the case if its preparation fails.
func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatalf("prepare: %v", err)
	}
}

// last drops the output of a call.
func last[T any](_ T, err error) error { return err }

func cases() []testCase {
	return slices.Concat(eksCases(), eksInputCases(), eksTagCases(), eksAddonCases(), eksAuthCases(), iamCases(), stsCases(), stsWebIdentityCases(), stsKeyInfoCases(), stsIdentityCases(), s3Cases(), imdsCases(), signatureCases(), ec2Cases(), ec2NetworkCases(), ec2TemplateCases(), eksClusterCases(), cloudFormationCases(), ecrCases())
}

func TestCompatibility(t *testing.T) {
	server := emulatortest.Start(t)
	wire := &recorder{next: server.HTTP.Transport}
	server.HTTP.Transport = wire
	all := cases()
	rows := make([]row, 0, len(all))
	seen := map[string]bool{}
	calls := journal{client: server.Control}
	for n, c := range all {
		name := strings.Join([]string{c.service, c.operation, c.input}, "/")
		if seen[name] {
			t.Errorf("%s is there twice", name)
		}
		seen[name] = true
		t.Run(name, func(t *testing.T) {
			defer server.SetClock(0)
			f := &fixture{server.Fixture(t, fmt.Sprintf("case-%04d", n)), t}
			wire.reset()
			err := c.do(t.Context(), f)
			got := wire.last()
			switch {
			case got.status == 0:
				t.Fatalf("no request was sent: %v", err)
			case (err == nil) != got.accepted():
				t.Fatalf("the client says %v to the answer %s", err, got.answer)
			case !got.satisfies(c.want):
				t.Fatalf("answer is %s, want %s: %v", got.answer, c.want, err)
			}
			calls.check(t, c, got)
			rows = append(rows, row{c.service, c.operation, c.input, got.answer})
		})
	}
	if len(rows) != len(all) {
		t.Logf("%d of %d cases ran and held: the table is not compared", len(rows), len(all))
		return
	}
	compare(t, render(rows))
}

// journal reads the calls since it was last read.
type journal struct {
	client *control.Client
	after  uint64
}

// check finds the request in the journal: the row must be about the operation that the journal names.
func (j *journal) check(t *testing.T, c testCase, got exchange) {
	t.Helper()
	if c.service == "imds" {
		if c.operation != anyOperation && got.route != c.operation {
			t.Fatalf("the request was %s", got.route)
		}
		return
	}
	call := j.find(t, got.requestID)
	// A signature is refused before the operation is determined.
	unknown := call.Operation == "" && call.Principal == "" && !got.accepted()
	if call.Service != c.service || c.operation != anyOperation && call.Operation != c.operation && !unknown {
		t.Fatalf("the request was %s %s", call.Service, call.Operation)
	}
}

// find waits for the call. The journal gets it when its handler is done, which may be a moment after the client has the
// answer.
func (j *journal) find(t *testing.T, requestID string) control.Call {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		page, err := j.client.Calls(t.Context(), j.after)
		if err != nil {
			t.Fatal(err)
		}
		for _, call := range page.Calls {
			if call.RequestID == requestID {
				j.after = page.Last
				return call
			}
		}
	}
	t.Fatalf("the journal has no request %q", requestID)
	return control.Call{}
}

func compare(t *testing.T, table string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(golden, []byte(table), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	kept, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(kept) == table {
		return
	}
	old, now := strings.Split(string(kept), "\n"), strings.Split(table, "\n")
	for _, line := range old {
		if !slices.Contains(now, line) {
			t.Errorf("- %s", line)
		}
	}
	for _, line := range now {
		if !slices.Contains(old, line) {
			t.Errorf("+ %s", line)
		}
	}
	t.Error(golden + " is not what the emulator does: run go test ./clusters/emulator/compat -update and look at the difference")
}

// TestEveryOperationHasCases: each operation has an accepted and a refused case of its own.
func TestEveryOperationHasCases(t *testing.T) {
	type found struct{ accepted, refused bool }
	have := map[string]*found{}
	for _, c := range cases() {
		name := c.service + " " + c.operation
		if have[name] == nil {
			have[name] = &found{}
		}
		have[name].accepted = have[name].accepted || c.want == accepted
		have[name].refused = have[name].refused || c.want != accepted
	}
	known := map[string]bool{}
	for service, operations := range operations() {
		known[service+" "+anyOperation] = true
		for _, operation := range operations {
			name := service + " " + operation
			known[name] = true
			switch got := have[name]; {
			case got == nil:
				t.Errorf("%s has no case", name)
			case !got.accepted && !neverAccepted[name]:
				t.Errorf("%s has no input that is accepted", name)
			case !got.refused:
				t.Errorf("%s has no input that is refused", name)
			}
		}
	}
	for name := range have {
		if !known[name] {
			t.Errorf("%s is not among the operations of its service", name)
		}
	}
}

func TestCompareSeesADifference(t *testing.T) {
	for _, test := range []struct {
		got, want answer
		satisfied bool
	}{
		{answer{200, ""}, accepted, true},
		{answer{204, ""}, accepted, true},
		{answer{http.StatusNotFound, ""}, accepted, false},
		{answer{200, "InternalError"}, accepted, false},
		{answer{404, "NoSuchKey"}, refused(404, "NoSuchKey"), true},
		{answer{403, "NoSuchKey"}, refused(404, "NoSuchKey"), false},
		{answer{404, ""}, refused(404, "NoSuchKey"), false},
		{answer{200, ""}, refused(404, ""), false},
	} {
		if test.got.satisfies(test.want) != test.satisfied {
			t.Errorf("%v and %v", test.got, test.want)
		}
	}
}
