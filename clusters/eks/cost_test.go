package eks

import (
	"strings"
	"testing"
	"time"
)

// TestPlanReportsItsCost: the sums of the prices, and the note about what is not verified.
func TestPlanReportsItsCost(t *testing.T) {
	usual := Plan{
		Account: "123456789012", Caller: "arn:aws:iam::123456789012:user/me", Region: "us-east-1", Cluster: "epi-e", Version: "1.36",
		Nodes: 1, InstanceTypes: DefaultInstanceTypes(), Lifetime: 6 * time.Hour, Priced: true,
	}
	for _, test := range []struct {
		name      string
		change    func(*Plan)
		says, not []string
		low, high float64
	}{
		{"one node", func(*Plan) {}, []string{
			"about $0.11 to $0.15 an hour", "a forgotten day $2.67 to $3.57", "at most $1.79", "control plane, standard support: $0.10 an hour (https://aws.amazon.com/", "2024-04-01",
			"t3.medium, spot (at most 90% less) to on demand: $0.00416 to $0.0416 an hour", "gp3 volume, per GB: $0.08 a month", "public IPv4 address: $0.005 an hour", "AWS was not asked",
		}, []string{"not verified", "extended support"}, 0.11135, 0.14879},
		{"three nodes", func(p *Plan) { p.Nodes = 3 }, []string{"3 spot node(s)"}, nil, 0.13406, 0.24638},
		{"extended support", func(p *Plan) { p.Extended = true }, []string{"extended support: $0.60 an hour", "six times"}, []string{"standard support"}, 0.61135, 0.64879},
		{"another region", func(p *Plan) { p.Region = "eu-west-1" }, []string{"Prices of eu-west-1 are not verified"}, nil, 0.11135, 0.14879},
		{"other types", func(p *Plan) { p.InstanceTypes, p.Priced = []string{"m7i.large"}, false }, []string{"price of m7i.large is not verified"}, nil, 0.11135, 0.14879},
	} {
		t.Run(test.name, func(t *testing.T) {
			plan := usual
			test.change(&plan)
			text := plan.String()
			for _, want := range test.says {
				if !strings.Contains(text, want) {
					t.Errorf("it does not say %q:\n%s", want, text)
				}
			}
			for _, no := range test.not {
				if strings.Contains(text, no) {
					t.Errorf("it says %q:\n%s", no, text)
				}
			}
			low, high := plan.Hour()
			if abs(low-test.low) > 0.0001 || abs(high-test.high) > 0.0001 {
				t.Errorf("an hour costs %f to %f, want %f to %f", low, high, test.low, test.high)
			}
		})
	}
}

func abs(x float64) float64 { return max(x, -x) }

// TestPricesHaveASource: each with its date.
func TestPricesHaveASource(t *testing.T) {
	for _, p := range []price{clusterPrice, extendedPrice, addressPrice, volumePrice, nodePrice} {
		if _, err := time.Parse(time.DateOnly, p.date); err != nil || !strings.HasPrefix(p.source, "https://") || p.low <= 0 || p.low > p.high {
			t.Errorf("%+v", p)
		}
	}
}
