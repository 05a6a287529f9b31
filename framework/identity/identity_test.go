package identity

import (
	"strings"
	"testing"

	"github.com/podidentity/epi/framework/probe"
)

func TestOf(t *testing.T) {
	const nodeRole = "epi-node"
	failure := func(class probe.Class) *probe.Failure {
		return &probe.Failure{Class: class, Operation: "GetCallerIdentity", Message: "why"}
	}
	session := func(role string) string { return "arn:aws:sts::123456789012:assumed-role/" + role + "/eks-epi-pod-1" }
	for name, row := range map[string]struct {
		seen probe.Identity
		kind Kind
		role string
		says string
	}{
		"seed: pod without service account": {probe.Identity{Failure: failure(probe.NoCredentials)}, NoCredentials, "", "no credentials at all"},
		"seed: pod with the association":    {probe.Identity{Source: "CredentialsEndpointProvider", ARN: session("reader")}, Session, "reader", "session of role reader"},
		// CATALOGUE IMDS-04: reported as the wrong identity, and never as success.
		"fell back to the node":                  {probe.Identity{Source: "EC2RoleProvider", ARN: session(nodeRole)}, NodeRole, nodeRole, "hop limit 1"},
		"fell back, and AWS did not answer":      {probe.Identity{Source: "EC2RoleProvider", Failure: failure(probe.NetworkError)}, NodeRole, "", "WRONG IDENTITY"},
		"the agent gave the node's credentials":  {probe.Identity{Source: "CredentialsEndpointProvider", ARN: session(nodeRole)}, NodeRole, nodeRole, "WRONG IDENTITY"},
		"the agent is not there":                 {probe.Identity{Failure: failure(probe.CredentialsFailed)}, Broken, "", "gave no credentials"},
		"AWS refused the credentials":            {probe.Identity{Source: "CredentialsEndpointProvider", Failure: failure(probe.APIError)}, Broken, "", "GetCallerIdentity"},
		"a user, whose key somebody put in":      {probe.Identity{Source: "EnvConfigCredentials", ARN: "arn:aws:iam::123456789012:user/epi-admin"}, Broken, "", "epi-admin"},
		"an ARN without a session is no session": {probe.Identity{ARN: "arn:aws:sts::123456789012:assumed-role/reader"}, Broken, "", "assumed-role/reader"},
	} {
		got := Of(row.seen, nodeRole)
		if got.Kind != row.kind || got.Role != row.role || !strings.Contains(got.String(), row.says) {
			t.Errorf("%s: %s of %q (%s), want %s of %q with %q", name, got.Kind, got.Role, got, row.kind, row.role, row.says)
		}
	}
}

func TestSessionName(t *testing.T) {
	caller := Of(probe.Identity{ARN: "arn:aws:sts::123456789012:assumed-role/reader/eks-epi-pod-1"}, "epi-node")
	if got := caller.SessionName(); got != "eks-epi-pod-1" {
		t.Errorf("session name %q", got)
	}
	if got := Of(probe.Identity{ARN: "arn:aws:iam::123456789012:user/a/b"}, "").SessionName(); got != "" {
		t.Errorf("session name of a user: %q", got)
	}
}
