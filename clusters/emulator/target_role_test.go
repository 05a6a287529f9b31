package emulator

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awseks "github.com/aws/aws-sdk-go-v2/service/eks"
	awseksauth "github.com/aws/aws-sdk-go-v2/service/eksauth"
	authtypes "github.com/aws/aws-sdk-go-v2/service/eksauth/types"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/podidentity/epi/clusters/emulator/eksauth"
	"github.com/podidentity/epi/clusters/emulator/iam"
)

// member is the administrator of the second account, through its access role.
func (w *world) member(t testing.TB) clients {
	t.Helper()
	out, err := w.admin().sts.AssumeRole(t.Context(), &awssts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::" + memberID12 + ":role/" + iam.MemberAccessRole), RoleSessionName: aws.String("test"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return w.clients(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
}

// chain creates what a pod of service account "chained" needs to get a role of the second account, as in
// https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html.
type chain struct {
	// permissions are the source role's, and trust is the target role's.
	permissions, trust string
	disableTags        bool
}

const (
	sourceARN  = "arn:aws:iam::" + accountID12 + ":role/source"
	targetARN  = "arn:aws:iam::" + memberID12 + ":role/target"
	externalID = region + "/" + accountID12 + "/" + clusterName + "/default/chained"
)

func targetTrust(actions, principal, id string) string {
	return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":[` + actions + `],` +
		`"Condition":{"StringEquals":{"sts:ExternalId":"` + id + `"}}}}`
}

func (c chain) make(t testing.TB, w *world) {
	t.Helper()
	w.role(t, "source", seedTrust, c.permissions)
	if _, err := w.member(t).iam.CreateRole(t.Context(), &awsiam.CreateRoleInput{RoleName: aws.String("target"), AssumeRolePolicyDocument: &c.trust}); err != nil {
		t.Fatal(err)
	}
	w.associate(t, "chained", sourceARN, func(in *awseks.CreatePodIdentityAssociationInput) {
		in.TargetRoleArn, in.DisableSessionTags = aws.String(targetARN), &c.disableTags
	})
}

const (
	mayChain = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["sts:AssumeRole","sts:TagSession"],"Resource":"` + targetARN + `"}}`
	bothSTS  = `"sts:AssumeRole","sts:TagSession"`
)

func (w *world) assumeChained(ctx context.Context, t testing.TB) (*awseksauth.AssumeRoleForPodIdentityOutput, error) {
	t.Helper()
	return w.node(t).eksauth.AssumeRoleForPodIdentity(ctx, &awseksauth.AssumeRoleForPodIdentityInput{
		ClusterName: aws.String(clusterName), Token: aws.String(w.token("chained", "web-0", nil)),
	})
}

// TestTargetRoleOfAnotherAccount: ASC-10, AUT-11 and TAG-02 across accounts.
func TestTargetRoleOfAnotherAccount(t *testing.T) {
	w := newWorld(t)
	chain{permissions: mayChain, trust: targetTrust(bothSTS, sourceARN, externalID)}.make(t, w)
	out, err := w.assumeChained(t.Context(), t)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(*out.AssumedRoleUser.Arn, "arn:aws:sts::"+memberID12+":assumed-role/target/eks-epi-test-web-0-") {
		t.Errorf("AUT-04: %s", *out.AssumedRoleUser.Arn)
	}
	if left := time.Until(*out.Credentials.Expiration); left < 58*time.Minute || left > 59*time.Minute {
		t.Errorf("AUT-11: credentials live for %v", left)
	}
	pod := w.clients(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
	who, err := pod.sts.GetCallerIdentity(t.Context(), &awssts.GetCallerIdentityInput{})
	if err != nil || *who.Account != memberID12 || *who.Arn != *out.AssumedRoleUser.Arn || *who.UserId != *out.AssumedRoleUser.AssumeRoleId {
		t.Errorf("caller identity %+v, %v", who, err)
	}

	// The target session has the six tags too: a role that requires one of them can be assumed next.
	trust := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + targetARN + `"},"Action":[` + bothSTS + `],` +
		`"Condition":{"StringEquals":{"aws:PrincipalTag/kubernetes-pod-name":"%s"}}}}`
	for name, allowed := range map[string]bool{"web-0": true, "web-1": false} {
		document := strings.ReplaceAll(trust, "%s", name)
		role, err := w.member(t).iam.CreateRole(t.Context(), &awsiam.CreateRoleInput{RoleName: aws.String("of-" + name), AssumeRolePolicyDocument: &document})
		if err != nil {
			t.Fatal(err)
		}
		_, err = pod.sts.AssumeRole(t.Context(), &awssts.AssumeRoleInput{RoleArn: role.Role.Arn, RoleSessionName: aws.String("next")})
		if (err == nil) != allowed || err != nil && statusOf(err) != 403 {
			t.Errorf("TAG-02: pod name %s: %v", name, err)
		}
	}
}

// TestTargetRoleRefusals: every refusal of the target role is answered as in AUT-07.
func TestTargetRoleRefusals(t *testing.T) {
	good := targetTrust(bothSTS, sourceARN, externalID)
	tests := []struct {
		name    string
		chain   chain
		allowed bool
	}{
		{"as documented", chain{mayChain, good, false}, true},
		{"trust of the source's whole account", chain{mayChain, targetTrust(bothSTS, "arn:aws:iam::"+accountID12+":root", externalID), false}, true},
		{"no tags and no sts:TagSession", chain{mayChain, targetTrust(`"sts:AssumeRole"`, sourceARN, externalID), true}, true},
		{"tags and no sts:TagSession", chain{mayChain, targetTrust(`"sts:AssumeRole"`, sourceARN, externalID), false}, false},
		{"external ID of another service account", chain{mayChain, targetTrust(bothSTS, sourceARN, strings.ReplaceAll(externalID, "chained", "other")), false}, false},
		{"external ID of another cluster", chain{mayChain, targetTrust(bothSTS, sourceARN, strings.ReplaceAll(externalID, clusterName, "other")), false}, false},
		{"target trusts EKS and not the source", chain{mayChain, seedTrust, false}, false},
		{"target trusts another role", chain{mayChain, targetTrust(bothSTS, "arn:aws:iam::"+accountID12+":role/epi-node", externalID), false}, false},
		// Across accounts the caller's own account must also allow it (reference_policies_evaluation-logic-cross-account).
		{"source without permission", chain{"", good, false}, false},
		{"source with permission for another role", chain{strings.ReplaceAll(mayChain, "role/target", "role/other"), good, false}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			test.chain.make(t, w)
			_, err := w.assumeChained(t.Context(), t)
			if _, denied := errors.AsType[*authtypes.AccessDeniedException](err); (err == nil) != test.allowed || err != nil && (!denied || statusOf(err) != 400) {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("no such target role", func(t *testing.T) {
		w := newWorld(t)
		w.role(t, "source", seedTrust, mayChain)
		w.associate(t, "chained", sourceARN, func(in *awseks.CreatePodIdentityAssociationInput) { in.TargetRoleArn = aws.String(targetARN) })
		if _, err := w.assumeChained(t.Context(), t); statusOf(err) != 400 || !strings.Contains(err.Error(), "AccessDeniedException") {
			t.Errorf("got %v", err)
		}
	})
}

// TestAssociationCountsAtOnce: ASC-09. The emulator adds no delay.
func TestAssociationCountsAtOnce(t *testing.T) {
	w := newWorld(t)
	id := w.associate(t, "app", w.role(t, "first", seedTrust, ""), nil)
	second := w.role(t, "second", seedTrust, "")
	if _, out := w.pod(t, "app", "web-0"); !strings.Contains(*out.AssumedRoleUser.Arn, ":assumed-role/first/") {
		t.Fatalf("got %s", *out.AssumedRoleUser.Arn)
	}
	if _, err := w.admin().eks.UpdatePodIdentityAssociation(t.Context(), &awseks.UpdatePodIdentityAssociationInput{
		ClusterName: aws.String(clusterName), AssociationId: &id, RoleArn: &second,
	}); err != nil {
		t.Fatal(err)
	}
	if _, out := w.pod(t, "app", "web-0"); !strings.Contains(*out.AssumedRoleUser.Arn, ":assumed-role/second/") {
		t.Errorf("after the change: %s", *out.AssumedRoleUser.Arn)
	}
}

// TestImpossibleSession: claims that cannot become a session name or tags are an error of the request.
func TestImpossibleSession(t *testing.T) {
	w := newWorld(t)
	w.associate(t, "app", w.role(t, "app", seedTrust, ""), nil)
	_, err := w.node(t).eksauth.AssumeRoleForPodIdentity(t.Context(), &awseksauth.AssumeRoleForPodIdentityInput{
		ClusterName: aws.String(clusterName), Token: aws.String(w.token("app", "web 0!", nil)),
	})
	if _, invalid := errors.AsType[*authtypes.InvalidParameterException](err); !invalid || statusOf(err) != 400 {
		t.Errorf("got %v", err)
	}
}

// TestSessionError: STS's limits are errors of the request, and everything else is the emulator's.
func TestSessionError(t *testing.T) {
	other := errors.New("no entropy")
	if err := sessionError(other); !errors.Is(err, other) || sessionError(nil) != nil {
		t.Errorf("got %v", err)
	}
	if err := sessionError(fmt.Errorf("issue: %w", iam.ErrNoSuchRole)); !errors.Is(err, eksauth.ErrNotTrusted) {
		t.Errorf("got %v", err)
	}
	for _, test := range []struct {
		err    error
		packed bool
		text   string
	}{
		{&iam.PackedError{Percent: 120}, true, "120%"},
		{&iam.InputError{Problem: "value of tag a: is too long"}, false, "is too long"},
	} {
		problem, ok := errors.AsType[*eksauth.SessionError](sessionError(test.err))
		if !ok || problem.Packed != test.packed || !strings.Contains(problem.Problem, test.text) {
			t.Errorf("%v: got %+v", test.err, problem)
		}
	}
}
