// Package sts serves the STS Query API (version 2011-06-15)
// (https://docs.aws.amazon.com/STS/latest/APIReference/).
package sts

import (
	"context"
	_ "embed"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/podidentity/epi/clusters/emulator/iam"
	"github.com/podidentity/epi/clusters/emulator/oidc"
	"github.com/podidentity/epi/clusters/emulator/query"
	"github.com/podidentity/epi/clusters/emulator/sigv4"
)

const (
	version   = "2011-06-15"
	namespace = "https://sts.amazonaws.com/doc/2011-06-15/"
)

// known are the names of all operations that STS has.
//
//go:embed operations.txt
var known string

// Issuers has the keys of token issuers: of registered clusters, and of issuers that the operator named. No URL of a caller
// is ever fetched.
type Issuers interface {
	// Keys returns the keys of an issuer, which is a URL; false for an unknown one.
	Keys(issuer string) (*oidc.Keys, bool)
}

type api struct {
	accounts *iam.Accounts
	issuers  Issuers
	now      func() time.Time
}

// Options of the handler. Now is the clock; nil means time.Now.
type Options struct {
	Accounts *iam.Accounts
	Issuers  Issuers
	Now      func() time.Time
}

func (s api) operations() map[string]query.Operation {
	return map[string]query.Operation{
		"AssumeRole":                s.assumeRole,
		"AssumeRoleWithWebIdentity": s.assumeRoleWithWebIdentity,
		"GetAccessKeyInfo":          s.getAccessKeyInfo,
		"GetCallerIdentity":         s.getCallerIdentity,
	}
}

// Operations are the names of the operations that the handler serves, sorted.
func Operations() []string { return slices.Sorted(maps.Keys(api{}.operations())) }

// PresignedLife is how long STS accepts a presigned URL, for any X-Amz-Expires. Clients that use such URLs as tokens rely
// on 15 minutes (https://github.com/kubernetes-sigs/aws-iam-authenticator/blob/master/pkg/token/token.go).
const PresignedLife = 15 * time.Minute

// WriteSignatureError answers a request of STS whose signature was refused, and notes the code in the
// journal's call of r.
func WriteSignatureError(w http.ResponseWriter, r *http.Request, err *sigv4.Error) {
	query.WriteError(w, r, namespace, iam.SignatureError(err))
}

// NewHandler serves STS for callers from the context. WriteSignatureError answers refused signatures.
func NewHandler(options Options) http.Handler {
	s := api{options.Accounts, options.Issuers, options.Now}
	if s.now == nil {
		s.now = time.Now
	}
	return &query.Service{Version: version, Namespace: namespace, Operations: s.operations(), Known: strings.Fields(known)}
}

// signed returns the caller of an operation that requires one.
func signed(ctx context.Context) (*iam.Caller, error) {
	if caller := iam.CallerFrom(ctx); caller != nil {
		return caller, nil
	}
	return nil, query.Errorf("MissingAuthenticationToken", http.StatusForbidden, "Request is missing Authentication Token")
}

type callerIdentity struct {
	ARN     string `xml:"Arn" json:"Arn"`
	UserID  string `xml:"UserId" json:"UserId"`
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

var accessKeyID = query.Rule{Min: 16, Max: 128, Pattern: regexp.MustCompile(`^[\w]*$`)}

type accessKeyInfo struct{ Account string }

// getAccessKeyInfo needs a signature but no permission. It knows users' keys only, because session keys are not stored. AWS
// reads the account from the ID itself.
func (s api) getAccessKeyInfo(ctx context.Context, p query.Parameters) (any, error) {
	if _, err := signed(ctx); err != nil {
		return nil, err
	}
	id, err := p.Check("AccessKeyId", accessKeyID)
	if err != nil {
		return nil, err
	}
	if principal, ok := s.accounts.Principal(ctx, id, ""); ok {
		return accessKeyInfo{principal.AccountID}, nil
	}
	return nil, query.Errorf("ValidationError", http.StatusBadRequest, "The access key ID %s is not known", id)
}
