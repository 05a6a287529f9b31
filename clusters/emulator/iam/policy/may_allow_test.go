package policy

import "testing"

func TestMayAllow(t *testing.T) {
	pods := Principal{Service: "pods.eks.amazonaws.com"}
	tests := []struct {
		name, document string
		want           bool
	}{
		{"named", `{"Statement":{"Effect":"Allow","Principal":{"Service":"pods.eks.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"]}}`, true},
		{"with a condition that this cannot know", `{"Statement":{"Effect":"Allow","Principal":{"Service":"pods.eks.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"aws:RequestTag/kubernetes-namespace":"x"}}}}`, true},
		{"action by wildcard", `{"Statement":{"Effect":"Allow","Principal":{"Service":"pods.eks.amazonaws.com"},"Action":"sts:*"}}`, true},
		{"second statement", `{"Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"},{"Effect":"Allow","Principal":{"Service":["ec2.amazonaws.com","pods.eks.amazonaws.com"]},"Action":"sts:AssumeRole"}]}`, true},
		{"other service", `{"Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}`, false},
		{"other action", `{"Statement":{"Effect":"Allow","Principal":{"Service":"pods.eks.amazonaws.com"},"Action":"sts:TagSession"}}`, false},
		{"deny", `{"Statement":{"Effect":"Deny","Principal":{"Service":"pods.eks.amazonaws.com"},"Action":"sts:AssumeRole"}}`, false},
		{"everyone but it", `{"Statement":{"Effect":"Allow","NotPrincipal":{"Service":"pods.eks.amazonaws.com"},"Action":"sts:AssumeRole"}}`, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			document, err := Parse([]byte(test.document))
			if err != nil {
				t.Fatal(err)
			}
			if got := document.MayAllow(pods, "sts:AssumeRole"); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}
