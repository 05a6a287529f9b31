package policy

import (
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"
)

// FuzzValues compares the parsers of numbers, dates and CIDR ranges with slower ones.
func FuzzValues(f *testing.F) {
	for _, seed := range [][2]string{
		{"10", "10.0"}, {"-0", "0"}, {"+.5", "0.50"}, {"-3.25", "-3.3"}, {"1e9", "1"}, {"00012", "9"}, {".", "-"}, {"99999999999999999999", "99999999999999999998"},
		{"2026-08-23", "2026"}, {"2020-01-01T00:00:01Z", "1577836801"}, {"2020-01-01T00:00+01:00", "2020-01-01T00:00:00.5Z"}, {"-1", "0000"}, {"2020-13", "20200101"},
		{"10.0.0.0/8", "10.1.2.3"}, {"2001:DB8:1234:5678::/64", "2001:db8:1234:5678::1"}, {"::ffff:10.0.0.0/104", "::ffff:10.1.2.3"}, {"fe80::1%eth0", "fe80::1"}, {"10.0.0.1/33", "010.0.0.1"},
		{"TRUE", "true"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		checkNumbers(t, a, b)
		if at, ok := parseDate(a); ok {
			again, ok := parseDate(at.UTC().Format(time.RFC3339Nano))
			if year := at.UTC().Year(); year >= 0 && year <= 9999 && (!ok || !again.Equal(at)) {
				t.Errorf("date %q is %v, read again %v", a, at, again)
			}
		}
		if network, ok := parseNetwork(a); ok {
			if network != network.Masked() {
				t.Errorf("range %q keeps the bits of a host: %v", a, network)
			}
			if again, ok := parseNetwork(network.String()); !ok || again != network {
				t.Errorf("range %q is %v, read again %v", a, network, again)
			}
			if address, ok := parseAddress(network.Addr().String()); !ok || !network.Contains(address) {
				t.Errorf("range %q does not contain its first address %v", a, network.Addr())
			}
		}
		// For any texts, an operator and its negation differ on a key that is present.
		for name, op := range operators {
			if op.negated || op.family == null || operators[negation(name)].family != op.family {
				continue
			}
			positive := condition{operator: op, key: "k:x", values: []conditionValue{newValue(op, a, true)}}
			negative := positive
			negative.operator.negated = true
			if context := (Context{"k:x": {b}}); positive.holds(context) == negative.holds(context) {
				t.Errorf("%s of %q on %q is like its negation", name, a, b)
			}
			if context := (Context{"k:x": {b, a}}); positive.holds(context) || negative.holds(context) {
				t.Errorf("%s of %q holds without a set operator of %q and %q", name, a, b, a)
			}
		}
	})
}

// negation returns the name of the negated operator. Some operators have none.
func negation(name string) string {
	if name == "ipaddress" {
		return "notipaddress"
	}
	for _, family := range []string{"string", "numeric", "date", "arn"} {
		if rest, ok := strings.CutPrefix(name, family); ok {
			return family + "not" + rest
		}
	}
	return ""
}

func checkNumbers(t *testing.T, a, b string) {
	x, ok := parseNumber(a)
	if strings.Trim(a, "+-.0123456789") != "" {
		if ok {
			t.Errorf("%q is no number", a)
		}
		return
	}
	if _, isNumber := new(big.Rat).SetString(a); ok != isNumber {
		t.Errorf("%q: a number %v, want %v", a, ok, isNumber)
	}
	if y, isNumber := parseNumber(b); ok && isNumber {
		p, _ := new(big.Rat).SetString(a)
		q, _ := new(big.Rat).SetString(b)
		if got, want := x.compare(y), p.Cmp(q); got > 0 != (want > 0) || got < 0 != (want < 0) {
			t.Errorf("%q against %q: got %d, want %d", a, b, got, want)
		}
	}
}

// chooser draws choices from the fuzzer's bytes.
type chooser struct{ bytes []byte }

func (c *chooser) choose(n int) int {
	if len(c.bytes) == 0 {
		return 0
	}
	choice := int(c.bytes[0]) % n
	c.bytes = c.bytes[1:]
	return choice
}

func (c *chooser) of(choices ...string) string { return choices[c.choose(len(choices))] }

func (c *chooser) statement(effect string, principal bool) string {
	body := `"Effect":"` + effect + `",` +
		c.of(`"Action"`, `"NotAction"`) + c.of(`:"s3:*"`, `:"*"`, `:["iam:*","s3:PutObject"]`) + "," +
		c.of(`"Resource"`, `"NotResource"`) + c.of(`:"*"`, `:"arn:aws:s3:::b/${aws:PrincipalTag/team}/*"`, `:["arn:aws:s3:::c","arn:aws:s3:*"]`) +
		c.of("", "", `,"Condition":{"StringNotEquals":{"k:x":"${aws:PrincipalTag/team}"}}`, `,"Condition":{"StringEquals":{"k:x":["a","b"]}}`, `,"Condition":{"Null":{"k:x":"true"}}`, `,"Condition":{"ForAllValues:StringLike":{"k:x":"a*"}}`,
			`,"Condition":{"StringNotEquals":{"aws:TagKeys":"a"}}`, `,"Condition":{"ForAnyValue:StringNotLikeIfExists":{"aws:TagKeys":"a*"}}`)
	if principal {
		body += c.of(`,"Principal":`, `,"Principal":`, `,"NotPrincipal":`) + c.of(`"*"`, `{"AWS":"123456789012"}`,
			`{"AWS":"arn:aws:iam::123456789012:role/reader"}`, `{"AWS":["123456789012","arn:aws:iam::123456789012:role/reader","arn:aws:sts::123456789012:assumed-role/reader/one"]}`,
			`{"AWS":"arn:aws:iam::123456789012:user/ann"}`, `{"Service":"pods.eks.amazonaws.com"}`)
	}
	return "{" + body + "}"
}

func (c *chooser) statements(principal bool) []string {
	var statements []string
	for range 1 + c.choose(3) {
		statements = append(statements, c.statement(c.of("Allow", "Allow", "Deny"), principal))
	}
	return statements
}

// world has the input of a decision: the statements of four policies. A nil one does not exist.
type world struct{ identity, boundary, session, resource []string }

func (w world) evaluate(t *testing.T, request *Request) Decision {
	named := func(name string, statements []string) *Named {
		if statements == nil {
			return nil
		}
		return &Named{name, mustParse(t, `{"Version":"2012-10-17","Statement":[`+strings.Join(statements, ",")+`]}`)}
	}
	policies := &Policies{Boundary: named("boundary", w.boundary), Resource: named("resource", w.resource)}
	if p := named("identity", w.identity); p != nil {
		policies.Identity = []Named{*p}
	}
	if p := named("session", w.session); p != nil {
		policies.Session = []Named{*p}
	}
	decision := Evaluate(request, policies)
	less := *request
	less.Context = mentioned(request.Context, policies)
	if again := Evaluate(&less, policies); again.Explain() != decision.Explain() {
		t.Errorf("with the keys that the policies name only: %s, not %s", again.Explain(), decision.Explain())
	}
	return decision
}

func with(statements []string, more string) []string {
	return append(append([]string{}, statements...), more)
}

// FuzzEvaluate checks properties that every decision has, for any policies.
func FuzzEvaluate(f *testing.F) {
	for i := range 24 {
		f.Add([]byte(fmt.Sprintf("%c%c policies of every kind %d", i, 7*i, i*i*31)))
	}
	f.Add([]byte("\x03\x01\x01\x01\x01\x02\x01\x00\x01\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, bytes []byte) {
		c := &chooser{bytes}
		request := &Request{
			Principal:         []Principal{session, user, podIdentity, {}, {Federated: "accounts.google.com"}}[c.choose(5)],
			Action:            c.of("s3:GetObject", "s3:PutObject", "iam:GetRole"),
			Resource:          c.of("arn:aws:s3:::b/red/k", "arn:aws:s3:::c", "*"),
			ResourceAccount:   c.of("", "123456789012", "999999999999"),
			ResourceMustAllow: c.choose(4) == 0,
			Context:           []Context{{}, {"k:x": {"a"}}, {"aws:principaltag/team": {"red"}, "k:x": {"red"}}, {"k:x": {"a", "z"}}, {"aws:tagkeys": {"a"}}}[c.choose(5)],
		}
		w := world{identity: c.statements(false)}
		if c.choose(2) == 1 {
			w.boundary = c.statements(false)
		}
		if c.choose(2) == 1 {
			w.session = c.statements(false)
		}
		if c.choose(2) == 1 {
			w.resource = c.statements(true)
		}
		before := w.evaluate(t, request)
		if before.Allowed != (before.Statement != nil && !before.Statement.Deny) || before.Explicit != (before.Statement != nil && before.Statement.Deny) {
			t.Fatalf("the decision and its statement differ: %s", before.Explain())
		}
		if before.Kind == "" || strings.Contains(before.Explain(), "%!") {
			t.Fatalf("an explanation without a kind: %s", before.Explain())
		}
		kinds := []struct {
			name       string
			statements *[]string
			principal  bool
		}{{"identity", &w.identity, false}, {"boundary", &w.boundary, false}, {"session", &w.session, false}, {"resource", &w.resource, true}}
		for _, kind := range kinds {
			own := *kind.statements
			if own == nil {
				continue
			}
			deny := c.statement("Deny", kind.principal)
			*kind.statements = with(own, deny)
			if after := w.evaluate(t, request); after.Allowed && !before.Allowed {
				t.Errorf("%s in the %s policy turns a denial into: %s", deny, kind.name, after.Explain())
			}
			allow := c.statement("Allow", kind.principal)
			*kind.statements = with(own, allow)
			if after := w.evaluate(t, request); before.Allowed && !after.Allowed {
				t.Errorf("%s in the %s policy turns an allowance into: %s", allow, kind.name, after.Explain())
			}
			everything := `{"Effect":"Deny","Action":"*","Resource":"*"`
			if kind.principal {
				everything += `,"Principal":"*"`
			}
			*kind.statements = with(own, everything+"}")
			if after := w.evaluate(t, request); after.Allowed || !after.Explicit {
				t.Errorf("an explicit deny in the %s policy loses: %s", kind.name, after.Explain())
			}
			*kind.statements = own
		}
		if w.boundary != nil {
			boundary := w.boundary
			w.boundary = nil
			if without := w.evaluate(t, request); before.Allowed && !without.Allowed {
				t.Errorf("the boundary widens: %s, without it %s", before.Explain(), without.Explain())
			}
			w.boundary = boundary
		}
		if w.session != nil {
			w.session = nil
			if without := w.evaluate(t, request); before.Allowed && !without.Allowed {
				t.Errorf("the session policy widens: %s, without it %s", before.Explain(), without.Explain())
			}
		}
	})
}
