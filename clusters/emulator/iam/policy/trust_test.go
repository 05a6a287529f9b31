package policy

import "testing"

// TestTrust: conditions of trust policies for pods, for target roles in a second account and for web identities, as in the
// EKS and IAM guides.
func TestTrust(t *testing.T) {
	const (
		pods     = `"Principal":{"Service":"pods.eks.amazonaws.com"}`
		both     = `"Action":["sts:AssumeRole","sts:TagSession"]`
		issuer   = "oidc.eks.us-west-2.amazonaws.com/id/A"
		provider = "arn:aws:iam::123456789012:oidc-provider/" + issuer
		web      = `"Principal":{"Federated":"` + provider + `"},"Action":"sts:AssumeRoleWithWebIdentity"`
		target   = `"Principal":{"AWS":"arn:aws:iam::123456789012:role/reader"}`
	)
	tags := Context{
		"aws:requesttag/kubernetes-namespace": {"default"}, "aws:requesttag/eks-cluster-name": {"blue"},
		"aws:tagkeys":               {"eks-cluster-name", "kubernetes-namespace"},
		"sts:transitivetagkeys":     {"eks-cluster-name", "kubernetes-namespace"},
		"aws:sourcearn":             {"arn:aws:eks:us-west-2:123456789012:cluster/blue"},
		"aws:sourceaccount":         {"123456789012"},
		"sts:externalid":            {"us-west-2/123456789012/blue/default/app"},
		"aws:principalisawsservice": {"true"},
	}
	token := Context{issuer + ":sub": {"system:serviceaccount:default:app"}, issuer + ":aud": {"sts.amazonaws.com"}}
	with := func(claims Context) Context {
		lower := Context{}
		for key, values := range claims {
			lower.Set(key, values...)
		}
		return lower
	}
	tests := []struct {
		source, action, body string
		who                  Principal
		context              Context
		want                 bool
	}{
		{"pod-id-role", "sts:AssumeRole", pods + "," + both, podIdentity, tags, true},
		{"pod-id-role: tags need their own permission", "sts:TagSession", pods + "," + both, podIdentity, tags, true},
		{"pod-id-role: tags need their own permission", "sts:TagSession", pods + `,"Action":"sts:AssumeRole"`, podIdentity, tags, false},
		{"pod-id-abac: a namespace", "sts:AssumeRole", pods + "," + both + `,"Condition":{"StringEquals":{"aws:RequestTag/kubernetes-namespace":"default"}}`, podIdentity, tags, true},
		{"pod-id-abac: another namespace", "sts:AssumeRole", pods + "," + both + `,"Condition":{"StringEquals":{"aws:RequestTag/kubernetes-namespace":"hoge"}}`, podIdentity, tags, false},
		{"pod-id-abac: without tags", "sts:AssumeRole", pods + "," + both + `,"Condition":{"StringEquals":{"aws:RequestTag/kubernetes-namespace":"default"}}`, podIdentity, nil, false},
		{"pod-id-abac: only these tags", "sts:TagSession", pods + "," + both + `,"Condition":{"ForAllValues:StringEquals":{"aws:TagKeys":["eks-cluster-name"]}}`, podIdentity, tags, false},
		{"id_session-tags: transitive tags", "sts:TagSession", pods + "," + both + `,"Condition":{"ForAnyValue:StringEquals":{"sts:TransitiveTagKeys":"kubernetes-namespace"}}`, podIdentity, tags, true},
		{"cross-service-confused-deputy-prevention", "sts:AssumeRole", pods + "," + both + `,"Condition":{"StringEquals":{"aws:SourceAccount":"123456789012"},"ArnEquals":{"aws:SourceArn":"arn:aws:eks:us-west-2:123456789012:cluster/blue"}}`, podIdentity, tags, true},
		{"cross-service-confused-deputy-prevention: another cluster", "sts:AssumeRole", pods + "," + both + `,"Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:eks:*:123456789012:cluster/green*"}}`, podIdentity, tags, false},
		{"pod-id-assign-target-role: external ID", "sts:AssumeRole", target + "," + both + `,"Condition":{"StringEquals":{"sts:ExternalId":"us-west-2/123456789012/blue/default/app"}}`, session, tags, true},
		{"pod-id-assign-target-role: another external ID", "sts:AssumeRole", target + "," + both + `,"Condition":{"StringEquals":{"sts:ExternalId":"us-west-2/123456789012/blue/default/other"}}`, session, tags, false},
		{"id_roles_create_for-idp_oidc: sub and aud", "sts:AssumeRoleWithWebIdentity", web + `,"Condition":{"StringEquals":{"` + issuer + `:sub":"system:serviceaccount:default:app","` + issuer + `:aud":"sts.amazonaws.com"}}`, Principal{Federated: provider}, with(token), true},
		{"id_roles_create_for-idp_oidc: another service account", "sts:AssumeRoleWithWebIdentity", web + `,"Condition":{"StringEquals":{"` + issuer + `:sub":"system:serviceaccount:default:other"}}`, Principal{Federated: provider}, with(token), false},
		{"id_roles_create_for-idp_oidc: any service account of a namespace", "sts:AssumeRoleWithWebIdentity", web + `,"Condition":{"StringLike":{"` + issuer + `:sub":"system:serviceaccount:default:*"}}`, Principal{Federated: provider}, with(token), true},
		{"id_roles_create_for-idp_oidc: another provider's token", "sts:AssumeRoleWithWebIdentity", web, Principal{Federated: provider + "B"}, with(token), false},
	}
	for _, test := range tests {
		t.Run(test.source+" "+test.action, func(t *testing.T) {
			trust := mustParse(t, statement(`"Effect":"Allow",`+test.body))
			if err := trust.CheckTrust(); err != nil {
				t.Fatal(err)
			}
			request := &Request{Principal: test.who, Action: test.action, Resource: "arn:aws:iam::999999999999:role/target", ResourceMustAllow: true, Context: test.context}
			policies := &Policies{Resource: &Named{"trust policy", trust}}
			if test.who.ARN != "" {
				request.ResourceAccount = "999999999999"
				policies.Identity = []Named{{"p", mustParse(t, statement(`"Effect":"Allow","Action":["sts:AssumeRole","sts:TagSession"],"Resource":"*"`))}}
			}
			if decision := Evaluate(request, policies); decision.Allowed != test.want {
				t.Errorf("allowed = %v, want %v (%s)", decision.Allowed, test.want, decision.Explain())
			}
		})
	}
}
