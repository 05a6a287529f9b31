// Package control is the emulator's own API. It is for the harness and never for the subject. It registers clusters,
// watches associations, sets faults, quotas and instance metadata options, reads the call journal, and resets everything.
// It is JSON over HTTP, with a bearer token that has nothing to do with AWS credentials. This package holds the wire types,
// the server's handler and the client.
package control

import (
	"encoding/json"
	"time"

	"github.com/podidentity/epi/clusters/emulator/journal"
)

// Call is one request to an AWS service, as the journal keeps it.
type Call = journal.Call

// Cluster is what the emulator knows of a Kubernetes cluster.
type Cluster struct {
	// Issuer of the cluster's service account tokens.
	Issuer string `json:"issuer"`
	// JWKS is the JSON Web Key Set that verifies the tokens, as the API server serves it at /openid/v1/jwks.
	JWKS json.RawMessage `json:"jwks"`
	// CreatedAt, Endpoint of the API server, Version such as "v1.36.3", CertificateAuthority of the API
	// server in PEM and ServiceCIDR such as "10.96.0.0/16" are for DescribeCluster.
	CreatedAt            time.Time `json:"createdAt,omitzero"`
	Endpoint             string    `json:"endpoint,omitempty"`
	Version              string    `json:"version,omitempty"`
	CertificateAuthority []byte    `json:"certificateAuthority,omitempty"`
	ServiceCIDR          string    `json:"serviceCidr,omitempty"`
	// Addons are the EKS add-ons that the cluster has from the beginning, by name.
	Addons []string `json:"addons,omitempty"`
}

// Identity is a service account that has an association.
type Identity struct {
	Namespace      string `json:"namespace"`
	ServiceAccount string `json:"serviceAccount"`
}

// Identities are a cluster's service accounts that have associations, sorted, without repetition.
type Identities struct {
	// Revision changes whenever the set may have changed.
	Revision   string     `json:"revision"`
	Identities []Identity `json:"identities"`
}

// Calls are the kept calls after a given one, oldest first.
type Calls struct {
	// Last is the number of the newest call, kept or not.
	Last  uint64 `json:"last"`
	Calls []Call `json:"calls"`
}

// Query says which calls are wanted. Count is the number of calls with one outcome.
type (
	Query = journal.Query
	Count = journal.Count
)

// Fingerprint is the value of Call.Token for a pod's token.
func Fingerprint(token string) string { return journal.Fingerprint(token) }

// countList is the answer of GET /v1/counts.
type countList struct {
	Counts []Count `json:"counts"`
}

// metadata is the body of /v1/imds. A nil field of a PUT leaves the option unchanged.
type metadata struct {
	HopLimit  *int  `json:"hopLimit,omitempty"`
	V1Enabled *bool `json:"v1Enabled,omitempty"`
}

// quotas is the body of /v1/quotas.
type quotas struct {
	AssociationsPerCluster int `json:"associationsPerCluster"`
}

// problem is the body of every refusal.
type problem struct {
	Error string `json:"error"`
}

// maxWait is the longest time that a long poll holds its connection.
const maxWait = 5 * time.Minute
