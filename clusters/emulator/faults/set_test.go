package faults

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestCount(t *testing.T) {
	set := New(Options{})
	add(t, set, Rule{Operation: assume, Error: refuse("Refused"), Count: 2})
	refused := 0
	for range 5 {
		if _, refusal, _, _ := at(t, t.Context(), set, toEKSAuth); refusal != nil {
			refused++
		}
		if _, refusal, _, _ := at(t, t.Context(), set, request{"s3", node, Target{Operation: "GetObject"}}); refusal != nil {
			t.Errorf("another operation: %v", refusal)
		}
	}
	got := set.List()[0]
	if refused != 2 || got.Hits != 2 || got.Left == nil || *got.Left != 0 || !got.Ended || set.active.Load() != 0 {
		t.Errorf("refused %d times, %+v", refused, got)
	}
}

func TestCountIsExactUnderLoad(t *testing.T) {
	set := New(Options{})
	add(t, set, Rule{Error: refuse("Refused"), Count: 100})
	var group sync.WaitGroup
	var mu sync.Mutex
	refused := 0
	for range 8 {
		group.Go(func() {
			for range 50 {
				if _, refusal, _, _ := at(t, t.Context(), set, toEKSAuth); refusal != nil {
					mu.Lock()
					refused++
					mu.Unlock()
				}
			}
		})
	}
	group.Wait()
	if refused != 100 {
		t.Errorf("refused %d times", refused)
	}
}

func TestEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := New(Options{})
		start := time.Now()
		added, err := set.Add(Rule{Error: refuse("For"), For: Duration(time.Minute)})
		if err != nil || !added.Until.Equal(start.Add(time.Minute)) {
			t.Fatalf("got %+v, %v", added, err)
		}
		add(t, set, Rule{Error: refuse("Until"), Until: start.Add(2 * time.Minute)})
		time.Sleep(time.Minute - 1)
		if list := set.List(); list[0].Remaining != 1 || list[1].Remaining != Duration(time.Minute+1) || list[0].Left != nil {
			t.Errorf("got %+v", list)
		}
		for _, want := range []string{"For", "Until", ""} {
			code := ""
			if _, refusal, _, _ := at(t, t.Context(), set, toEKSAuth); refusal != nil {
				code = refusal.Code
			}
			if code != want {
				t.Errorf("after %v: %q, want %q", time.Since(start), code, want)
			}
			time.Sleep(time.Minute)
		}
		if list := set.List(); !list[0].Ended || !list[1].Ended || list[1].Remaining != 0 || set.active.Load() != 0 {
			t.Errorf("got %+v, %d active", list, set.active.Load())
		}
	})
}

func TestThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := New(Options{})
		add(t, set, Rule{Service: "eks-auth", Throttle: &Throttle{Rate: 3, Burst: 5}})
		refusals := func(requests int) (n int) {
			for range requests {
				if _, refusal, _, _ := at(t, t.Context(), set, toEKSAuth); refusal != nil {
					if refusal.Code != "ThrottlingException" || refusal.Status != 429 {
						t.Errorf("got %+v", refusal)
					}
					n++
				}
			}
			return n
		}
		if n := refusals(8); n != 3 {
			t.Errorf("a burst of 8: %d refused", n)
		}
		time.Sleep(time.Second)
		if n := refusals(8); n != 5 {
			t.Errorf("8 a second later: %d refused", n)
		}
		if got := set.List()[0]; got.Hits != 8 {
			t.Errorf("%d hits: those let through are none", got.Hits)
		}
	})
}

func TestThrottleDefaults(t *testing.T) {
	set := New(Options{Now: func() time.Time { return time.Unix(0, 0) }})
	rule, err := set.Add(Rule{Throttle: &Throttle{Rate: 0.5, Error: refuse("Mine")}})
	if err != nil || rule.Throttle.Burst != 1 {
		t.Fatalf("got %+v, %v", rule, err)
	}
	if _, refusal, _, _ := at(t, t.Context(), set, toEKSAuth); refusal != nil {
		t.Errorf("within the burst: %v", refusal)
	}
	if _, refusal, _, _ := at(t, t.Context(), set, toEKSAuth); refusal == nil || refusal.Code != "Mine" {
		t.Errorf("got %v", refusal)
	}
}

func TestProbability(t *testing.T) {
	set := New(Options{Random: rand.NewPCG(1, 2)})
	add(t, set, Rule{Probability: 0.5, Error: refuse("Refused")})
	const n = 10_000
	refused := 0
	for range n {
		if _, refusal, _, _ := at(t, t.Context(), set, toEKSAuth); refusal != nil {
			refused++
		}
	}
	// This is five standard deviations.
	if math.Abs(float64(refused)-n/2) > 5*math.Sqrt(n)/2 {
		t.Errorf("%d of %d", refused, n)
	}
}

func TestDistributions(t *testing.T) {
	tests := []struct {
		name    string
		latency Latency
		// p50 and p99 in milliseconds, and the smallest and the largest possible delay.
		p50, p99    float64
		least, most time.Duration
	}{
		{"fixed", Latency{Fixed: ms(200)}, 200, 200, 200 * time.Millisecond, 200 * time.Millisecond},
		{"uniform", Latency{Uniform: &Uniform{ms(100), ms(300)}}, 200, 298, 100 * time.Millisecond, 300 * time.Millisecond},
		{"uniform of one", Latency{Uniform: &Uniform{ms(100), ms(100)}}, 100, 100, 100 * time.Millisecond, 100 * time.Millisecond},
		// The quantile p of an exponential distribution is -mean ln(1-p).
		{"exponential", Latency{Exponential: &Exponential{Mean: ms(100)}}, 69.3, 460.5, 0, MaxDelay},
		{"exponential with cap", Latency{Exponential: &Exponential{Mean: ms(100), Cap: ms(200)}}, 69.3, 200, 0, 200 * time.Millisecond},
		{"exponential of minutes", Latency{Exponential: &Exponential{Mean: Duration(MaxDelay)}}, 0.693 * 300_000, 300_000, 0, MaxDelay},
		{"lognormal", Latency{LogNormal: &LogNormal{ms(20), ms(500)}}, 20, 500, 0, MaxDelay},
		{"lognormal of one", Latency{LogNormal: &LogNormal{ms(20), ms(20)}}, 20, 20, 20 * time.Millisecond, 20 * time.Millisecond},
		{"stalls", Latency{Fixed: ms(200), Stall: &Stall{0.05, ms(1000)}}, 200, 1200, 200 * time.Millisecond, 1200 * time.Millisecond},
		{"stalls alone", Latency{Stall: &Stall{1, ms(1000)}}, 1000, 1000, time.Second, time.Second},
	}
	random := rand.New(rand.NewPCG(3, 4))
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if err := test.latency.check(); err != nil {
				t.Fatal(err)
			}
			delays := make([]time.Duration, 100_000)
			for i := range delays {
				delays[i] = test.latency.sample(random)
			}
			slices.Sort(delays)
			if delays[0] < test.least || delays[len(delays)-1] > test.most {
				t.Errorf("from %v to %v", delays[0], delays[len(delays)-1])
			}
			for p, want := range map[int]float64{50: test.p50, 99: test.p99} {
				if got := float64(delays[len(delays)*p/100]) / 1e6; math.Abs(got-want) > 0.05*want {
					t.Errorf("p%d is %v ms, want %v", p, got, want)
				}
			}
		})
	}
}

func ms(n int) Duration { return Duration(time.Duration(n) * time.Millisecond) }

func TestSetsOwnTheirRules(t *testing.T) {
	set := New(Options{})
	rule := Rule{
		Latency: &Latency{Uniform: &Uniform{ms(1), ms(2)}, Stall: &Stall{0.5, ms(3)}},
	}
	add(t, set, rule)
	rule.Latency.Uniform.Max, rule.Latency.Stall.Length = 0, 0
	listed := set.List()[0]
	if listed.Latency.Uniform.Max != ms(2) || listed.Latency.Stall.Length != ms(3) {
		t.Errorf("the caller changed the rule to %+v", listed.Latency)
	}
	listed.Latency.Uniform.Max = 0
	if again := set.List()[0]; again.Latency.Uniform.Max != ms(2) {
		t.Error("a list changes the rule")
	}
}

func TestRemove(t *testing.T) {
	set := New(Options{})
	add(t, set, Rule{Error: refuse("One")}, Rule{Error: refuse("Two")})
	if !set.Remove("fault-1") || set.Remove("fault-1") || set.Remove("") {
		t.Error("removed too much or too little")
	}
	if _, refusal, _, _ := at(t, t.Context(), set, toEKSAuth); refusal == nil || refusal.Code != "Two" {
		t.Errorf("got %v", refusal)
	}
	if !set.Remove("fault-2") || set.active.Load() != 0 {
		t.Errorf("%d active", set.active.Load())
	}
}

func TestAddRefuses(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	long := strings.Repeat("a", 2000)
	tests := []struct{ name, rule, want string }{
		{"no effect", `{}`, "exactly one of latency, error, throttle, outage and life, has 0"},
		{"short life", `{"life":"1ms"}`, "life: 1ms must be 1s to 12h0m0s"},
		{"long life of credentials", `{"life":"13h"}`, "life: 13h0m0s must be 1s to 12h0m0s"},
		{"life and outage", `{"life":"20s","outage":{}}`, "has 2"},
		{"two effects", `{"outage":{},"error":{"kind":"internal"}}`, "has 2"},
		{"own ID", `{"id":"x","outage":{}}`, "id: is given"},
		{"long pattern", `{"service":"` + long + `","outage":{}}`, "service: is longer than 512 bytes"},
		{"control character", `{"operation":"Get\nObject","outage":{}}`, "operation: has a character that cannot be printed at byte 3"},
		{"share above 1", `{"probability":1.5,"outage":{}}`, "probability: 1.5 must be above 0 and at most 1"},
		{"negative share", `{"probability":-0.5,"outage":{}}`, "probability: -0.5 must be"},
		{"long latency", `{"latency":{"fixed":"5m1s"}}`, "latency: fixed: 5m1s must be 0s to 5m0s"},
		{"negative latency", `{"latency":{"fixed":"-1s"}}`, "fixed: -1s must be"},
		{"latency of nothing", `{"latency":{}}`, "latency: needs one of"},
		{"latency of two", `{"latency":{"fixed":"1s","uniform":{"min":"1s","max":"2s"}}}`, "more than one of"},
		{"uniform backwards", `{"latency":{"uniform":{"min":"2s","max":"1s"}}}`, "min 2s is above max 1s"},
		{"exponential without mean", `{"latency":{"exponential":{"mean":"0s"}}}`, "exponential.mean: 0s must be"},
		{"exponential over cap", `{"latency":{"exponential":{"mean":"1s","cap":"6m"}}}`, "exponential.cap: 6m0s must be"},
		{"lognormal backwards", `{"latency":{"lognormal":{"p50":"2s","p99":"1s"}}}`, "p50 2s is above p99 1s"},
		{"lognormal of zero", `{"latency":{"lognormal":{"p50":"0s","p99":"1s"}}}`, "lognormal.p50: 0s must be"},
		{"stall without length", `{"latency":{"stall":{"probability":1}}}`, "stall.length: 0s must be"},
		{"stall without share", `{"latency":{"stall":{"length":"1s"}}}`, "stall.probability: 0 must be"},
		{"unknown kind", `{"error":{"kind":"odd"}}`, `kind: "odd" is none of ["accessDenied" "internal" "throttling" "unavailable"]`},
		{"kind and code", `{"error":{"kind":"internal","code":"X"}}`, "brings its own code"},
		{"kind and status", `{"error":{"kind":"internal","status":500}}`, "brings its own code"},
		{"no code", `{"error":{"status":500}}`, `code: "" is no error code`},
		{"code that breaks a header", `{"error":{"code":"X\r\nY","status":500}}`, "is no error code"},
		{"status of success", `{"error":{"code":"X","status":200}}`, "status: 200 must be 400 to 599"},
		{"long message", `{"error":{"kind":"internal","message":"` + long + `"}}`, "message: is longer than 1024 bytes"},
		{"message with a control character", `{"error":{"kind":"internal","message":"\u0000"}}`, "message: has a character"},
		{"no rate", `{"throttle":{"rate":0}}`, "rate: 0 must be above 0"},
		{"high rate", `{"throttle":{"rate":1e7}}`, "rate: 1e+07 must be"},
		{"negative burst", `{"throttle":{"rate":1,"burst":-1}}`, "burst: -1 must be"},
		{"throttle with a bad error", `{"throttle":{"rate":1,"error":{}}}`, "throttle: error: code"},
		{"long hang", `{"outage":{"hang":"10m"}}`, "outage.hang: 10m0s must be"},
		{"large count", `{"outage":{},"count":10000000000000}`, "count: 10000000000000 is above"},
		{"long life", `{"outage":{},"for":"25h"}`, "for: 25h0m0s must be"},
		{"end in the past", `{"outage":{},"until":"2026-03-01T12:00:00Z"}`, "until: 2026-03-01T12:00:00Z is over"},
		{"end far ahead", `{"outage":{},"until":"2026-03-02T12:00:01Z"}`, "more than 24h0m0s ahead"},
		{"two ends", `{"outage":{},"for":"1s","until":"2026-03-01T12:00:01Z"}`, "cannot go together"},
		{"all at once", `{"probability":2,"count":10000000000000,"outage":{}}`, "at most 1; count:"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var rule Rule
			if err := json.Unmarshal([]byte(test.rule), &rule); err != nil {
				t.Fatal(err)
			}
			set := New(Options{Now: func() time.Time { return now }})
			if _, err := set.Add(rule); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v", err)
			}
			if len(set.List()) != 0 || set.active.Load() != 0 {
				t.Error("the rule was added all the same")
			}
		})
	}
}

// A rule about a service that does not exist would never have an effect, and its author would wait for one.
func TestAddRefusesServicesThatDoNotExist(t *testing.T) {
	set := New(Options{Services: func() []string { return []string{"sts", "eks-auth", "imds"} }})
	for _, service := range []string{"", "*", "eks-auth", "eks*", "*-auth", "imds", "*s*"} {
		if _, err := set.Add(Rule{Service: service, Outage: &Outage{}}); err != nil {
			t.Errorf("%q: %v", service, err)
		}
	}
	added := len(set.List())
	for _, service := range []string{"eksauth", "eks_auth", "EKS-Auth", "eks", "s3*", "nosuch", " sts"} {
		_, err := set.Add(Rule{Service: service, Outage: &Outage{}})
		if want := fmt.Sprintf(`service: %q is none of ["eks-auth" "imds" "sts"]`, service); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", service, err, want)
		}
	}
	if len(set.List()) != added {
		t.Error("a refused rule was added")
	}
}

func TestSetIsBounded(t *testing.T) {
	set := New(Options{})
	for range MaxRules {
		add(t, set, Rule{Outage: &Outage{}})
	}
	if _, err := set.Add(Rule{Outage: &Outage{}}); err == nil || !strings.Contains(err.Error(), "remove some") {
		t.Errorf("got %v", err)
	}
}

func TestJSON(t *testing.T) {
	// The examples of Rule's documentation, as Add returns them.
	for _, text := range []string{
		`{"service":"eks-auth","probability":0.5,"error":{"kind":"throttling"}}`,
		`{"service":"eks-auth","outage":{"hang":"30s"},"for":"30s"}`,
		`{"operation":"AssumeRoleForPodIdentity","latency":{"fixed":"200ms","stall":{"probability":0.01,"length":"1s"}}}`,
		`{"latency":{"exponential":{"mean":"50ms","cap":"1s"}},"count":5}`,
		`{"throttle":{"rate":3,"burst":10}}`,
		`{"outage":{}}`,
	} {
		var rule Rule
		if err := json.Unmarshal([]byte(text), &rule); err != nil {
			t.Fatal(err)
		}
		if _, err := New(Options{}).Add(rule); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if again, err := json.Marshal(rule); err != nil || string(again) != text {
			t.Errorf("%s became %s, %v", text, again, err)
		}
	}
	var d Duration
	if err := json.Unmarshal([]byte(`"soon"`), &d); err == nil || !strings.Contains(err.Error(), "write it like 200ms") {
		t.Errorf("got %v", err)
	}
}
