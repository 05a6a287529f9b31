package matchers

import (
	"fmt"

	"github.com/onsi/gomega/types"

	"github.com/podidentity/epi/framework/identity"
	"github.com/podidentity/epi/framework/probe"
)

// BeIdentityOf holds of a probe.Identity that is a session of the named role, whose credentials are not the node's.
func BeIdentityOf(role, nodeRole string) types.GomegaMatcher {
	return &check[probe.Identity]{
		expected: "the client to be a session of role " + role,
		holds: func(seen probe.Identity) (bool, string) {
			caller := identity.Of(seen, nodeRole)
			return caller.Kind == identity.Session && caller.Role == role, caller.String()
		},
	}
}

// HaveNoIdentity holds of a probe.Identity without credentials from any source.
func HaveNoIdentity(nodeRole string) types.GomegaMatcher {
	return &check[probe.Identity]{
		expected: "the client to have no credentials at all",
		holds: func(seen probe.Identity) (bool, string) {
			caller := identity.Of(seen, nodeRole)
			return caller.Kind == identity.NoCredentials, caller.String()
		},
	}
}

// BeRefusedCredentials holds of a probe.Identity whose configured source gave no credentials, with a reason, and which got
// none from another source.
func BeRefusedCredentials(nodeRole string) types.GomegaMatcher {
	return &check[probe.Identity]{
		expected: "the client to say why it gets no credentials",
		holds: func(seen probe.Identity) (bool, string) {
			reported := seen.Failure != nil && seen.Failure.Class == probe.CredentialsFailed && seen.Failure.Message != ""
			return reported, identity.Of(seen, nodeRole).String()
		},
	}
}

// FollowTheTokenFile holds of the tokens in a client's requests to a credentials endpoint that writes another token into
// the file with each answer. There must be at least two, and each must be the one that was in the file then. The client
// decides how often it renews: Boto3 does it more than once for a call.
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
