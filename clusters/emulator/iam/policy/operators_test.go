package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// operatorCase is one operator with a value, and two texts of a request: the comparison holds for one and fails for the
// other, without negation.
type operatorCase struct {
	name, value string
	matches     [2]string
	differs     [2]string
	negated     bool
}

// operatorCases are all operators of reference_policies_elements_condition_operators except Null.
var operatorCases = []operatorCase{
	{name: "StringEquals", value: `["a","b"]`, matches: [2]string{"a", "b"}, differs: [2]string{"A", "c"}},
	{name: "StringNotEquals", value: `["a","b"]`, matches: [2]string{"a", "b"}, differs: [2]string{"A", "c"}, negated: true},
	{name: "StringEqualsIgnoreCase", value: `["a","b"]`, matches: [2]string{"A", "b"}, differs: [2]string{"c", "d"}},
	{name: "StringNotEqualsIgnoreCase", value: `["a","b"]`, matches: [2]string{"A", "b"}, differs: [2]string{"c", "d"}, negated: true},
	{name: "StringLike", value: `"a*"`, matches: [2]string{"a", "abc"}, differs: [2]string{"b", "ba"}},
	{name: "StringNotLike", value: `"a*"`, matches: [2]string{"a", "abc"}, differs: [2]string{"b", "ba"}, negated: true},
	{name: "NumericEquals", value: `["1","2"]`, matches: [2]string{"1.0", "2"}, differs: [2]string{"3", "one"}},
	{name: "NumericNotEquals", value: `["1","2"]`, matches: [2]string{"1.0", "2"}, differs: [2]string{"3", "one"}, negated: true},
	{name: "NumericLessThan", value: `"10"`, matches: [2]string{"9", "-1"}, differs: [2]string{"10", "11"}},
	{name: "NumericLessThanEquals", value: `"10"`, matches: [2]string{"10", "9"}, differs: [2]string{"10.1", "11"}},
	{name: "NumericGreaterThan", value: `"10"`, matches: [2]string{"11", "10.1"}, differs: [2]string{"10", "9"}},
	{name: "NumericGreaterThanEquals", value: `"10"`, matches: [2]string{"10", "11"}, differs: [2]string{"9", "9.9"}},
	{name: "DateEquals", value: `"2026-01-01"`, matches: [2]string{"2026-01-01T00:00:00Z", "1767225600"}, differs: [2]string{"2026-01-02", "today"}},
	{name: "DateNotEquals", value: `"2026-01-01"`, matches: [2]string{"2026-01-01T00:00:00Z", "1767225600"}, differs: [2]string{"2026-01-02", "today"}, negated: true},
	{name: "DateLessThan", value: `"2026-01-01"`, matches: [2]string{"2025-12-31", "2025"}, differs: [2]string{"2026-01-01", "2027"}},
	{name: "DateLessThanEquals", value: `"2026-01-01"`, matches: [2]string{"2026-01-01", "2025"}, differs: [2]string{"2026-01-02", "2027"}},
	{name: "DateGreaterThan", value: `"2026-01-01"`, matches: [2]string{"2026-01-02", "2027"}, differs: [2]string{"2026-01-01", "2025"}},
	{name: "DateGreaterThanEquals", value: `"2026-01-01"`, matches: [2]string{"2026-01-01", "2027"}, differs: [2]string{"2025-12-31", "2025"}},
	{name: "Bool", value: `"true"`, matches: [2]string{"true", "TRUE"}, differs: [2]string{"false", "yes"}},
	{name: "BinaryEquals", value: `["YQ==","Yg=="]`, matches: [2]string{"YQ==", "Yg=="}, differs: [2]string{"Yw==", "a"}},
	{name: "IpAddress", value: `"192.0.2.0/24"`, matches: [2]string{"192.0.2.1", "192.0.2.255"}, differs: [2]string{"198.51.100.1", "2001:db8::1"}},
	{name: "NotIpAddress", value: `"192.0.2.0/24"`, matches: [2]string{"192.0.2.1", "192.0.2.255"}, differs: [2]string{"198.51.100.1", "2001:db8::1"}, negated: true},
	{name: "ArnEquals", value: `"arn:aws:s3:::a*"`, matches: [2]string{"arn:aws:s3:::a", "arn:aws:s3:::ab"}, differs: [2]string{"arn:aws:s3:::b", "a"}},
	{name: "ArnLike", value: `"arn:aws:s3:::a*"`, matches: [2]string{"arn:aws:s3:::a", "arn:aws:s3:::ab"}, differs: [2]string{"arn:aws:s3:::b", "a"}},
	{name: "ArnNotEquals", value: `"arn:aws:s3:::a*"`, matches: [2]string{"arn:aws:s3:::a", "arn:aws:s3:::ab"}, differs: [2]string{"arn:aws:s3:::b", "a"}, negated: true},
	{name: "ArnNotLike", value: `"arn:aws:s3:::a*"`, matches: [2]string{"arn:aws:s3:::a", "arn:aws:s3:::ab"}, differs: [2]string{"arn:aws:s3:::b", "a"}, negated: true},
}

// sent says which values the request has for a key.
type sent string

const (
	absent      sent = "absent"
	noValues    sent = "no values"
	emptyText   sent = "an empty text"
	oneMatches  sent = "one that matches"
	oneDiffers  sent = "one that differs"
	allMatch    sent = "two that match"
	someMatch   sent = "one that matches and one that differs"
	noneMatches sent = "two that differ"
)

func (s sent) of(o *operatorCase) values {
	switch s {
	case noValues:
		return values{}
	case emptyText:
		return values{""}
	case oneMatches:
		return values{o.matches[0]}
	case oneDiffers:
		return values{o.differs[0]}
	case allMatch:
		return o.matches[:]
	case someMatch:
		return values{o.matches[0], o.differs[0]}
	case noneMatches:
		return o.differs[:]
	}
	return nil
}

// TestOperators: every operator with every set operator, with and without IfExists, on a key with every
// number of values. A row says whether the condition holds for an operator and for a negated one.
func TestOperators(t *testing.T) {
	const (
		operators = "reference_policies_elements_condition_operators"
		ifExists  = operators + " IfExists"
		important = operators + " Important: absent keys"
		sets      = "reference_policies_condition-single-vs-multi-valued-context-keys"
		required  = sets + ": a multivalued key requires a set operator"
		byKey     = required + ", whatever number of values (https://github.com/ExtendDB/extenddb/pull/271)"
		single    = "k:x"
		multi     = "aws:TagKeys"
	)
	rows := []struct {
		source, set string
		ifExists    bool
		key         string
		sent        sent
		// positive and negated say whether the condition holds for the operator and for its negation.
		positive, negated bool
	}{
		{important, "", false, single, absent, false, true},
		{important, "", false, single, noValues, false, true},
		{operators, "", false, single, emptyText, false, true},
		{operators, "", false, single, oneMatches, true, false},
		{operators, "", false, single, oneDiffers, false, true},
		{required, "", false, single, allMatch, false, false},
		{required, "", false, single, someMatch, false, false},
		{required, "", false, single, noneMatches, false, false},
		{important, "", false, multi, absent, false, true},
		{important, "", false, multi, noValues, false, true},
		{byKey, "", false, multi, emptyText, false, false},
		{byKey, "", false, multi, oneMatches, false, false},
		{byKey, "", false, multi, oneDiffers, false, false},
		{byKey, "", false, multi, allMatch, false, false},
		{byKey, "", false, multi, someMatch, false, false},
		{byKey, "", false, multi, noneMatches, false, false},

		{ifExists, "", true, single, absent, true, true},
		{ifExists, "", true, single, noValues, true, true},
		{ifExists, "", true, single, emptyText, false, true},
		{ifExists, "", true, single, oneMatches, true, false},
		{ifExists, "", true, single, oneDiffers, false, true},
		{required, "", true, single, allMatch, false, false},
		{required, "", true, single, someMatch, false, false},
		{required, "", true, single, noneMatches, false, false},
		{ifExists, "", true, multi, absent, true, true},
		{ifExists, "", true, multi, noValues, true, true},
		{byKey, "", true, multi, emptyText, false, false},
		{byKey, "", true, multi, oneMatches, false, false},
		{byKey, "", true, multi, oneDiffers, false, false},
		{byKey, "", true, multi, allMatch, false, false},

		{sets + " ForAllValues: true without the key", "ForAllValues:", false, multi, absent, true, true},
		{sets + " ForAllValues: true without the key", "ForAllValues:", false, single, absent, true, true},
		{sets + " ForAllValues: true for a null data set", "ForAllValues:", false, multi, noValues, true, true},
		{sets + " ForAllValues: an empty text is a null data set", "ForAllValues:", false, multi, emptyText, true, true},
		{sets + " ForAllValues: every value matches", "ForAllValues:", false, multi, oneMatches, true, false},
		{sets + " ForAllValues: every value matches", "ForAllValues:", false, single, oneMatches, true, false},
		{sets + " ForAllValues: every value matches", "ForAllValues:", false, multi, oneDiffers, false, true},
		{sets + " ForAllValues: every value matches", "ForAllValues:", false, multi, allMatch, true, false},
		{sets + " ForAllValues: every value matches", "ForAllValues:", false, multi, someMatch, false, false},
		{sets + " ForAllValues: every value matches", "ForAllValues:", false, multi, noneMatches, false, true},
		{sets + " ForAllValues with IfExists", "ForAllValues:", true, multi, absent, true, true},
		{sets + " ForAllValues with IfExists", "ForAllValues:", true, multi, noValues, true, true},
		{sets + " ForAllValues with IfExists", "ForAllValues:", true, multi, emptyText, true, true},
		{sets + " ForAllValues with IfExists", "ForAllValues:", true, multi, oneMatches, true, false},
		{sets + " ForAllValues with IfExists", "ForAllValues:", true, multi, someMatch, false, false},
		{sets + " ForAllValues with IfExists", "ForAllValues:", true, multi, noneMatches, false, true},

		{sets + " ForAnyValue: false without the key", "ForAnyValue:", false, multi, absent, false, false},
		{sets + " ForAnyValue: false without the key", "ForAnyValue:", false, single, absent, false, false},
		{sets + " ForAnyValue: false for a null data set", "ForAnyValue:", false, multi, noValues, false, false},
		{sets + " ForAnyValue: an empty text is a null data set", "ForAnyValue:", false, multi, emptyText, false, false},
		{sets + " ForAnyValue: one value matches", "ForAnyValue:", false, multi, oneMatches, true, false},
		{sets + " ForAnyValue: one value matches", "ForAnyValue:", false, single, oneMatches, true, false},
		{sets + " ForAnyValue: one value matches", "ForAnyValue:", false, multi, oneDiffers, false, true},
		{sets + " ForAnyValue: one value matches", "ForAnyValue:", false, multi, allMatch, true, false},
		{sets + " ForAnyValue: one value matches", "ForAnyValue:", false, multi, someMatch, true, true},
		{sets + " ForAnyValue: one value matches", "ForAnyValue:", false, multi, noneMatches, false, true},
		{ifExists + " with ForAnyValue", "ForAnyValue:", true, multi, absent, true, true},
		{ifExists + " with ForAnyValue", "ForAnyValue:", true, multi, noValues, true, true},
		{sets + " ForAnyValue with IfExists", "ForAnyValue:", true, multi, emptyText, false, false},
		{sets + " ForAnyValue with IfExists", "ForAnyValue:", true, multi, oneMatches, true, false},
		{sets + " ForAnyValue with IfExists", "ForAnyValue:", true, multi, someMatch, true, true},
		{sets + " ForAnyValue with IfExists", "ForAnyValue:", true, multi, noneMatches, false, true},
	}
	for i := range operatorCases {
		o := &operatorCases[i]
		for _, row := range rows {
			name := row.set + o.name
			if row.ifExists {
				name += "IfExists"
			}
			want := row.positive
			if o.negated {
				want = row.negated
			}
			condition := fmt.Sprintf(`{%q:{%q:%s}}`, name, row.key, o.value)
			if got := conditionHolds(t, condition, row.key, row.sent.of(o)); got != want {
				t.Errorf("%s on %s: holds %v, want %v (%s)", condition, row.sent, got, want, row.source)
			}
		}
	}
}

// TestOperatorsComplete checks that the table has every operator.
func TestOperatorsComplete(t *testing.T) {
	for name := range operators {
		if name != "null" && !slices.ContainsFunc(operatorCases, func(o operatorCase) bool { return strings.EqualFold(o.name, name) }) {
			t.Errorf("no case for %s", name)
		}
	}
}

// TestNullOperator: the presence of a key does not depend on the number of its values. Null has neither IfExists nor a set
// operator (reference_policies_elements_condition_operators, "Null").
func TestNullOperator(t *testing.T) {
	for _, key := range []string{"k:x", "aws:TagKeys"} {
		for _, row := range []struct {
			request values
			there   bool
		}{{nil, false}, {values{}, false}, {values{""}, true}, {values{"a"}, true}, {values{"a", "b"}, true}} {
			for value, want := range map[string]bool{`"true"`: !row.there, `"false"`: row.there, `true`: !row.there, `["true","false"]`: true} {
				if got := conditionHolds(t, fmt.Sprintf(`{"Null":{%q:%s}}`, key, value), key, row.request); got != want {
					t.Errorf("Null %s of %s with %q: holds %v, want %v", value, key, row.request, got, want)
				}
			}
		}
	}
	for _, name := range []string{"NullIfExists", "ForAllValues:Null", "ForAnyValue:Null", "ForAnyValue:ForAllValues:StringEquals", "StringEqualsIfExistsIfExists"} {
		if _, err := Parse([]byte(statement(`"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"` + name + `":{"k:x":"true"}}`))); err == nil {
			t.Errorf("%s is an operator", name)
		}
	}
}

// TestMultivaluedKeys: some keys are multivalued by definition, in any case of letters, and none of them is a variable
// (reference_policies_condition-single-vs-multi-valued-context-keys).
func TestMultivaluedKeys(t *testing.T) {
	const global = "reference_policies_condition-keys, Value type"
	for _, test := range []struct {
		source, key string
		want        bool
	}{
		{global, "aws:TagKeys", true},
		{global, "AWS:tagkeys", true},
		{global, "aws:CalledVia", true},
		{global, "aws:CalledViaFirst", false},
		{global, "aws:CalledViaLast", false},
		{global, "aws:PrincipalServiceNamesList", true},
		{global, "aws:PrincipalServiceName", false},
		{global, "aws:PrincipalOrgPaths", true},
		{global, "aws:PrincipalOrgID", false},
		{global, "aws:ResourceOrgPaths", true},
		{global, "aws:SourceOrgPaths", true},
		{global, "aws:VpceOrgPaths", true},
		{global, "aws:RequestTag/team", false},
		{global, "aws:PrincipalTag/team", false},
		{global, "aws:ResourceTag/team", false},
		{"reference_policies_iam-condition-keys, sts:TransitiveTagKeys", "sts:TransitiveTagKeys", true},
		{"reference_policies_iam-condition-keys, sts:ExternalId", "sts:ExternalId", false},
		{"reference_policies_iam-condition-keys, amr", "cognito-identity.amazonaws.com:amr", true},
		{"reference_policies_iam-condition-keys, amr", "oidc.eks.us-west-2.amazonaws.com/id/ABC:amr", true},
		{"reference_policies_iam-condition-keys, sub", "oidc.eks.us-west-2.amazonaws.com/id/ABC:sub", false},
		{"list_amazons3: ArrayOfString", "s3:RequestObjectTagKeys", true},
		{"list_amazons3: String", "s3:prefix", false},
		{"list_amazonelastickubernetesservice: ArrayOfString", "eks:namespaces", true},
	} {
		condition := fmt.Sprintf(`{"StringEquals":{%q:"a"}}`, test.key)
		if got := conditionHolds(t, condition, test.key, values{"a"}); got == test.want {
			t.Errorf("%s of one value: holds %v (%s)", condition, got, test.source)
		}
		condition = fmt.Sprintf(`{"ForAnyValue:StringEquals":{%q:"a"}}`, test.key)
		if !conditionHolds(t, condition, test.key, values{"a"}) {
			t.Errorf("%s of one value does not hold (%s)", condition, test.source)
		}
		condition = fmt.Sprintf(`{"StringEquals":{"k:y":"${%s}"}}`, test.key)
		context := Context{"k:y": {"a"}}
		context.Set(test.key, "a")
		if got := decideCondition(t, condition, context); got == test.want {
			t.Errorf("%s as a variable: holds %v (%s)", test.key, got, test.source)
		}
	}
}

// conditionHolds says whether a condition is true of a request with the values of one key.
func conditionHolds(t *testing.T, condition, key string, request values) bool {
	t.Helper()
	context := Context{}
	if request != nil {
		context.Set(key, request...)
	}
	return decideCondition(t, condition, context)
}

func decideCondition(t *testing.T, condition string, context Context) bool {
	t.Helper()
	document := mustParse(t, statement(`"Effect":"Allow","Action":"s3:GetObject","Resource":"*","Condition":`+condition))
	return Evaluate(&Request{
		Principal: user, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", Context: context,
	}, &Policies{Identity: []Named{{"p", document}}}).Allowed
}
