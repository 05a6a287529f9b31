// Package eksauth serves the EKS Auth API. Its one operation, AssumeRoleForPodIdentity, exchanges a pod's service account
// token for credentials of the associated role
// (https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html).
//
// A token is valid until it expires, even if its pod was deleted before: AWS documents no way to revoke a token, and EKS
// Auth does not ask the cluster about the pod. The association ends access at once: its deletion, or a change of its role,
// counts for the next request. Credentials that were issued before stay valid until they expire.
package eksauth

import (
	"context"
	"errors"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/podidentity/epi/clusters/emulator/eks"
	"github.com/podidentity/epi/clusters/emulator/faults"
	"github.com/podidentity/epi/clusters/emulator/journal"
	"github.com/podidentity/epi/clusters/emulator/podtoken"
	"github.com/podidentity/epi/clusters/emulator/quota"
	"github.com/podidentity/epi/clusters/emulator/restjson"
)

const (
	// plainDuration and chainedDuration are the lifetimes of credentials without and with a target role
	// (https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html).
	plainDuration   = 6 * time.Hour
	chainedDuration = 59 * time.Minute
)

// Clusters has the clusters and their associations. *eks.Service implements it.
type Clusters interface {
	ClusterARN(name string) string
	Verifier(cluster string) (*podtoken.Verifier, bool)
	Association(cluster, namespace, serviceAccount string) (eks.Association, bool)
}

// Authorizer decides about the caller of a request. It finds the caller in the context.
type Authorizer interface {
	// Authorize returns nil, or an error whose text may be shown to the caller.
	Authorize(ctx context.Context, action, resource string, keys map[string][]string) error
}

// operation is the API's only operation.
const operation = "AssumeRoleForPodIdentity"

// Operations are the operations that a Service routes, by the names of the API reference.
func Operations() []string { return []string{operation} }

// ErrNotTrusted is what Sessions returns if a role's trust policy does not allow EKS to assume it, or if the role does not
// exist.
var ErrNotTrusted = errors.New("the role may not be assumed")

// Sessions creates role sessions for the service principal pods.eks.amazonaws.com.
type Sessions interface {
	// AssumeRole checks the role's trust policy and returns a session. It fails with ErrNotTrusted, or with a *SessionError
	// if the session itself is invalid.
	AssumeRole(ctx context.Context, input AssumeRoleInput) (Session, error)
}

// AssumeRoleInput asks for a session.
type AssumeRoleInput struct {
	RoleARN, SessionName string
	Duration             time.Duration
	// Life, if not zero, ends the session earlier than AWS would. A fault asks for it.
	Life time.Duration
	// Tags are transitive session tags; nil for none.
	Tags map[string]string
	// SourceARN and SourceAccount are those of the cluster. They prevent the confused deputy.
	SourceARN, SourceAccount string
	// Policy is the session policy; "" for none. It is for the target role if there is one.
	Policy string
	// TargetRoleARN, if it is not "", is assumed with the session of RoleARN.
	TargetRoleARN, ExternalID string
}

// Session has temporary credentials of a role, and the identity that they belong to.
type Session struct {
	AccessKeyID, SecretAccessKey, SessionToken string
	Expiration                                 time.Time
	// ARN is arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION, ID is ROLEID:SESSION.
	ARN, ID string
}

// Options of a Service.
type Options struct {
	// Account of twelve digits.
	Account    string
	Clusters   Clusters
	Authorizer Authorizer
	Sessions   Sessions
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Service serves the API. It has no state of its own and is safe for concurrent use.
type Service struct {
	options Options
	mux     *http.ServeMux
}

// New makes a service.
func New(options Options) *Service {
	if options.Now == nil {
		options.Now = time.Now
	}
	s := &Service{options: options, mux: http.NewServeMux()}
	s.mux.HandleFunc("POST /clusters/{clusterName}/assume-role-for-pod-identity", s.assumeRoleForPodIdentity)
	s.mux.HandleFunc("/", unknownOperation)
	return s
}

// ServeHTTP answers a request whose signature was verified.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// The multiplexer would redirect an unclean path. No AWS service does that.
	if path.Clean(r.URL.Path) != r.URL.Path {
		unknownOperation(w, r)
		return
	}
	s.mux.ServeHTTP(w, r)
}

func unknownOperation(w http.ResponseWriter, r *http.Request) {
	journal.FromContext(r.Context()).ErrorCode = restjson.WriteError(w, restjson.Errorf("UnknownOperationException",
		http.StatusNotFound, "EKS Auth has no operation %s %s.", r.Method, r.URL.Path), codeInternal)
}

func (s *Service) assumeRoleForPodIdentity(w http.ResponseWriter, r *http.Request) {
	call := journal.FromContext(r.Context())
	call.Operation = operation
	answer, err := s.assume(r)
	if err != nil {
		call.Cause = restjson.Cause(err)
		call.ErrorCode = restjson.WriteError(w, err, codeInternal)
		return
	}
	restjson.Write(w, answer)
}

// assume checks in this order: caller, request, cluster, token, association, trust. AWS does not document its own order.
// With this one an unauthorised caller learns nothing about the others. Faults are applied before the first check, and
// again when the association is known.
func (s *Service) assume(r *http.Request) (*assumeAnswer, error) {
	ctx, cluster := r.Context(), r.PathValue("clusterName")
	call := journal.FromContext(ctx)
	if err := faults.At(ctx, faults.Target{Operation: operation}); err != nil {
		return nil, faultRefusal(err)
	}
	clusterARN := s.options.Clusters.ClusterARN(cluster)
	if err := s.options.Authorizer.Authorize(ctx, "eks-auth:AssumeRoleForPodIdentity", clusterARN, nil); err != nil {
		return nil, refuse(codeAccessDenied, "%s", err)
	}
	var in struct {
		Token string `json:"token"`
	}
	if err := restjson.Read(r, &in, codeInvalidRequest); err != nil {
		return nil, err
	}
	if in.Token == "" {
		return nil, refuse(codeInvalidParameter, "The parameter token is required.")
	}
	call.Token = journal.Fingerprint(in.Token)
	verifier, ok := s.options.Clusters.Verifier(cluster)
	if !ok {
		return nil, restjson.Errorf(codeNotFound, http.StatusNotFound, "No cluster found for name: %s.", cluster)
	}
	pod, err := verifier.Verify(in.Token, s.options.Now())
	if err != nil {
		return nil, tokenRefusal(err)
	}
	call.Subject = strings.Join([]string{cluster, pod.Namespace, pod.ServiceAccount, pod.PodName}, "/")
	association, ok := s.options.Clusters.Association(cluster, pod.Namespace, pod.ServiceAccount)
	if !ok {
		return nil, restjson.Errorf(codeNotFound, http.StatusNotFound, "The token included in the request has no service account role association for it.")
	}
	if err := faults.At(ctx, faults.Target{Operation: operation, Association: association.ID}); err != nil {
		return nil, faultRefusal(err)
	}
	input := s.sessionFor(association, pod, clusterARN)
	input.Life = faults.Life(ctx, faults.Target{Operation: operation, Association: association.ID})
	session, err := s.options.Sessions.AssumeRole(ctx, input)
	if err != nil {
		return nil, sessionRefusal(err, association.ID)
	}
	return newAnswer(association, session), nil
}

// sessionFor returns the session that the pod gets (tags:
// https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html).
func (s *Service) sessionFor(a eks.Association, pod podtoken.Identity, clusterARN string) AssumeRoleInput {
	input := AssumeRoleInput{
		RoleARN: a.RoleARN, SessionName: sessionName(a.Cluster, pod.PodName, uuid.NewString()), Duration: plainDuration,
		SourceARN: clusterARN, SourceAccount: s.options.Account,
		Policy: a.Policy, TargetRoleARN: a.TargetRoleARN, ExternalID: a.ExternalID,
	}
	if a.TargetRoleARN != "" {
		input.Duration = chainedDuration
	}
	if !a.DisableSessionTags {
		input.Tags = map[string]string{
			"eks-cluster-arn":            clusterARN,
			"eks-cluster-name":           a.Cluster,
			"kubernetes-namespace":       pod.Namespace,
			"kubernetes-service-account": pod.ServiceAccount,
			"kubernetes-pod-name":        pod.PodName,
			"kubernetes-pod-uid":         pod.PodUID,
		}
	}
	return input
}

// sessionName is eks-CLUSTER-POD-UUID. It must fit into 64 characters, and AWS does not say how it shortens the name. In
// this package cluster and pod share the room that the prefix and the UUID leave, and a short one leaves its rest to the
// other. So the random part, which makes the name unique, stays complete.
func sessionName(cluster, pod, random string) string {
	room := quota.SessionNameMax - len("eks---") - len(random)
	half := room / 2
	switch {
	case len(cluster)+len(pod) <= room:
	case len(cluster) <= half:
		pod = pod[:room-len(cluster)]
	case len(pod) <= room-half:
		cluster = cluster[:room-len(pod)]
	default:
		cluster, pod = cluster[:half], pod[:room-half]
	}
	return "eks-" + cluster + "-" + pod + "-" + random
}

// assumeAnswer is AssumeRoleForPodIdentityResponse on the wire.
type assumeAnswer struct {
	Subject struct {
		Namespace      string `json:"namespace"`
		ServiceAccount string `json:"serviceAccount"`
	} `json:"subject"`
	Audience               string `json:"audience"`
	PodIdentityAssociation struct {
		AssociationARN string `json:"associationArn"`
		AssociationID  string `json:"associationId"`
	} `json:"podIdentityAssociation"`
	AssumedRoleUser struct {
		ARN          string `json:"arn"`
		AssumeRoleID string `json:"assumeRoleId"`
	} `json:"assumedRoleUser"`
	Credentials struct {
		SessionToken    string        `json:"sessionToken"`
		SecretAccessKey string        `json:"secretAccessKey"`
		AccessKeyID     string        `json:"accessKeyId"`
		Expiration      restjson.Time `json:"expiration"`
	} `json:"credentials"`
}

func newAnswer(a eks.Association, session Session) *assumeAnswer {
	var out assumeAnswer
	out.Subject.Namespace, out.Subject.ServiceAccount = a.Namespace, a.ServiceAccount
	out.Audience = podtoken.Audience
	out.PodIdentityAssociation.AssociationARN, out.PodIdentityAssociation.AssociationID = a.ARN, a.ID
	out.AssumedRoleUser.ARN, out.AssumedRoleUser.AssumeRoleID = session.ARN, session.ID
	out.Credentials.AccessKeyID, out.Credentials.SecretAccessKey = session.AccessKeyID, session.SecretAccessKey
	out.Credentials.SessionToken = session.SessionToken
	// The API's expiration is in whole seconds.
	out.Credentials.Expiration = restjson.Time(session.Expiration.Truncate(time.Second))
	return &out
}
