// Package sts serves the STS Query API (version 2011-06-15)
// (https://docs.aws.amazon.com/STS/latest/APIReference/).
package sts

import (
	"context"
	"net/http"

	"github.com/podidentity/epi/clusters/emulator/iam"
	"github.com/podidentity/epi/clusters/emulator/query"
)

const (
	version   = "2011-06-15"
	namespace = "https://sts.amazonaws.com/doc/2011-06-15/"
)

type api struct{ account *iam.Accounts }

// NewHandler serves STS for callers from the context. Refused signatures are iam.WriteSignatureError's.
func NewHandler(account *iam.Accounts) http.Handler {
	s := api{account}
	return &query.Service{Version: version, Namespace: namespace, Operations: map[string]query.Operation{
		"GetCallerIdentity": s.getCallerIdentity,
		"AssumeRole":        s.assumeRole,
	}}
}

// signed returns the caller of an operation that needs one.
func signed(ctx context.Context) (*iam.Caller, error) {
	if caller := iam.CallerFrom(ctx); caller != nil {
		return caller, nil
	}
	return nil, query.Errorf("MissingAuthenticationToken", http.StatusForbidden, "Request is missing Authentication Token")
}

type callerIdentity struct {
	ARN     string `xml:"Arn"`
	UserID  string `xml:"UserId"`
	Account string
}

// getCallerIdentity needs no permission, and no policy can deny it.
func (api) getCallerIdentity(ctx context.Context, _ query.Parameters) (any, error) {
	caller, err := signed(ctx)
	if err != nil {
		return nil, err
	}
	who := caller.Principal
	return callerIdentity{who.ARN, who.UserID, who.AccountID}, nil
}
