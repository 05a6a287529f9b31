package faults

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/podidentity/epi/clusters/emulator/journal"
)

const (
	node   = "arn:aws:sts::123456789012:assumed-role/epi-node/i-0123456789abcdef0"
	assume = "AssumeRoleForPodIdentity"
)

// request is one call of At.
type request struct {
	service, principal string
	target             Target
}

var toEKSAuth = request{"eks-auth", node, Target{Operation: assume}}

// at returns the delay of the request, the answer, and the call as At left it.
func at(t *testing.T, ctx context.Context, set *Set, r request) (took time.Duration, refusal *Error, call *journal.Call, dropped bool) {
	t.Helper()
	call = &journal.Call{Service: r.service, Principal: r.principal}
	ctx = NewContext(journal.NewContext(ctx, call), set)
	start := time.Now()
	defer func() {
		took = time.Since(start)
		if p := recover(); p != nil {
			if err, ok := p.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			dropped = true
		}
	}()
	if err := At(ctx, r.target); err != nil {
		var ok bool
		if refusal, ok = errors.AsType[*Error](err); !ok {
			t.Errorf("got %T %v", err, err)
		}
	}
	return took, refusal, call, dropped
}

func add(t *testing.T, set *Set, rules ...Rule) {
	t.Helper()
	for _, rule := range rules {
		if _, err := set.Add(rule); err != nil {
			t.Fatal(err)
		}
	}
}

func refuse(code string) *Refusal { return &Refusal{Code: code, Status: 400} }

func TestRulesMatch(t *testing.T) {
	tests := []struct {
		name string
		rule Rule
		request
		want bool
	}{
		{"everything", Rule{}, toEKSAuth, true},
		{"service", Rule{Service: "eks-auth"}, toEKSAuth, true},
		{"part of a service", Rule{Service: "eks"}, toEKSAuth, false},
		{"service pattern", Rule{Service: "eks*"}, toEKSAuth, true},
		{"operation", Rule{Operation: assume}, toEKSAuth, true},
		{"operation in other case", Rule{Operation: "assumeroleforpodidentity"}, toEKSAuth, false},
		{"operation pattern", Rule{Operation: "Get*"}, request{"s3", node, Target{Operation: "GetObject"}}, true},
		{"other operation", Rule{Operation: "Get*"}, request{"s3", node, Target{Operation: "HeadObject"}}, false},
		{"all fields", Rule{Service: "eks-auth", Operation: assume, Principal: "arn:aws:sts::*:assumed-role/epi-node/*"}, toEKSAuth, true},
		{"one field differs", Rule{Service: "sts", Operation: assume, Principal: node}, toEKSAuth, false},
		{"principal", Rule{Principal: node}, toEKSAuth, true},
		{"other principal", Rule{Principal: "arn:aws:sts::*:assumed-role/other/*"}, toEKSAuth, false},
		{"association before it is known", Rule{Association: "a-1"}, toEKSAuth, false},
		{"association", Rule{Association: "a-1"}, request{"eks-auth", node, Target{assume, "a-1"}}, true},
		{"other association", Rule{Association: "a-1"}, request{"eks-auth", node, Target{assume, "a-2"}}, false},
		{"any association", Rule{Association: "*"}, request{"eks-auth", node, Target{assume, "a-2"}}, true},
		{"no association in the second look", Rule{Service: "eks-auth"}, request{"eks-auth", node, Target{assume, "a-1"}}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			set := New(Options{})
			test.rule.Error = refuse("Refused")
			add(t, set, test.rule)
			_, refusal, call, _ := at(t, t.Context(), set, test.request)
			if (refusal != nil) != test.want || (call.Fault == "fault-1") != test.want {
				t.Errorf("got %v, fault %q", refusal, call.Fault)
			}
		})
	}
}

func TestPattern(t *testing.T) {
	tests := []struct {
		pattern, text string
		want          bool
	}{
		{"", "anything", true},
		{"*", "", true},
		{"a", "a", true},
		{"a", "ab", false},
		{"a*", "a", true},
		{"*a", "ba", true},
		{"*a", "ab", false},
		{"a*a", "a", false}, // the two parts must not overlap
		{"a*a", "aa", true},
		{"a*b*c", "a/b/bc", true},
		{"a*b*c", "acb", false},
		{"**", "x", true},
		{"a?", "ab", false}, // only * is special
	}
	for _, test := range tests {
		if got := matches(test.pattern, test.text); got != test.want {
			t.Errorf("%q matches %q: %v", test.pattern, test.text, got)
		}
	}
}

func TestWithoutRules(t *testing.T) {
	if err := At(t.Context(), Target{Operation: assume}); err != nil {
		t.Errorf("no set: %v", err)
	}
	if err := At(NewContext(t.Context(), nil), Target{Operation: assume}); err != nil {
		t.Errorf("nil set: %v", err)
	}
	if err := At(NewContext(t.Context(), New(Options{})), Target{Operation: assume}); err != nil {
		t.Errorf("empty set: %v", err)
	}
	set := New(Options{})
	add(t, set, Rule{Operation: assume, Error: refuse("Refused")})
	if err := At(NewContext(t.Context(), set), Target{Operation: assume}); err == nil {
		t.Error("a request without a journal is not considered")
	}
}

func TestLatenciesAddUpAndFirstRefusalWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := New(Options{})
		add(t, set,
			Rule{Latency: &Latency{Fixed: Duration(200 * time.Millisecond)}},
			Rule{Error: refuse("First")},
			Rule{Error: refuse("Second")},
			Rule{Outage: &Outage{}},
			Rule{Latency: &Latency{Fixed: Duration(time.Second)}},
		)
		took, refusal, call, dropped := at(t, t.Context(), set, toEKSAuth)
		if took != 1200*time.Millisecond || refusal == nil || refusal.Code != "First" || call.Fault != "fault-2" || dropped {
			t.Errorf("took %v, refused with %v by %q, dropped %v", took, refusal, call.Fault, dropped)
		}
		var hits []uint64
		for _, status := range set.List() {
			hits = append(hits, status.Hits)
		}
		if len(hits) != 5 || [5]uint64(hits) != [5]uint64{1, 1, 0, 0, 1} {
			t.Errorf("hits %v", hits)
		}
	})
}

func TestDelaysHaveABoundTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := New(Options{})
		add(t, set, Rule{Latency: &Latency{Fixed: Duration(MaxDelay)}}, Rule{Latency: &Latency{Fixed: Duration(MaxDelay)}})
		if took, refusal, call, _ := at(t, t.Context(), set, toEKSAuth); took != MaxDelay || refusal != nil || call.Fault != "fault-1" {
			t.Errorf("took %v, %v, %q", took, refusal, call.Fault)
		}
	})
}

func TestSecondLookKeepsTheFirstFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := New(Options{})
		delay := &Latency{Fixed: Duration(time.Millisecond)}
		add(t, set, Rule{Latency: delay}, Rule{Association: "a-1", Latency: delay}, Rule{Association: "a-2", Error: refuse("Refused")})
		for association, want := range map[string]string{"a-1": "fault-1", "a-2": "fault-3"} {
			call := &journal.Call{Service: "eks-auth"}
			ctx := NewContext(journal.NewContext(t.Context(), call), set)
			if err := At(ctx, Target{Operation: assume}); err != nil {
				t.Error(err)
			}
			err := At(ctx, Target{Operation: assume, Association: association})
			if call.Fault != want || (err != nil) != (association == "a-2") {
				t.Errorf("%s: fault %q, %v", association, call.Fault, err)
			}
		}
	})
}

func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := New(Options{})
		add(t, set, Rule{Outage: &Outage{}, Count: 1}, Rule{Outage: &Outage{Hang: Duration(30 * time.Second)}})
		if took, _, call, dropped := at(t, t.Context(), set, toEKSAuth); took != 0 || !dropped || call.Fault != "fault-1" {
			t.Errorf("at once: took %v, dropped %v, %q", took, dropped, call.Fault)
		}
		if took, _, _, dropped := at(t, t.Context(), set, toEKSAuth); took != 30*time.Second || !dropped {
			t.Errorf("to the bound: took %v, dropped %v", took, dropped)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if took, _, _, dropped := at(t, ctx, set, toEKSAuth); took != 10*time.Second || !dropped {
			t.Errorf("until the client gives up: took %v, dropped %v", took, dropped)
		}
	})
}

func TestDelayEndsWithTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := New(Options{})
		add(t, set, Rule{Latency: &Latency{Fixed: Duration(time.Minute)}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if took, refusal, _, dropped := at(t, ctx, set, toEKSAuth); took != time.Second || !dropped || refusal != nil {
			t.Errorf("took %v, dropped %v, %v", took, dropped, refusal)
		}
	})
}

func TestClearLetsGo(t *testing.T) {
	for _, outage := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			set := New(Options{})
			rule := Rule{Latency: &Latency{Fixed: Duration(time.Minute)}}
			if outage {
				rule = Rule{Outage: &Outage{Hang: Duration(time.Minute)}}
			}
			add(t, set, rule)
			go func() {
				time.Sleep(time.Second)
				set.Clear()
			}()
			if took, _, _, dropped := at(t, t.Context(), set, toEKSAuth); took != time.Second || dropped != outage {
				t.Errorf("outage %v: took %v, dropped %v", outage, took, dropped)
			}
			if took, _, _, dropped := at(t, t.Context(), set, toEKSAuth); took != 0 || dropped || len(set.List()) != 0 {
				t.Errorf("afterwards: took %v, dropped %v", took, dropped)
			}
			add(t, set, rule)
			if id := set.List()[0].ID; id != "fault-2" {
				t.Errorf("an ID was given again: %s", id)
			}
		})
	}
}

// A real connection ends without any byte of an answer.
func TestOutageOverHTTP(t *testing.T) {
	set := New(Options{})
	add(t, set, Rule{Outage: &Outage{}})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_ = At(NewContext(r.Context(), set), Target{Operation: assume})
	}))
	defer server.Close()
	response, err := http.Post(server.URL, "application/json", nil)
	if err == nil {
		_ = response.Body.Close()
		t.Fatalf("got an answer: %s", response.Status)
	}
	if !errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
}

// The codes are those of kinds, which cites their sources.
func TestKindsSpeakTheServicesLanguage(t *testing.T) {
	tests := []struct {
		kind    Kind
		service string
		code    string
		status  int
	}{
		{Throttling, "eks-auth", "ThrottlingException", 429},
		{Throttling, "eks", "ThrottlingException", 429},
		{Throttling, "iam", "Throttling", 400},
		{Throttling, "sts", "Throttling", 400},
		{Throttling, "s3", "SlowDown", 503},
		{Throttling, "imds", "Throttled", 503},
		{Throttling, "ec2", "RequestLimitExceeded", 503},
		{Throttling, "cloudformation", "Throttling", 400},
		{Throttling, "ecr", "ThrottlingException", 400},
		{Internal, "eks-auth", "InternalServerException", 500},
		{Internal, "eks", "ServerException", 500},
		{Internal, "s3", "InternalError", 500},
		{Unavailable, "eks-auth", "ServiceUnavailableException", 503},
		{AccessDenied, "eks-auth", "AccessDeniedException", 400},
		{AccessDenied, "sts", "AccessDenied", 403},
		{AccessDenied, "ec2", "UnauthorizedOperation", 403},
		{AccessDenied, "ecr", "AccessDeniedException", 400},
		{Throttling, "unheard-of", "ThrottlingException", 429},
	}
	for _, test := range tests {
		set := New(Options{})
		add(t, set, Rule{Error: &Refusal{Kind: test.kind}})
		_, refusal, _, _ := at(t, t.Context(), set, request{test.service, node, Target{Operation: "Op"}})
		if refusal == nil || refusal.Code != test.code || refusal.Status != test.status || refusal.Message == "" {
			t.Errorf("%s of %s: %+v", test.kind, test.service, refusal)
		}
	}
	for kind, byService := range kinds {
		if len(byService) != 9 {
			t.Errorf("%s is known of %d services", kind, len(byService))
		}
	}
}

func TestLife(t *testing.T) {
	ofOne := Target{Operation: assume, Association: "a-1"}
	tests := []struct {
		name   string
		rules  []Rule
		target Target
		want   time.Duration
		fault  string
	}{
		{"no rule with a life", []Rule{{Latency: &Latency{Fixed: 1}}}, ofOne, 0, ""},
		{"of the association", []Rule{{Association: "a-1", Life: Duration(time.Minute)}}, ofOne, time.Minute, "fault-1"},
		{"of another association", []Rule{{Association: "a-2", Life: Duration(time.Minute)}}, ofOne, 0, ""},
		{"of all associations", []Rule{{Life: Duration(time.Minute)}}, ofOne, time.Minute, "fault-1"},
		{"of another service", []Rule{{Service: "sts", Life: Duration(time.Minute)}}, ofOne, 0, ""},
		{"the first of two", []Rule{{Life: Duration(time.Minute)}, {Association: "a-1", Life: Duration(time.Hour)}}, ofOne, time.Minute, "fault-1"},
		{"the second, the first being spent", []Rule{{Life: Duration(time.Minute), Count: 1}, {Life: Duration(time.Hour)}}, ofOne, time.Hour, "fault-2"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			set := New(Options{})
			add(t, set, test.rules...)
			life := func() (time.Duration, string) {
				call := &journal.Call{Service: "eks-auth", Principal: node}
				return Life(NewContext(journal.NewContext(t.Context(), call), set), test.target), call.Fault
			}
			if test.rules[0].Count == 1 {
				life()
			}
			if got, fault := life(); got != test.want || fault != test.fault {
				t.Errorf("got %v by %q, want %v by %q", got, fault, test.want, test.fault)
			}
			// A life neither delays nor refuses requests.
			if took, refusal, _, dropped := at(t, t.Context(), set, request{"eks-auth", node, test.target}); test.want != 0 && (refusal != nil || dropped || took > time.Second) {
				t.Errorf("the request was held up: %v, %v", refusal, dropped)
			}
		})
	}
	if got := Life(t.Context(), ofOne); got != 0 {
		t.Errorf("without a set: %v", got)
	}
}

func TestOwnError(t *testing.T) {
	set := New(Options{})
	add(t, set, Rule{Error: &Refusal{Code: "TeapotException", Status: 418, Message: "short and stout"}, Count: 1}, Rule{Error: &Refusal{Kind: Internal, Message: "oh"}})
	if _, refusal, _, _ := at(t, t.Context(), set, toEKSAuth); refusal == nil || *refusal != (Error{"TeapotException", 418, "short and stout"}) {
		t.Errorf("got %+v", refusal)
	}
	if _, refusal, _, _ := at(t, t.Context(), set, toEKSAuth); refusal == nil || *refusal != (Error{"InternalServerException", 500, "oh"}) || refusal.Error() != "InternalServerException: oh" {
		t.Errorf("got %+v", refusal)
	}
}
