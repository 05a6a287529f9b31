package policy

import (
	"strings"
	"testing"
)

// TestPrincipals: which callers a Principal element names, and how directly.
func TestPrincipals(t *testing.T) {
	const page = "reference_policies_elements_principal"
	anonymous := Principal{}
	federated := Principal{Federated: "arn:aws:iam::123456789012:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/A"}
	stranger := Principal{AccountID: "999999999999", ARN: "arn:aws:iam::999999999999:user/eve", ID: "AIDAEVE"}
	federatedUser := Principal{AccountID: "123456789012", ARN: "arn:aws:sts::123456789012:federated-user/bob"}
	withID := Principal{AccountID: "123456789012", ARN: "arn:aws:iam::123456789012:user/ann", ID: "AIDAABCDEFGHIJKLMNOP"}
	roleID := session
	roleID.ID = "AROAABCDEFGHIJKLMNOP"
	pathRole := session
	pathRole.RoleARN = "arn:aws:iam::123456789012:role/team/reader"
	tests := []struct {
		source, principal string
		who               Principal
		want              grant
	}{
		{page + ": all principals", `"*"`, anonymous, toPrincipal},
		{page + ": all principals", `{"AWS":"*"}`, anonymous, toPrincipal},
		{page + ": all principals", `{"AWS":["123456789012","*"]}`, stranger, toPrincipal},
		{page + ": all principals", `"*"`, podIdentity, toPrincipal},
		{page + ": account ID", `{"AWS":"123456789012"}`, user, toAccount},
		{page + ": account ID", `{"AWS":"123456789012"}`, session, toAccount},
		{page + ": account ID", `{"AWS":"123456789012"}`, stranger, notGranted},
		{page + ": account ID and a service", `{"AWS":"123456789012"}`, podIdentity, notGranted},
		{page + ": account ARN", `{"AWS":"arn:aws:iam::123456789012:root"}`, session, toAccount},
		{page + ": account ARN of another partition", `{"AWS":"arn:aws-cn:iam::123456789012:root"}`, session, toAccount},
		{page + ": user", `{"AWS":"arn:aws:iam::123456789012:user/ann"}`, user, toPrincipal},
		{page + ": user names are case sensitive", `{"AWS":"arn:aws:iam::123456789012:user/Ann"}`, user, notGranted},
		{page + ": another account's user of that name", `{"AWS":"arn:aws:iam::999999999999:user/ann"}`, user, notGranted},
		{page + ": role", `{"AWS":"arn:aws:iam::123456789012:role/reader"}`, session, toRole},
		{page + ": role with its path", `{"AWS":"arn:aws:iam::123456789012:role/team/reader"}`, pathRole, toRole},
		{page + ": role without its path", `{"AWS":"arn:aws:iam::123456789012:role/reader"}`, pathRole, notGranted},
		{page + ": role session", `{"AWS":"arn:aws:sts::123456789012:assumed-role/reader/one"}`, session, toPrincipal},
		{page + ": another session", `{"AWS":"arn:aws:sts::123456789012:assumed-role/reader/two"}`, session, notGranted},
		{page + ": federated user session", `{"AWS":"arn:aws:sts::123456789012:federated-user/bob"}`, federatedUser, toPrincipal},
		{page + ": service", `{"Service":"pods.eks.amazonaws.com"}`, podIdentity, toPrincipal},
		{page + ": services", `{"Service":["ec2.amazonaws.com","pods.eks.amazonaws.com"]}`, podIdentity, toPrincipal},
		{page + ": a service is no account", `{"Service":"pods.eks.amazonaws.com"}`, user, notGranted},
		{page + ": web identity", `{"Federated":"arn:aws:iam::123456789012:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/A"}`, federated, toPrincipal},
		{page + ": another provider", `{"Federated":"arn:aws:iam::123456789012:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/B"}`, federated, notGranted},
		{page + ": nobody is federated by accident", `{"Federated":"accounts.google.com"}`, anonymous, notGranted},
		{page + ": canonical user, which names nobody here", `{"CanonicalUser":"79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"}`, user, notGranted},
		{page + ": unique ID of a user", `{"AWS":"AIDAABCDEFGHIJKLMNOP"}`, withID, toPrincipal},
		{page + ": unique ID of a role", `{"AWS":"AROAABCDEFGHIJKLMNOP"}`, roleID, toRole},
		{page + ": unique ID of a role that was deleted", `{"AWS":"AROAABCDEFGHIJKLMNOX"}`, roleID, notGranted},
		{page + ": the most direct name counts", `{"AWS":["123456789012","arn:aws:iam::123456789012:role/reader","arn:aws:sts::123456789012:assumed-role/reader/one"]}`, session, toPrincipal},
		{page + ": several types", `{"AWS":"999999999999","Service":"pods.eks.amazonaws.com"}`, podIdentity, toPrincipal},
	}
	for _, test := range tests {
		t.Run(test.source+" "+test.principal, func(t *testing.T) {
			document := mustParse(t, statement(`"Effect":"Allow","Action":"s3:*","Resource":"*","Principal":`+test.principal))
			if got := document.Statements[0].named(&test.who); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
}

// TestNotPrincipal: reference_policies_elements_notprincipal. "When you use NotPrincipal, you must also
// specify the account ARN of the not-denied principal"; for a role's session, the role's and the account's.
func TestNotPrincipal(t *testing.T) {
	const account, role, one = `"arn:aws:iam::123456789012:root"`, `"arn:aws:iam::123456789012:role/reader"`, `"arn:aws:sts::123456789012:assumed-role/reader/one"`
	const ann = `"arn:aws:iam::123456789012:user/ann"`
	tests := []struct {
		name, principal string
		who             Principal
		bounded, denied bool
	}{
		{"the page's example of a user", `{"AWS":[` + ann + `,` + account + `]}`, user, false, false},
		{"a user without the account", `{"AWS":` + ann + `}`, user, false, true},
		{"an account without the user", `{"AWS":` + account + `}`, user, false, true},
		{"another user", `{"AWS":["arn:aws:iam::123456789012:user/bob",` + account + `]}`, user, false, true},
		{"the page's example of a session", `{"AWS":[` + one + `,` + role + `,` + account + `]}`, session, false, false},
		{"a session without the role", `{"AWS":[` + one + `,` + account + `]}`, session, false, true},
		{"a role without the session", `{"AWS":[` + role + `,` + account + `]}`, session, false, true},
		{"a session and its role without the account", `{"AWS":[` + one + `,` + role + `]}`, session, false, true},
		{"everyone", `"*"`, session, false, false},
		{"a service", `{"Service":"pods.eks.amazonaws.com"}`, podIdentity, false, false},
		{"another service", `{"Service":"ec2.amazonaws.com"}`, podIdentity, false, true},
		{"an anonymous caller", `{"AWS":[` + ann + `,` + account + `]}`, Principal{}, false, true},
		{"a principal with a boundary is always denied", `{"AWS":[` + ann + `,` + account + `]}`, user, true, true},
		{"a principal with a boundary is always denied", `{"AWS":[` + one + `,` + role + `,` + account + `]}`, session, true, true},
	}
	all := mustParse(t, statement(`"Effect":"Allow","Action":"*","Resource":"*"`))
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			resource := mustParse(t, `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*","NotPrincipal":`+test.principal+`},
				{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}]}`)
			policies := &Policies{Identity: []Named{{"all", all}}, Resource: &Named{"bucket policy", resource}}
			if test.bounded {
				policies.Boundary = &Named{"boundary", all}
			}
			decision := Evaluate(&Request{Principal: test.who, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k"}, policies)
			if decision.Allowed == test.denied || decision.Explicit != test.denied {
				t.Errorf("denied = %v, want %v (%s)", decision.Explicit, test.denied, decision.Explain())
			}
		})
	}
}

func TestBind(t *testing.T) {
	// reference_policies_elements_principal: "if you delete the role, then you break the relationship".
	trust := mustParse(t, statement(`"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/reader"},"Action":"sts:AssumeRole"`))
	trust.Bind(func(string) string { return "AROAREADER" })
	again := session
	again.ID = "AROAANOTHER"
	for principal, want := range map[*Principal]bool{&session: true, &again: false} {
		decision := Evaluate(&Request{Principal: *principal, Action: "sts:AssumeRole", Resource: "arn:aws:iam::123456789012:role/x", ResourceMustAllow: true},
			&Policies{Resource: &Named{"trust", trust}})
		if decision.Allowed != want {
			t.Errorf("%s: allowed = %v, want %v", principal.ID, decision.Allowed, want)
		}
	}
}

// TestShown: a principal is shown by its ARN, or by its unique ID if it no longer exists
// (https://repost.aws/knowledge-center/iam-resource-policy-format). The rest of the text is unchanged.
func TestShown(t *testing.T) {
	const text = `{"Version":"2012-10-17", "Statement":[
		{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::123456789012:role/gone", "123456789012","arn:aws:iam::123456789012:user/\u0061nn"]},"Action":"sts:AssumeRole"},
		{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com","AWS":"AROAKEPTKEPTKEPT"},"Action":"sts:AssumeRole"}]}`
	document := mustParse(t, text)
	if got := document.Shown(nil); got != text {
		t.Errorf("before it is bound: %s", got)
	}
	ids := map[string]string{"arn:aws:iam::123456789012:role/gone": "AROAGONEGONEGONE", "arn:aws:iam::123456789012:user/ann": "AIDAANNANNANNANN", "AROAKEPTKEPTKEPT": "AROAKEPTKEPTKEPT"}
	document.Bind(func(name string) string { return ids[name] })
	arns := map[string]string{"AIDAANNANNANNANN": "arn:aws:iam::123456789012:user/ann", "AROAKEPTKEPTKEPT": "arn:aws:iam::123456789012:role/kept"}
	got := document.Shown(func(id string) string {
		if arn, ok := arns[id]; ok {
			return arn
		}
		return id
	})
	want := strings.NewReplacer(`"arn:aws:iam::123456789012:role/gone"`, `"AROAGONEGONEGONE"`, `"AROAKEPTKEPTKEPT"`, `"arn:aws:iam::123456789012:role/kept"`).Replace(text)
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
