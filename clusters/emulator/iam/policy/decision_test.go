package policy

import "testing"

func TestExplain(t *testing.T) {
	const bucket = `"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/reader"},"Action":"s3:Get*","Resource":"arn:aws:s3:::b/*"`
	identity := Named{"arn:aws:iam::123456789012:policy/p", mustParse(t, `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"s3:Get*","Resource":"*"},
		{"Sid":"No","Effect":"Deny","Action":"s3:*","Resource":"arn:aws:s3:::b/x"},
		{"Sid":"Assume","Effect":"Allow","Action":"sts:*","Resource":"*"}]}`)}
	named := func(name, body string) *Named { return &Named{name, mustParse(t, statement(body))} }
	narrow := named("narrow", `"Sid":"Lists","Effect":"Allow","Action":"s3:List*","Resource":"*"`)
	trust := named("trust policy of r", `"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"`)
	tests := []struct {
		name     string
		request  Request
		policies Policies
		want     string
	}{
		{"allowed", Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k"}, Policies{Identity: []Named{identity}},
			"s3:GetObject on arn:aws:s3:::b/k allowed by statement 1 of the identity-based policy arn:aws:iam::123456789012:policy/p"},
		{"denied by a statement with a Sid", Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/x"}, Policies{Identity: []Named{identity}},
			`s3:GetObject on arn:aws:s3:::b/x denied explicitly by statement 2 "No" of the identity-based policy arn:aws:iam::123456789012:policy/p`},
		{"denied by the boundary", Request{Action: "s3:GetObject", Resource: "*"}, Policies{Identity: []Named{identity}, Boundary: named("limit", `"Effect":"Deny","Action":"*","Resource":"*"`)},
			"s3:GetObject on * denied explicitly by statement 1 of the permissions boundary limit"},
		{"denied by the session policy", Request{Action: "s3:GetObject", Resource: "*"}, Policies{Identity: []Named{identity}, Session: []Named{*narrow, *named("second", `"Effect":"Deny","Action":"*","Resource":"*"`)}},
			"s3:GetObject on * denied explicitly by statement 1 of the session policy second"},
		{"denied by the bucket policy", Request{Action: "s3:GetObject", Resource: "*"}, Policies{Identity: []Named{identity}, Resource: named("bucket policy of b", `"Sid":"Not this way","Effect":"Deny","Principal":"*","Action":"*","Resource":"*"`)},
			`s3:GetObject on * denied explicitly by statement 1 "Not this way" of the resource-based policy bucket policy of b`},
		{"no identity policy", Request{Action: "s3:PutObject", Resource: "arn:aws:s3:::b/k"}, Policies{Identity: []Named{identity}},
			"s3:PutObject on arn:aws:s3:::b/k denied: no identity-based policy allows it"},
		{"no policy at all", Request{Action: "s3:PutObject", Resource: "arn:aws:s3:::b/k"}, Policies{},
			"s3:PutObject on arn:aws:s3:::b/k denied: no identity-based policy allows it"},
		{"no boundary", Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k"}, Policies{Identity: []Named{identity}, Boundary: narrow},
			"s3:GetObject on arn:aws:s3:::b/k denied: no permissions boundary allows it"},
		{"no session policy", Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k"}, Policies{Identity: []Named{identity}, Session: []Named{*narrow}},
			"s3:GetObject on arn:aws:s3:::b/k denied: no session policy allows it"},
		{"no bucket policy, across accounts", Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", ResourceAccount: "999999999999"}, Policies{Identity: []Named{identity}},
			"s3:GetObject on arn:aws:s3:::b/k denied: no resource-based policy allows it"},
		{"no trust policy", Request{Action: "sts:AssumeRole", Resource: "arn:aws:iam::123456789012:role/r", ResourceMustAllow: true}, Policies{Identity: []Named{identity}, Resource: trust},
			"sts:AssumeRole on arn:aws:iam::123456789012:role/r denied: no resource-based policy allows it"},
		{"allowed by the bucket policy", Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k"}, Policies{Resource: named("bucket policy of b", bucket)},
			"s3:GetObject on arn:aws:s3:::b/k allowed by statement 1 of the resource-based policy bucket policy of b"},
		{"allowed by the bucket policy, and then limited", Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k"}, Policies{Resource: named("bucket policy of b", bucket), Session: []Named{*narrow}},
			"s3:GetObject on arn:aws:s3:::b/k denied: no session policy allows it"},
		{"in the words of the request", Request{Action: "S3:getobject", Resource: "arn:aws:s3:::b/k"}, Policies{},
			"S3:getobject on arn:aws:s3:::b/k denied: no identity-based policy allows it"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.request.Principal = session
			if got := Evaluate(&test.request, &test.policies).Explain(); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
	if got, want := (Decision{Action: "s3:GetObject", Resource: "*"}).Explain(), "s3:GetObject on * denied"; got != want {
		t.Errorf("without any evaluation: got %s, want %s", got, want)
	}
}
