package workload

import (
	"context"
	"net/http"

	"github.com/podidentity/epi/framework/probe"
)

// MetadataRules asks the instance metadata service what it must refuse, and what not.
func (p *Probe) MetadataRules(ctx context.Context) probe.MetadataRules {
	p.env.T.Helper()
	return do[probe.MetadataRules](ctx, p, Main, "--timeout", "20s", probe.OpMetadataRules)
}

// roleURL is where the instance metadata service names the instance's role.
const roleURL = "http://169.254.169.254/latest/meta-data/iam/security-credentials/"

// MetadataV1 asks the instance metadata service for the role's name without a session token.
func (p *Probe) MetadataV1(ctx context.Context) probe.Response {
	p.env.T.Helper()
	return do[probe.Response](ctx, p, Main, "--timeout", "2s", probe.OpHTTP, http.MethodGet, roleURL)
}
