package matchers

import (
	"fmt"

	"github.com/onsi/gomega/types"

	"github.com/podidentity/epi/framework/identity"
	"github.com/podidentity/epi/framework/probe"
)

// BeIdentityOf holds of a probe.Identity that is a session of the named role, and not by way of the
// node with that role's name.
func BeIdentityOf(role, nodeRole string) types.GomegaMatcher {
	return &check[probe.Identity]{
		expected: "the client to be a session of role " + role,
		holds: func(seen probe.Identity) (bool, string) {
			caller := identity.Of(seen, nodeRole)
			return caller.Kind == identity.Session && caller.Role == role, caller.String()
		},
	}
}

// HaveNoIdentity holds of a probe.Identity whom no source gave credentials.
func HaveNoIdentity(nodeRole string) types.GomegaMatcher {
	return &check[probe.Identity]{
		expected: "the client to have no credentials at all",
		holds: func(seen probe.Identity) (bool, string) {
			caller := identity.Of(seen, nodeRole)
			return caller.Kind == identity.NoCredentials, caller.String()
		},
	}
}

// BeRefusedCredentials holds of a probe.Identity whom the source that is configured gave no
// credentials, with a reason, and whom no other source helped out.
func BeRefusedCredentials(nodeRole string) types.GomegaMatcher {
	return &check[probe.Identity]{
		expected: "the client to say why it gets no credentials",
		holds: func(seen probe.Identity) (bool, string) {
			reported := seen.Failure != nil && seen.Failure.Class == probe.CredentialsFailed && seen.Failure.Message != ""
			return reported, identity.Of(seen, nodeRole).String()
		},
	}
}

// FollowTheTokenFile holds of the tokens of a client's requests for credentials to an endpoint that puts another token
// into the file with each answer: there are two or more, and each is the one that was in the file then. How often a
// client renews is its own affair: Boto3 does it more than once for a call.
func FollowTheTokenFile() types.GomegaMatcher {
	return &check[[]string]{
		expected: "two requests for credentials or more, each with the token that was in the file then",
		holds: func(tokens []string) (bool, string) {
			follow := len(tokens) >= 2
			for i, token := range tokens {
				follow = follow && token == fmt.Sprint(probe.FileToken, i+1)
			}
			return follow, fmt.Sprintf("%d requests, with the tokens %q", len(tokens), tokens)
		},
	}
}
