package reports

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/perf/benchfmt"
)

// WriteBenchText writes the benchmark of the run in the Go benchmark format (https://go.dev/design/14313-benchmark-format).
// Each case and repeat has a line, so that `benchstat OLD NEW` compares two runs. Configuration has only what makes results
// incomparable, because benchstat puts results of another configuration into another table. What is compared, such as the
// agent's digest, is in comments.
func WriteBenchText(w io.Writer, findings *Findings) error {
	run := findings.Run
	if run.Bench == nil {
		return fmt.Errorf("write benchmark as text: %w", ErrNoBench)
	}
	if err := run.writeBenchText(w); err != nil {
		return fmt.Errorf("write benchmark as text: %w", err)
	}
	return nil
}

func (r Run) writeBenchText(w io.Writer) error {
	if _, err := io.WriteString(w, r.benchComments()); err != nil {
		return err
	}
	out := benchfmt.NewWriter(w)
	for _, unit := range r.Bench.unitMetadata() {
		if err := out.Write(unit); err != nil {
			return err
		}
	}
	config := r.benchConfig()
	for _, scenario := range r.Bench.Scenarios {
		for _, c := range scenario.Cases {
			for repeat := range c.repeats() {
				result := &benchfmt.Result{Config: config, Name: benchfmt.Name(benchName(scenario, c)), Iters: c.iterations(repeat)}
				for _, m := range c.Metrics {
					if samples := m.samples(); repeat < len(samples) {
						result.Values = append(result.Values, benchfmt.Value{Value: samples[repeat], Unit: m.benchUnit()})
					}
				}
				if len(result.Values) == 0 {
					continue
				}
				if err := out.Write(result); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// benchComments describe what was measured. The format ignores lines that begin with "#".
func (r Run) benchComments() string {
	var b strings.Builder
	say := func(key, value string) {
		if value != "" {
			fmt.Fprintf(&b, "# %s: %s\n", key, oneLine(value))
		}
	}
	say("run", r.ID)
	say("epi", strings.TrimSpace(r.Epi.Version+" "+r.Epi.Revision))
	for _, subject := range r.Subjects {
		say(oneLine(subject.Role), subject.describe())
	}
	say("environment", r.Environment.Name)
	for _, m := range r.Bench.Machines {
		say("machine", fmt.Sprintf("%s, %s, %s", m.Name, Plural(m.Cores, "core"), Quantity(float64(m.Memory), "B")))
	}
	if g := r.Bench.Generator; g.Ceiling > 0 {
		say("generator", fmt.Sprintf("%s, ceiling %.0f req/s, p99 %s at %.0f req/s", Plural(g.Pods, "pod"), g.Ceiling, Quantity(g.P99, "sec"), g.Rate))
	}
	say("seed", fmt.Sprint(r.Bench.Seed))
	for _, scenario := range r.Bench.Scenarios {
		if scenario.Outcome != Pass {
			say(oneLine(scenario.Name), scenario.Outcome.Label()+": "+scenario.why())
		}
		for _, limited := range scenario.limited() {
			say("limited", limited)
		}
	}
	return b.String()
}

// benchConfig is what makes results incomparable. "goos", "goarch" and "cpu" are Go's own keys.
func (r Run) benchConfig() []benchfmt.Config {
	var config []benchfmt.Config
	add := func(key, value string) {
		if value != "" {
			config = append(config, benchfmt.Config{Key: key, Value: []byte(oneLine(value)), File: true})
		}
	}
	goos, goarch, _ := strings.Cut(r.Epi.Platform, "/")
	add("goos", goos)
	add("goarch", goarch)
	add("provider", r.Environment.Provider)
	add("aws", r.Environment.AWS)
	add("kubernetes", r.Environment.KubernetesVersion)
	var cpus []string
	for _, m := range r.Bench.Machines {
		if m.CPU != "" && !slices.Contains(cpus, m.CPU) {
			cpus = append(cpus, m.CPU)
		}
	}
	add("cpu", strings.Join(cpus, ", "))
	return config
}

// unitMetadata says for each unit which direction is better.
func (b *Bench) unitMetadata() []*benchfmt.UnitMetadata {
	var list []*benchfmt.UnitMetadata
	known := map[string]bool{}
	for _, scenario := range b.Scenarios {
		for _, c := range scenario.Cases {
			for _, m := range c.Metrics {
				unit := m.benchUnit()
				if m.Better == "" || known[unit] {
					continue
				}
				known[unit] = true
				list = append(list, &benchfmt.UnitMetadata{UnitMetadataKey: benchfmt.UnitMetadataKey{Unit: unit, Key: "better"}, OrigUnit: unit, Value: m.Better})
			}
		}
	}
	return list
}

// samples are the values of the repeats, or the value alone if the metric has no samples.
func (m Metric) samples() []float64 {
	if len(m.Samples) == 0 {
		return []float64{m.Value}
	}
	return m.Samples
}

func (c Case) repeats() int {
	n := 0
	for _, m := range c.Metrics {
		n = max(n, len(m.samples()))
	}
	return n
}

// iterations of a repeat are its requests; 1 if they were not counted.
func (c Case) iterations(repeat int) int {
	if repeat < len(c.Requests) && c.Requests[repeat] > 0 {
		return int(c.Requests[repeat])
	}
	return 1
}

// numbered matches a name whose end would be read as GOMAXPROCS.
var numbered = regexp.MustCompile(`-([0-9]+)$`)

// benchName is the name of a case as a Go benchmark, such as "HerdSame/connections=new".
func benchName(s Scenario, c Case) string {
	var b strings.Builder
	for part := range strings.SplitSeq(withoutSpaces(s.Name), "-") {
		first, size := utf8.DecodeRuneInString(part)
		if size > 0 {
			b.WriteRune(unicode.ToUpper(first))
		}
		b.WriteString(part[size:])
	}
	if c.Name != "" {
		b.WriteString("/" + withoutSpaces(c.Name))
	}
	return numbered.ReplaceAllString(b.String(), "_$1")
}

// benchUnit is the unit of a metric in benchunit's form, such as "p99-sec" and "cpu-sec/1000req": the text before the first
// "-" is a remark.
func (m Metric) benchUnit() string {
	name, unit := withoutSpaces(m.Name), withoutSpaces(m.Unit)
	switch {
	case unit == "":
		return name
	case unit == name || strings.HasPrefix(unit, name+"/"):
		return unit
	default:
		return name + "-" + unit
	}
}

// withoutSpaces replaces spaces, which would end a field.
func withoutSpaces(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return '_'
		}
		return r
	}, plain(s))
}

// oneLine replaces line ends.
func oneLine(s string) string { return strings.Join(strings.Fields(plain(s)), " ") }
