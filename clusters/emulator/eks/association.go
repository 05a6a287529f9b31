package eks

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"

	"github.com/podidentity/epi/clusters/emulator/journal"
	"github.com/podidentity/epi/clusters/emulator/quota"
	"github.com/podidentity/epi/clusters/emulator/restjson"
)

// associationShape is PodIdentityAssociation on the wire.
type associationShape struct {
	ClusterName        string            `json:"clusterName"`
	Namespace          string            `json:"namespace"`
	ServiceAccount     string            `json:"serviceAccount"`
	RoleARN            string            `json:"roleArn"`
	AssociationARN     string            `json:"associationArn"`
	AssociationID      string            `json:"associationId"`
	Tags               map[string]string `json:"tags"`
	CreatedAt          restjson.Time     `json:"createdAt"`
	ModifiedAt         restjson.Time     `json:"modifiedAt"`
	DisableSessionTags bool              `json:"disableSessionTags"`
	TargetRoleARN      string            `json:"targetRoleArn,omitempty"`
	ExternalID         string            `json:"externalId,omitempty"`
	Policy             string            `json:"policy,omitempty"`
	OwnerARN           string            `json:"ownerArn,omitempty"`
}

type associationAnswer struct {
	Association associationShape `json:"association"`
}

func answer(a *Association) associationAnswer {
	tags := map[string]string{}
	maps.Copy(tags, a.Tags)
	return associationAnswer{associationShape{
		ClusterName: a.Cluster, Namespace: a.Namespace, ServiceAccount: a.ServiceAccount, RoleARN: a.RoleARN,
		AssociationARN: a.ARN, AssociationID: a.ID, Tags: tags,
		CreatedAt: restjson.Time(a.Created), ModifiedAt: restjson.Time(a.Modified),
		DisableSessionTags: a.DisableSessionTags, TargetRoleARN: a.TargetRoleARN, ExternalID: a.ExternalID, Policy: a.Policy,
		OwnerARN: a.OwnerARN,
	}}
}

type createRequest struct {
	Namespace          string            `json:"namespace"`
	ServiceAccount     string            `json:"serviceAccount"`
	RoleARN            string            `json:"roleArn"`
	ClientRequestToken string            `json:"clientRequestToken"`
	Tags               map[string]string `json:"tags"`
	DisableSessionTags bool              `json:"disableSessionTags"`
	TargetRoleARN      string            `json:"targetRoleArn"`
	Policy             string            `json:"policy"`
}

func (c createRequest) fingerprint() string {
	c.ClientRequestToken = ""
	return fingerprint(c)
}

// fingerprint is equal for two requests with the same content. A request is a struct of texts, booleans and maps of texts,
// so it can always be encoded. Keys of maps are encoded in order.
func fingerprint(request any) string {
	data, _ := json.Marshal(request)
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func (s *Service) createAssociation(r *http.Request) (any, error) {
	name := r.PathValue("clusterName")
	var in createRequest
	if err := restjson.Read(r, &in, codeInvalidRequest); err != nil {
		return nil, err
	}
	id := newAssociationID()
	if err := s.authorizeCreation(r, "eks:CreatePodIdentityAssociation", s.associationARN(name, id), in.Tags); err != nil {
		return nil, err
	}
	if err := s.checkCreate(in); err != nil {
		return nil, err
	}
	if err := s.checkRole(r, name, in.RoleARN); err != nil {
		return nil, err
	}

	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	c, err := s.state.cluster(name)
	if err != nil {
		return nil, err
	}
	// The reference says only that the token makes the request idempotent. AWS APIs with such a token return the first
	// association for an equal request and refuse another request
	// (https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html). Of the errors that the reference has,
	// InvalidRequestException is the one about the state that a request meets. A token counts within its cluster, and as
	// long as its association exists.
	if known, ok := c.byToken[in.ClientRequestToken]; ok {
		if in.fingerprint() != known.fingerprint {
			return nil, tokenReused()
		}
		journal.FromContext(r.Context()).Repeat = true
		return answer(known), nil
	}
	a := &Association{
		Cluster: name, Namespace: in.Namespace, ServiceAccount: in.ServiceAccount, ID: id,
		RoleARN: in.RoleARN, TargetRoleARN: in.TargetRoleARN, DisableSessionTags: in.DisableSessionTags, Policy: in.Policy,
		Tags: in.Tags, token: in.ClientRequestToken, fingerprint: in.fingerprint(),
	}
	if err := s.associate(c, a); err != nil {
		return nil, err
	}
	return answer(a), nil
}

// associate adds an association to a cluster and sets its times, ARN and external ID. The caller
// holds the state's mu for writing.
func (s *Service) associate(c *cluster, a *Association) error {
	if known, ok := c.byPod[identity{a.Namespace, a.ServiceAccount}]; ok {
		return restjson.Errorf(codeInUse, http.StatusConflict, "Association already exists: %s", known.ID)
	}
	if len(c.byID) >= s.state.associationLimit {
		return restjson.Errorf(codeLimitExceeded, http.StatusBadRequest,
			"The cluster has reached the limit of %d pod identity associations.", s.state.associationLimit)
	}
	now := s.options.Now()
	s.state.seq++ // a number that a failed write skips does no harm
	a.Created, a.Modified, a.seq = now, now, s.state.seq
	a.ARN = s.associationARN(a.Cluster, a.ID)
	a.ExternalID = s.externalID(a)
	if err := s.putAssociation(a); err != nil {
		return err
	}
	c.add(a)
	return nil
}

func tokenReused() error {
	return restjson.Errorf(codeInvalidRequest, http.StatusBadRequest,
		"The clientRequestToken was used before with other parameters.")
}

func (s *Service) checkCreate(in createRequest) error {
	for _, err := range []error{
		checkNamespace(in.Namespace), checkServiceAccount(in.ServiceAccount),
		checkRoleARN("roleArn", in.RoleARN, s.options.Account), checkTags(in.Tags),
	} {
		if err != nil {
			return err
		}
	}
	if in.TargetRoleARN != "" {
		if err := checkRoleARN("targetRoleArn", in.TargetRoleARN, ""); err != nil {
			return err
		}
	}
	return s.checkPolicy(in.Policy, in.DisableSessionTags)
}

// checkPolicy: a session policy needs disableSessionTags
// (https://docs.aws.amazon.com/eks/latest/APIReference/API_CreatePodIdentityAssociation.html).
func (s *Service) checkPolicy(policy string, disableSessionTags bool) error {
	switch {
	case policy == "":
		return nil
	case !disableSessionTags:
		return invalidParameter("The parameter policy can only be used when disableSessionTags is true.")
	case len(policy) > quota.SessionPolicySize:
		return invalidParameter("The parameter policy has more than %d characters.", quota.SessionPolicySize)
	}
	if err := s.options.Roles.CheckSessionPolicy(policy); err != nil {
		return invalidParameter("The parameter policy is not valid: %s", err)
	}
	return nil
}

// passRole: the caller may pass a role to a service for a cluster. The cluster is the resource that the role is associated
// with (https://docs.aws.amazon.com/emr/latest/EMR-on-EKS-DevelopmentGuide/setting-up-enable-IAM.html, "User Permission").
func (s *Service) passRole(r *http.Request, cluster, service, arn string) error {
	return s.authorize(r.Context(), "iam:PassRole", arn, map[string][]string{
		"iam:PassedToService": {service}, "iam:AssociatedResourceArn": {s.ClusterARN(cluster)},
	})
}

// checkRole: the caller may pass the role, and the role trusts EKS
// (https://docs.aws.amazon.com/eks/latest/userguide/pod-id-association.html).
func (s *Service) checkRole(r *http.Request, cluster, arn string) error {
	if err := s.passRole(r, cluster, Principal, arn); err != nil {
		return err
	}
	err := s.options.Roles.CheckTrust(r.Context(), arn)
	switch {
	case errors.Is(err, ErrNoRole):
		return invalidParameter("Role provided in the request does not exist.")
	case errors.Is(err, ErrTrust):
		return invalidParameter("Trust policy of the role provided is invalid")
	}
	return err
}

func (s *Service) associationARN(cluster, id string) string {
	return fmt.Sprintf("arn:aws:eks:%s:%s:podidentityassociation/%s/%s", s.options.Region, s.options.Account, cluster, id)
}

// externalID has the form of the example in
// https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html.
func (s *Service) externalID(a *Association) string {
	if a.TargetRoleARN == "" {
		return ""
	}
	return strings.Join([]string{s.options.Region, s.options.Account, a.Cluster, a.Namespace, a.ServiceAccount}, "/")
}

// newAssociationID returns "a-" and 17 random characters of a-z and 0-9, as EKS forms IDs. rand.Text is base32 of at least
// 128 bits, of which the ID uses 85.
func newAssociationID() string { return "a-" + strings.ToLower(rand.Text()[:17]) }
