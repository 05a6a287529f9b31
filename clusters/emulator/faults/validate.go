package faults

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Bounds of a rule.
const (
	// MaxDelay is the longest latency, stall and hang, and the largest sum of latencies.
	MaxDelay = 5 * time.Minute
	// MaxLife is how far in the future a rule's end may be.
	MaxLife = 24 * time.Hour
	// MaxRules is the largest number of rules in a Set, with those that have ended.
	MaxRules = 1000

	maxSession = 12 * time.Hour // STS's maximum
	maxPattern = 512            // in bytes
	maxMessage = 1024
	maxRate    = 1e6
	maxCount   = 1e12
)

// errorCode is the form of AWS's error codes. The code is sent in a header.
var errorCode = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]{0,127}$`)

// problems are all problems of a rule, by field.
type problems []string

func (p *problems) add(field string, err error) {
	if err != nil {
		*p = append(*p, field+": "+err.Error())
	}
}

// err returns one line, or nil if there is no problem.
func (p problems) err() error {
	if len(p) == 0 {
		return nil
	}
	return errors.New(strings.Join(p, "; "))
}

// checkService refuses patterns that none of the services matches.
func checkService(pattern string, services func() []string) error {
	if err := checkPattern(pattern); err != nil || services == nil {
		return err
	}
	known := services()
	if slices.ContainsFunc(known, func(name string) bool { return matches(pattern, name) }) {
		return nil
	}
	slices.Sort(known)
	return fmt.Errorf("%q is none of %q", clip(pattern), known)
}

// check returns all problems of a new rule. services may be nil.
func (r Rule) check(now time.Time, services func() []string) error {
	var wrong problems
	add := wrong.add
	if r.ID != "" {
		add("id", errors.New("is given, not taken"))
	}
	add("service", checkService(r.Service, services))
	add("operation", checkPattern(r.Operation))
	add("principal", checkPattern(r.Principal))
	add("association", checkPattern(r.Association))
	if r.Probability != 0 {
		add("probability", checkProbability(r.Probability))
	}
	effects := 0
	if r.Latency != nil {
		effects++
		add("latency", r.Latency.check())
	}
	if r.Error != nil {
		effects++
		add("error", r.Error.check())
	}
	if r.Throttle != nil {
		effects++
		add("throttle", r.Throttle.check())
	}
	if r.Outage != nil {
		effects++
		add("outage.hang", checkDelay(r.Outage.Hang, 0))
	}
	if r.Life != 0 {
		effects++
		add("life", within(r.Life, Duration(time.Second), Duration(maxSession)))
	}
	if effects != 1 {
		wrong = append(wrong, fmt.Sprintf("needs exactly one of latency, error, throttle, outage and life, has %d", effects))
	}
	if r.Count > maxCount {
		add("count", fmt.Errorf("%d is above %.0f", r.Count, float64(maxCount)))
	}
	add("for", within(r.For, 0, Duration(MaxLife)))
	if !r.Until.IsZero() {
		switch ahead := r.Until.Sub(now); {
		case r.For != 0:
			add("until", errors.New("cannot go together with for"))
		case ahead <= 0:
			add("until", fmt.Errorf("%s is over", r.Until.Format(time.RFC3339)))
		case ahead > MaxLife:
			add("until", fmt.Errorf("%s is more than %s ahead", r.Until.Format(time.RFC3339), MaxLife))
		}
	}
	return wrong.err()
}

func checkPattern(pattern string) error {
	if len(pattern) > maxPattern {
		return fmt.Errorf("is longer than %d bytes", maxPattern)
	}
	return checkText(pattern)
}

func checkText(text string) error {
	if i := strings.IndexFunc(text, func(r rune) bool { return unicode.IsControl(r) || r == unicode.ReplacementChar }); i >= 0 {
		return fmt.Errorf("has a character that cannot be printed at byte %d", i)
	}
	return nil
}

func checkProbability(p float64) error {
	if !(p > 0 && p <= 1) { // NaN is neither
		return fmt.Errorf("%v must be above 0 and at most 1", p)
	}
	return nil
}

func within(d, least, most Duration) error {
	if d < least || d > most {
		return fmt.Errorf("%s must be %s to %s", d, least, most)
	}
	return nil
}

func checkDelay(d Duration, least time.Duration) error {
	return within(d, Duration(least), Duration(MaxDelay))
}

func (l Latency) check() error {
	var wrong problems
	add := wrong.add
	given := 0
	if l.Fixed != 0 {
		given++
		add("fixed", checkDelay(l.Fixed, 0))
	}
	if l.Uniform != nil {
		given++
		add("uniform.min", checkDelay(l.Uniform.Min, 0))
		add("uniform.max", checkDelay(l.Uniform.Max, 0))
		if l.Uniform.Min > l.Uniform.Max {
			add("uniform", fmt.Errorf("min %s is above max %s", l.Uniform.Min, l.Uniform.Max))
		}
	}
	if l.Exponential != nil {
		given++
		add("exponential.mean", checkDelay(l.Exponential.Mean, 1))
		add("exponential.cap", checkDelay(l.Exponential.Cap, 0))
	}
	if l.LogNormal != nil {
		given++
		add("lognormal.p50", checkDelay(l.LogNormal.P50, 1))
		add("lognormal.p99", checkDelay(l.LogNormal.P99, 1))
		if l.LogNormal.P50 > l.LogNormal.P99 {
			add("lognormal", fmt.Errorf("p50 %s is above p99 %s", l.LogNormal.P50, l.LogNormal.P99))
		}
	}
	if l.Stall != nil {
		add("stall.probability", checkProbability(l.Stall.Probability))
		add("stall.length", checkDelay(l.Stall.Length, 1))
	}
	switch {
	case given > 1:
		wrong = append(wrong, "has more than one of fixed, uniform, exponential and lognormal")
	case given == 0 && l.Stall == nil:
		wrong = append(wrong, "needs one of fixed, uniform, exponential, lognormal and stall")
	}
	return wrong.err()
}

func (r Refusal) check() error {
	if len(r.Message) > maxMessage {
		return fmt.Errorf("message: is longer than %d bytes", maxMessage)
	}
	if err := checkText(r.Message); err != nil {
		return fmt.Errorf("message: %w", err)
	}
	if r.Kind != "" {
		if _, ok := kinds[r.Kind]; !ok {
			return fmt.Errorf("kind: %q is none of %q", clip(string(r.Kind)), kindNames())
		}
		if r.Code != "" || r.Status != 0 {
			return errors.New("has a kind, which brings its own code and status")
		}
		return nil
	}
	if !errorCode.MatchString(r.Code) {
		return fmt.Errorf("code: %q is no error code such as ThrottlingException; or give a kind", clip(r.Code))
	}
	if r.Status < 400 || r.Status > 599 {
		return fmt.Errorf("status: %d must be 400 to 599", r.Status)
	}
	return nil
}

func (t Throttle) check() error {
	if !(t.Rate > 0 && t.Rate <= maxRate) || math.IsNaN(t.Rate) {
		return fmt.Errorf("rate: %v must be above 0 and at most %.0f a second", t.Rate, float64(maxRate))
	}
	if t.Burst < 0 || t.Burst > maxRate {
		return fmt.Errorf("burst: %d must be 1 to %.0f", t.Burst, float64(maxRate))
	}
	if t.Error != nil {
		if err := t.Error.check(); err != nil {
			return fmt.Errorf("error: %w", err)
		}
	}
	return nil
}
