// Package tokenreview is the webhook with which an EKS cluster authenticates IAM principals. A token is a presigned URL of
// GetCallerIdentity. A signed header binds it to the cluster. The package verifies the signature itself, as STS would. The
// conditions for a valid token follow https://github.com/kubernetes-sigs/aws-iam-authenticator (pkg/token/token.go) and
// https://docs.aws.amazon.com/eks/latest/userguide/cluster-auth.html.
//
// EKS has an authorizer of its own for access policies. In the emulator a policy becomes a group: system:masters for
// AmazonEKSClusterAdminPolicy, and PolicyGroup for any other. The program that creates the cluster binds the group to a
// role.
package tokenreview

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	tokenPrefix = "k8s-aws-v1."
	// clusterHeader is a signed header whose value is the name of the cluster.
	clusterHeader = "x-k8s-aws-id"
	// maxToken bounds the length of a token to decode: a session token has about 2 kB.
	maxToken = 16 << 10
	// life is the lifetime of a token from its signing, for any X-Amz-Expires, which STS ignores.
	life = 15 * time.Minute
	// skew is how far ahead the signer's clock may be.
	skew       = 15 * time.Minute
	timeFormat = "20060102T150405Z"
)

// Identity is the signer of a token.
type Identity struct {
	Account, UserID, AccessKeyID string
	// ARN is that of the user or the session. Principal is that of the user or the role.
	ARN, Principal, SessionName string
}

// Access is the access of a principal by an access entry.
type Access struct {
	Username string
	Groups   []string
	// Policies are the names of access policies, for the whole cluster.
	Policies []string
}

// Options of a handler; all are needed.
type Options struct {
	// Region such as "us-west-2".
	Region string
	// Verify verifies the signature of a request to STS. The client does not see the error's text.
	Verify func(*http.Request) (Identity, error)
	// Access returns the access of a principal to a cluster; false if it has none.
	Access func(cluster, principal string) (Access, bool)
	Now    func() time.Time
}

// Reviewer authenticates tokens. It is safe for concurrent use.
type Reviewer struct{ options Options }

// New makes a Reviewer.
func New(options Options) *Reviewer { return &Reviewer{options} }

// PolicyGroup is the group of principals with an access policy other than the cluster administrator's.
func PolicyGroup(policy string) string { return "eks-access-policy:" + policy }

// User is the Kubernetes user of a token (UserInfo of authentication.k8s.io/v1).
type User struct {
	Username string              `json:"username"`
	UID      string              `json:"uid"`
	Groups   []string            `json:"groups"`
	Extra    map[string][]string `json:"extra,omitempty"`
}

// Authenticate returns the user of a token for a cluster. An error says why there is none, without the token.
func (v *Reviewer) Authenticate(ctx context.Context, cluster, token string) (User, error) {
	request, err := v.request(ctx, cluster, token)
	if err != nil {
		return User{}, err
	}
	who, err := v.options.Verify(request)
	if err != nil {
		return User{}, errors.New("the signature is not that of a principal of the account")
	}
	access, ok := v.options.Access(cluster, who.Principal)
	if !ok {
		return User{}, fmt.Errorf("%s has no access entry in cluster %s", who.Principal, cluster)
	}
	user := User{
		Username: username(access.Username, who), UID: "aws-iam-authenticator:" + who.Account + ":" + who.UserID, Groups: slices.Clone(access.Groups),
		Extra: map[string][]string{
			"accessKeyId": {who.AccessKeyID}, "arn": {who.ARN}, "canonicalArn": {who.Principal}, "principalId": {who.UserID}, "sessionName": {who.SessionName},
		},
	}
	for _, policy := range access.Policies {
		if policy == "AmazonEKSClusterAdminPolicy" {
			user.Groups = append(user.Groups, "system:masters")
			continue
		}
		user.Groups = append(user.Groups, PolicyGroup(policy))
	}
	return user, nil
}

// username replaces the variables in an entry's name.
func username(name string, who Identity) string {
	return strings.NewReplacer(
		"{{SessionName}}", strings.ReplaceAll(who.SessionName, "@", "-"), "{{SessionNameRaw}}", who.SessionName, "{{AccountID}}", who.Account,
		"{{AccessKeyID}}", who.AccessKeyID, "{{EC2PrivateDNSName}}", who.SessionName,
	).Replace(name)
}

// parameters are those that a token's URL may have, in lower case.
var parameters = map[string]bool{
	"action": true, "version": true, "x-amz-algorithm": true, "x-amz-credential": true, "x-amz-date": true, "x-amz-expires": true,
	"x-amz-security-token": true, "x-amz-signature": true, "x-amz-signedheaders": true, "x-amz-user-agent": true,
}

// request is the request to STS that a token stands for. Its only headers are the two that may be signed.
func (v *Reviewer) request(ctx context.Context, cluster, token string) (*http.Request, error) {
	encoded, ok := strings.CutPrefix(token, tokenPrefix)
	switch {
	case len(token) > maxToken:
		return nil, errors.New("the token is too long")
	case !ok:
		return nil, fmt.Errorf("the token does not begin with %q", tokenPrefix)
	}
	text, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return nil, errors.New("the token is not Base64")
	}
	target, err := url.Parse(string(text))
	if err != nil {
		return nil, errors.New("the token is no URL")
	}
	if err := v.checkTarget(target); err != nil {
		return nil, err
	}
	query, err := url.ParseQuery(target.RawQuery)
	if err != nil {
		return nil, errors.New("the URL's query is not well-formed")
	}
	lower := map[string]string{}
	for name, values := range query {
		key := strings.ToLower(name)
		_, twice := lower[key]
		switch {
		case !parameters[key]:
			return nil, errors.New("the URL has a parameter that no token has")
		case twice || len(values) != 1:
			return nil, errors.New("the URL has a parameter twice")
		}
		lower[key] = values[0]
	}
	if err := v.checkQuery(lower); err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), http.NoBody)
	if err != nil {
		return nil, errors.New("the token is no URL")
	}
	request.Host = target.Host
	request.Header.Set(clusterHeader, cluster)
	return request, nil
}

// checkTarget requires STS of the region: under AWS's names over https, or at an address or name that is not public, as the
// emulator has.
func (v *Reviewer) checkTarget(target *url.URL) error {
	public := target.Host == "sts.amazonaws.com" || target.Host == "sts."+v.options.Region+".amazonaws.com"
	_, addressErr := netip.ParseAddr(target.Hostname())
	private := addressErr == nil || target.Hostname() != "" && !strings.Contains(target.Hostname(), ".")
	switch {
	case target.Scheme != "https" && (target.Scheme != "http" || !private):
		return errors.New("the URL's scheme is not https")
	case !public && !private:
		return errors.New("the URL's host is not STS of the region")
	case target.User != nil || target.Fragment != "" || target.Opaque != "":
		return errors.New("the URL has more than host, path and query")
	case target.EscapedPath() != "/" && target.EscapedPath() != "":
		return errors.New("the URL's path is not /")
	}
	return nil
}

func (v *Reviewer) checkQuery(query map[string]string) error {
	signed := strings.Split(query["x-amz-signedheaders"], ";")
	at, err := time.Parse(timeFormat, query["x-amz-date"])
	now := v.options.Now()
	// The value is ignored, but must be a number.
	expires, expiresErr := strconv.Atoi(query["x-amz-expires"])
	switch {
	case query["action"] != "GetCallerIdentity":
		return errors.New("the URL's action is not GetCallerIdentity")
	case !slices.Contains(signed, clusterHeader):
		return errors.New("the header " + clusterHeader + " is not signed")
	case slices.ContainsFunc(signed, func(name string) bool { return name != "host" && name != clusterHeader }):
		return errors.New("a header is signed that no token has")
	case err != nil:
		return errors.New("the URL has no date")
	case at.After(now.Add(skew)):
		return errors.New("the token is from the future")
	case !now.Before(at.Add(life)):
		return errors.New("the token is expired")
	case expiresErr != nil || expires < 0 || expires > int(life.Seconds()):
		return fmt.Errorf("X-Amz-Expires is not 0 to %d", int(life.Seconds()))
	}
	return nil
}

// review is TokenReview of authentication.k8s.io.
type review struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Spec       *struct {
		Token string `json:"token"`
	} `json:"spec,omitempty"`
	Status *reviewStatus `json:"status,omitempty"`
}

type reviewStatus struct {
	Authenticated bool   `json:"authenticated"`
	User          *User  `json:"user,omitempty"`
	Error         string `json:"error,omitempty"`
}

// Handler answers the TokenReviews of a cluster.
func (v *Reviewer) Handler(cluster string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in review
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4*maxToken)).Decode(&in)
		if err != nil || in.Kind != "TokenReview" || !strings.HasPrefix(in.APIVersion, "authentication.k8s.io/") || in.Spec == nil {
			http.Error(w, "the body is no TokenReview of authentication.k8s.io", http.StatusBadRequest)
			return
		}
		out := review{APIVersion: in.APIVersion, Kind: in.Kind, Status: &reviewStatus{}}
		if user, err := v.Authenticate(r.Context(), cluster, in.Spec.Token); err != nil {
			out.Status.Error = err.Error()
		} else {
			out.Status.Authenticated, out.Status.User = true, &user
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(out) // fails only if the API server closed the connection
	})
}
