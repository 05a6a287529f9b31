package workload

import (
	"context"
	"net/http"

	"github.com/podidentity/epi/framework/probe"
)

// MetadataRules sends requests to the instance metadata service that it must refuse, and requests that it must accept.
func (p *Probe) MetadataRules(ctx context.Context) probe.MetadataRules {
	p.env.T.Helper()
	return do[probe.MetadataRules](ctx, p, Main, "--timeout", "20s", probe.OpMetadataRules)
}

// roleURL is the URL with the name of the instance's role in the instance metadata service.
const roleURL = "http://169.254.169.254/latest/meta-data/iam/security-credentials/"

// MetadataV1 asks the instance metadata service for the role's name without a session token.
func (p *Probe) MetadataV1(ctx context.Context) probe.Response {
	p.env.T.Helper()
	return do[probe.Response](ctx, p, Main, "--timeout", "2s", probe.OpHTTP, http.MethodGet, roleURL)
}
