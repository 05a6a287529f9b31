package faults

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Options of a Set; the zero value has defaults.
type Options struct {
	// Now is the clock of ends and rates; nil means time.Now. Delays take real time.
	Now func() time.Time
	// Random decides probabilities and delays; nil means a source with a random seed.
	Random rand.Source
	// Services are the names of those that call At. A rule about another service would never have an effect, and is
	// refused. nil means that the names are unknown.
	Services func() []string
}

// Set holds the rules. It is safe for concurrent use; see New.
type Set struct {
	// active is the number of rules that have not ended, so that At is cheap without rules.
	active atomic.Int64
	now    func() time.Time
	// services are the existing ones; nil if they are unknown.
	services func() []string

	mu     sync.Mutex
	random *rand.Rand
	// rules in order of creation.
	rules []*state
	last  uint64
	// cleared is closed by Clear, for the requests that are delayed.
	cleared chan struct{}
}

// state is a rule with its current state.
type state struct {
	Rule
	hits    uint64
	ended   bool
	limiter *rate.Limiter
}

// New makes a set without rules.
func New(options Options) *Set {
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Random == nil {
		options.Random = rand.NewPCG(rand.Uint64(), rand.Uint64())
	}
	return &Set{now: options.Now, services: options.Services, random: rand.New(options.Random), cleared: make(chan struct{})}
}

// Add checks a rule and starts it. It returns the rule with its ID and end. The error lists all problems of the rule, by
// the names of its JSON fields.
func (s *Set) Add(rule Rule) (Rule, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if err := rule.check(now, s.services); err != nil {
		return Rule{}, err
	}
	if len(s.rules) >= MaxRules {
		return Rule{}, fmt.Errorf("there are %d faults already, ended ones included: remove some", MaxRules)
	}
	rule = rule.clone()
	s.last++
	rule.ID = fmt.Sprintf("fault-%d", s.last)
	if rule.For != 0 {
		rule.Until = now.Add(time.Duration(rule.For))
	}
	added := &state{Rule: rule}
	if t := rule.Throttle; t != nil {
		if t.Burst == 0 {
			t.Burst = int(math.Ceil(t.Rate))
		}
		added.limiter = rate.NewLimiter(rate.Limit(t.Rate), t.Burst)
	}
	s.rules = append(s.rules, added)
	s.active.Add(1)
	return rule.clone(), nil
}

// List returns the rules in order of creation, also those that have ended.
func (s *Set) List() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	list := make([]Status, 0, len(s.rules))
	for _, rule := range s.rules {
		s.expire(rule, now)
		status := Status{Rule: rule.clone(), Hits: rule.hits, Ended: rule.ended}
		if rule.Count > 0 {
			left := rule.Count - rule.hits
			status.Left = &left
		}
		if !rule.Until.IsZero() {
			status.Remaining = Duration(max(rule.Until.Sub(now), 0))
		}
		list = append(list, status)
	}
	return list
}

// Remove ends and forgets a rule; false if there is none of this ID. Requests that it delays already stay delayed.
func (s *Set) Remove(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.rules, func(r *state) bool { return r.ID == id })
	if i < 0 {
		return false
	}
	s.end(s.rules[i])
	s.rules = slices.Delete(s.rules, i, i+1)
	return true
}

// Clear ends and forgets all rules, and releases the requests that they delay. Requests that are only delayed continue at
// once, and those in an outage lose their connection.
func (s *Set) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, rule := range s.rules {
		s.end(rule)
	}
	s.rules = nil
	close(s.cleared)
	s.cleared = make(chan struct{})
}

// end requires that the caller holds the lock.
func (s *Set) end(rule *state) {
	if !rule.ended {
		rule.ended = true
		s.active.Add(-1)
	}
}

// expire requires that the caller holds the lock.
func (s *Set) expire(rule *state, now time.Time) {
	if !rule.Until.IsZero() && !now.Before(rule.Until) {
		s.end(rule)
	}
}

// decision is the effect of all rules together on one request.
type decision struct {
	// rule is the ID of the rule that refused, or else of the first rule that delayed; "" if none applies.
	rule    string
	delay   time.Duration
	refusal *Error
	outage  bool
	// cleared is Set.cleared at the time of the decision.
	cleared <-chan struct{}
}

// decide applies the rules in order of creation. The delays of all rules add up. Only the first rule that refuses or drops
// the request counts.
func (s *Set) decide(target Target, service, principal string) decision {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, d := s.now(), decision{cleared: s.cleared}
	refused := false
	for _, rule := range s.rules {
		if rule.Life != 0 || refused && rule.Latency == nil || !rule.matches(target, service, principal) || !s.hit(rule, now) {
			continue
		}
		if d.rule == "" {
			d.rule = rule.ID
		}
		if rule.Latency != nil {
			d.delay += rule.Latency.sample(s.random)
			continue
		}
		refused, d.rule = true, rule.ID
		switch {
		case rule.Outage != nil:
			d.outage = true
			d.delay += time.Duration(rule.Outage.Hang)
		case rule.Throttle != nil && rule.Throttle.Error == nil:
			d.refusal = Refusal{Kind: Throttling}.answer(service)
		case rule.Throttle != nil:
			d.refusal = rule.Throttle.Error.answer(service)
		default:
			d.refusal = rule.Error.answer(service)
		}
	}
	d.delay = min(d.delay, MaxDelay)
	return d
}

// life is the lifetime of the first rule with a life for a request, and the rule's ID.
func (s *Set) life(target Target, service, principal string) (string, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for _, rule := range s.rules {
		// A rule without an association is about all associations.
		about := target
		if rule.Association == "" {
			about.Association = ""
		}
		if rule.Life != 0 && rule.matches(about, service, principal) && s.hit(rule, now) {
			return rule.ID, time.Duration(rule.Life)
		}
	}
	return "", 0
}

// hit says whether a matching rule affects this request, and counts it. The caller holds the lock.
func (s *Set) hit(rule *state, now time.Time) bool {
	s.expire(rule, now)
	if rule.ended || rule.Probability != 0 && s.random.Float64() >= rule.Probability {
		return false
	}
	if rule.limiter != nil && rule.limiter.AllowN(now, 1) {
		return false
	}
	if rule.hits++; rule.hits == rule.Count {
		s.end(rule)
	}
	return true
}

func (r *state) matches(target Target, service, principal string) bool {
	return (r.Association == "") == (target.Association == "") &&
		matches(r.Association, target.Association) &&
		matches(r.Service, service) && matches(r.Operation, target.Operation) && matches(r.Principal, principal)
}

// hold waits. It returns false if ctx ended first.
func (s *Set) hold(ctx context.Context, d decision) bool {
	if d.delay <= 0 {
		return true
	}
	timer := time.NewTimer(d.delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-d.cleared:
		return true
	case <-ctx.Done():
		return false
	}
}

// clone shares nothing with r, so that the caller's rule and the set's are independent.
func (r Rule) clone() Rule {
	if r.Latency != nil {
		latency := *r.Latency
		latency.Uniform, latency.Exponential = clone(latency.Uniform), clone(latency.Exponential)
		latency.LogNormal, latency.Stall = clone(latency.LogNormal), clone(latency.Stall)
		r.Latency = &latency
	}
	if r.Throttle != nil {
		throttle := *r.Throttle
		throttle.Error = clone(throttle.Error)
		r.Throttle = &throttle
	}
	r.Error, r.Outage = clone(r.Error), clone(r.Outage)
	return r
}

func clone[T any](p *T) *T {
	if p == nil {
		return nil
	}
	copied := *p
	return &copied
}
