package mutation

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/epi/reports"
)

func sample() *Matrix {
	failed := reports.Spec{Name: "Agent says nonsense", Requirements: []string{"AGT-01"}, Outcome: reports.Error, Failure: &reports.Failure{Message: "pod is gone\nsince long"}}
	killed := judge(Mutant{Name: "agent-mute", Subject: Agent, Does: "says nothing", Violates: []string{"AGT-01"}}, []reports.Spec{spec(reports.Fail, "AGT-01", "TOK-01")})
	killed.Took = Took{Build: 3, Swap: 4.2, Specs: 6.1}
	undone := judge(Mutant{Name: "agent-rude", Subject: Agent, Does: "says nonsense", Violates: []string{"AGT-01"}}, []reports.Spec{failed})
	survived := judge(Mutant{Name: "webhook-deaf", Subject: Webhook, Does: "hears nothing", Violates: []string{"INJ-01", "INJ-02"}},
		[]reports.Spec{spec(reports.Pass, "INJ-01"), spec(reports.Fail, "INJ-02")})
	return &Matrix{Environment: "test", Scope: ScopeAll, Seconds: 75, Mutants: []Result{killed, undone, survived}}
}

func TestTextShowsWhatWasKilledAndWhatWasNot(t *testing.T) {
	var b strings.Builder
	if err := sample().WriteText(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, want := range []string{
		"\nagent\n  agent-mute  killed  AGT-01✓  10s  also TOK-01\n",
		"  agent-rude  error   AGT-01?  0s",
		"\nwebhook\n  webhook-deaf  survived  INJ-01✗ INJ-02✓  0s",
		"AGT-01 1/2  INJ-01 0/1  INJ-02 1/1\n",
		"MUST that no mutant of this run proves: ABAC-01",
		"\nagent-rude error: it says nonsense\n  no verdict about AGT-01\n  error AGT-01: Agent says nonsense\n    pod is gone\n",
		"\nwebhook-deaf survived: it hears nothing\n  INJ-01 held\n",
		"\n3 mutants: 1 killed, 1 survived, 1 errors, 0 left out; scope all, 1m15s\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the matrix lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "proves: none") {
		t.Errorf("not every requirement is proven by three mutants:\n%s", text)
	}
}

// The names are part of the file's format, which other programs read.
func TestJSONOfAMutant(t *testing.T) {
	var b strings.Builder
	if err := sample().WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got struct{ Mutants []map[string]any }
	if err := json.Unmarshal([]byte(b.String()), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"name": "agent-mute", "subject": "agent", "does": "says nothing", "verdict": "killed",
		"declared": []any{"AGT-01"}, "failed": []any{"AGT-01", "TOK-01"}, "collateral": []any{"TOK-01"}, "undecided": []any{},
		"specs": []any{map[string]any{
			"spec": "a spec", "requirements": []any{"AGT-01", "TOK-01"}, "outcome": "fail", "why": "because", "seconds": 0.0,
		}},
		"ran":     1.0,
		"seconds": map[string]any{"build": 3.0, "swap": 4.2, "specs": 6.1},
	}
	if diff := cmp.Diff(want, got.Mutants[0]); diff != "" {
		t.Error(diff)
	}
}

func TestPageHasACellForEachMutantAndRequirement(t *testing.T) {
	var b strings.Builder
	if err := sample().WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, want := range []string{
		"<h1>1 of 3 mutants killed</h1>",
		`<td class="killed" title="agent-mute, AGT-01">●</td>`, `<td class="collateral" title="agent-mute, TOK-01">○</td>`,
		`<td class="undecided" title="agent-rude, AGT-01">?</td>`, `<td class="survived" title="webhook-deaf, INJ-01">✗</td>`,
		"pod is gone\nsince long",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, address := range []string{"src=", "href=", "url("} {
		if strings.Contains(page, address) {
			t.Errorf("the page loads something: %s", address)
		}
	}
}
