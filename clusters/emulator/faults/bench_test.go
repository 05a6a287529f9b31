package faults

import (
	"testing"

	"github.com/podidentity/epi/clusters/emulator/journal"
)

func BenchmarkAt(b *testing.B) {
	tests := []struct {
		name  string
		rules []Rule
	}{
		{"no rule", nil},
		{"no rule matches", []Rule{{Service: "s3", Outage: &Outage{}}}},
		{"ten rules, a delay of nothing", append(make([]Rule, 9), Rule{Service: "eks-auth"})},
	}
	for _, test := range tests {
		b.Run(test.name, func(b *testing.B) {
			set := New(Options{})
			for i, rule := range test.rules {
				if rule.Outage == nil {
					rule.Latency = &Latency{Uniform: &Uniform{}}
				}
				if rule.Service == "" {
					rule.Service = "s3"
				}
				if _, err := set.Add(rule); err != nil {
					b.Fatal(i, err)
				}
			}
			ctx := NewContext(journal.NewContext(b.Context(), &journal.Call{Service: "eks-auth", Principal: node}), set)
			b.ReportAllocs()
			for b.Loop() {
				if err := At(ctx, Target{Operation: assume}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestAtAllocatesNothingWithoutRules(t *testing.T) {
	ctx := NewContext(t.Context(), New(Options{}))
	if n := testing.AllocsPerRun(100, func() { _ = At(ctx, Target{Operation: assume}) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
