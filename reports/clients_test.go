package reports

import (
	"strings"
	"testing"
)

func TestClientResults(t *testing.T) {
	about := func(name string, outcome Outcome, ids ...string) Spec {
		return Spec{Name: name + " " + ids[0], Client: name, Outcome: outcome, Requirements: ids}
	}
	old := about("old", Pass, "SDK-02")
	old.Output = "a line\n" + ClientSaid + ": 169.254.170.23 is not a valid hostname\n"
	failed := about("broken", Fail, "SDK-01")
	failed.Failure = &Failure{Message: "expected a session"}
	run := Run{
		Clients: []Client{
			{Name: "good", SDK: "A", Version: "2.0.0", Limits: map[string]string{"SDK-05": "it hides the error"}},
			{Name: "old", SDK: "A", Version: "1.0.0", Floor: "1.5.0", TooOld: true},
			{Name: "broken", SDK: "B"}, {Name: "missing", SDK: "C", Missing: "no npm"}, {Name: "idle", SDK: "D"},
		},
		Specs: []Spec{about("good", Pass, "SDK-03"), about("good", Pass, "SDK-01"), old, failed, about("broken", Pass, "SDK-03"), {Name: "of none", Outcome: Fail}},
	}
	want := map[string][2]string{
		"good":    {"pass works SDK-01,SDK-03 ", "not SDK-05: it hides the error"},
		"old":     {"not-supported unsupported client SDK-02 ", "1.0.0 is older than 1.5.0, the first that knows Pod Identity; it says: 169.254.170.23 is not a valid hostname"},
		"broken":  {"fail does not work as required SDK-03 SDK-01", "expected a session"},
		"missing": {"not-supported could not be made  ", "no npm"},
		"idle":    {"not-run not examined  ", ""},
	}
	results := NewFindings(run).Clients
	if len(results) != len(want) || results[0].Name != "good" || results[1].Name != "old" {
		t.Fatalf("%+v", results)
	}
	for _, r := range results {
		got := strings.Join([]string{string(r.Outcome), r.Verdict, strings.Join(r.Held, ","), strings.Join(r.Broken, ",")}, " ")
		if got != want[r.Name][0] || r.Reason != want[r.Name][1] {
			t.Errorf("%s: %q, %q; want %q", r.Name, got, r.Reason, want[r.Name])
		}
	}
	// A client that is too old does not fail the platform.
	if verdict := NewFindings(Run{Clients: run.Clients[1:2], Specs: []Spec{old}, Ended: run.Started.Add(1)}).Verdict; verdict.Outcome != Pass {
		t.Errorf("verdict %+v", verdict)
	}
}

func TestClientMatrixIsInEveryReport(t *testing.T) {
	run := Run{
		Clients: []Client{{Name: "old", SDK: "AWS <CLI>", Version: "2.9.19", Floor: "2.15.0", TooOld: true}, {Name: "new", SDK: "AWS SDK", Version: "2"}},
		Specs:   []Spec{{Client: "new", Outcome: Pass, Requirements: []string{"SDK-01"}}, {Client: "old", Outcome: Pass, Requirements: []string{"SDK-02"}}},
	}
	var yaml, html, text strings.Builder
	if err := WriteConformance(&yaml, NewFindings(run)); err != nil {
		t.Fatal(err)
	}
	if err := WriteHTML(&html, NewFindings(run)); err != nil {
		t.Fatal(err)
	}
	if err := WriteSummary(&text, NewFindings(run), SummaryOptions{}); err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct{ text, want string }{
		"yaml": {yaml.String(), "verdict: unsupported client"}, "html": {html.String(), "AWS &lt;CLI&gt;"},
		"html verdict": {html.String(), "unsupported client"}, "text": {text.String(), "AWS <CLI> 2.9.19: unsupported client: 2.9.19 is older than 2.15.0"},
	} {
		if !strings.Contains(row.text, row.want) {
			t.Errorf("%s lacks %q:\n%s", name, row.want, row.text)
		}
	}
}
