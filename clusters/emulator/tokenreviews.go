package emulator

import (
	"errors"
	"net/http"

	"github.com/podidentity/epi/clusters/emulator/tokenreview"
)

// tokenReviews authenticates IAM principals for the API server of a cluster.
func (e *Emulator) tokenReviews(cluster string) http.Handler {
	return tokenreview.New(tokenreview.Options{
		Region: e.options.Region, Now: e.options.Now,
		Verify: func(r *http.Request) (tokenreview.Identity, error) {
			cloud := e.cloud.Load()
			identity, err := cloud.verifier.Verify(r)
			if err != nil {
				return tokenreview.Identity{}, err
			}
			if !identity.Presigned || identity.Service != "sts" || identity.Region != e.options.Region && identity.Region != globalRegion {
				return tokenreview.Identity{}, errors.New("signed for another service or region than STS here")
			}
			who, ok := cloud.accounts.Principal(r.Context(), identity.AccessKeyID, identity.SessionToken)
			if !ok {
				return tokenreview.Identity{}, errors.New("the access key is gone")
			}
			found := tokenreview.Identity{
				Account: who.AccountID, UserID: who.UserID, AccessKeyID: identity.AccessKeyID, ARN: who.ARN, Principal: who.ARN, SessionName: who.SessionName,
			}
			if who.RoleARN != "" {
				found.Principal = who.RoleARN
			}
			return found, nil
		},
		Access: func(cluster, principal string) (tokenreview.Access, bool) {
			access, ok := e.cloud.Load().eks.AccessOf(cluster, principal)
			return tokenreview.Access{Username: access.Username, Groups: access.Groups, Policies: access.Policies}, ok
		},
	}).Handler(cluster)
}
