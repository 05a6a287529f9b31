package emulator

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awseks "github.com/aws/aws-sdk-go-v2/service/eks"
	awseksauth "github.com/aws/aws-sdk-go-v2/service/eksauth"
	authtypes "github.com/aws/aws-sdk-go-v2/service/eksauth/types"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/podidentity/epi/clusters/emulator/control"
)

const bucket = "kaitoy-epi-test"

// seedObjects creates the seed's bucket with a file for each of two namespaces.
func (w *world) seedObjects(t testing.TB) {
	t.Helper()
	admin := w.admin()
	if _, err := admin.s3.CreateBucket(t.Context(), &awss3.CreateBucketInput{
		Bucket: aws.String(bucket), CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region},
	}); err != nil {
		t.Fatal(err)
	}
	for _, namespace := range []string{"default", "hoge"} {
		if _, err := admin.s3.PutObject(t.Context(), &awss3.PutObjectInput{
			Bucket: aws.String(bucket), Key: aws.String("epi-test/" + namespace + "/test.txt"), Body: strings.NewReader("for " + namespace),
		}); err != nil {
			t.Fatal(err)
		}
	}
}

func statusOf(err error) int {
	if failure, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		return failure.HTTPStatusCode()
	}
	return 0
}

// TestWalkthrough is the seed, step by step, with the calls of AWS clients.
func TestWalkthrough(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.seedObjects(t)

	cluster, err := w.admin().eks.DescribeCluster(ctx, &awseks.DescribeClusterInput{Name: aws.String(clusterName)})
	if err != nil || *cluster.Cluster.Arn != clusterARN || *cluster.Cluster.Version != "1.36" {
		t.Fatalf("cluster %+v, %v", cluster, err)
	}
	// create-policy, create-role, attach-role-policy, create-pod-identity-association
	roleARN := w.role(t, "epi-bucket-user", seedTrust, seedPolicy)
	id := w.associate(t, "aws-cli", roleARN, nil)
	identities, err := w.control.Identities(ctx, clusterName, "", 0)
	if err != nil || len(identities.Identities) != 1 || identities.Identities[0] != (control.Identity{Namespace: "default", ServiceAccount: "aws-cli"}) {
		t.Errorf("identities %+v, %v", identities, err)
	}

	// Observation 1: a pod without the service account gets no credentials.
	_, err = w.node(t).eksauth.AssumeRoleForPodIdentity(ctx, &awseksauth.AssumeRoleForPodIdentityInput{
		ClusterName: aws.String(clusterName), Token: aws.String(w.token("default", "no-sa", nil)),
	})
	if _, ok := errors.AsType[*authtypes.ResourceNotFoundException](err); !ok || statusOf(err) != 404 {
		t.Errorf("AUT-06: %v", err)
	}

	// Observation 2: with it, the pod can download from its own prefix.
	pod, out := w.pod(t, "aws-cli", "web-0")
	if *out.PodIdentityAssociation.AssociationId != id || *out.Subject.ServiceAccount != "aws-cli" {
		t.Errorf("got %+v", out)
	}
	if left := time.Until(*out.Credentials.Expiration); left < 5*time.Hour+59*time.Minute || left > 6*time.Hour {
		t.Errorf("AUT-11: credentials live for %v", left)
	}
	who, err := pod.sts.GetCallerIdentity(ctx, &awssts.GetCallerIdentityInput{})
	if err != nil || *who.Arn != *out.AssumedRoleUser.Arn || *who.UserId != *out.AssumedRoleUser.AssumeRoleId || *who.Account != accountID12 {
		t.Errorf("caller identity %+v, %v", who, err)
	}
	if !strings.HasPrefix(*who.Arn, "arn:aws:sts::123456789012:assumed-role/epi-bucket-user/eks-epi-test-web-0-") {
		t.Errorf("AUT-04: %s", *who.Arn)
	}
	object, err := pod.s3.GetObject(ctx, &awss3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("epi-test/default/test.txt")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = object.Body.Close() }()
	if data, err := io.ReadAll(object.Body); err != nil || string(data) != "for default" {
		t.Errorf("object %q, %v", data, err)
	}

	// Observation 3: HeadObject of another namespace's prefix is refused with 403.
	_, err = pod.s3.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: aws.String(bucket), Key: aws.String("epi-test/hoge/test.txt")})
	if statusOf(err) != http.StatusForbidden {
		t.Errorf("ABAC-02: %v", err)
	}

	calls, err := w.control.Calls(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	last := calls.Calls[len(calls.Calls)-1]
	if last.Service != "s3" || last.Operation != "HeadObject" || last.Status != 403 || last.Principal != *who.Arn || last.Decision == "" || last.SourceIP != "127.0.0.1" {
		t.Errorf("journal: %+v", last)
	}
	assumed := 0
	for _, call := range calls.Calls {
		if call.Operation == "AssumeRoleForPodIdentity" && call.Status == 200 {
			assumed++
			if call.Subject != "epi-test/default/aws-cli/web-0" || !strings.Contains(call.Principal, ":assumed-role/epi-node/i-") {
				t.Errorf("journal: %+v", call)
			}
		}
	}
	if assumed != 1 {
		t.Errorf("%d calls in the journal", assumed)
	}

	// ASC-09: after the delete new requests fail, and issued credentials stay valid.
	if _, err := w.admin().eks.DeletePodIdentityAssociation(ctx, &awseks.DeletePodIdentityAssociationInput{ClusterName: aws.String(clusterName), AssociationId: &id}); err != nil {
		t.Fatal(err)
	}
	_, err = w.node(t).eksauth.AssumeRoleForPodIdentity(ctx, &awseksauth.AssumeRoleForPodIdentityInput{
		ClusterName: aws.String(clusterName), Token: aws.String(w.token("aws-cli", "web-0", nil)),
	})
	if statusOf(err) != 404 {
		t.Errorf("after delete: %v", err)
	}
	if _, err := pod.s3.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: aws.String(bucket), Key: aws.String("epi-test/default/test.txt")}); err != nil {
		t.Errorf("issued credentials after delete: %v", err)
	}

	for _, secret := range []string{adminSecret, controlToken, syncToken, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken, "eyJhbGci"} {
		if strings.Contains(w.log.String(), secret) {
			t.Errorf("the log holds %.8s…", secret)
		}
	}
}

// TestTrust: the trust policy decides who may assume the role, at creation and at each request.
func TestTrust(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	allow := func(actions, condition string) string {
		return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"pods.eks.amazonaws.com"},"Action":[` + actions + `]` + condition + `}}`
	}
	const both = `"sts:AssumeRole","sts:TagSession"`
	when := func(operator, key, value string) string {
		return `,"Condition":{"` + operator + `":{"` + key + `":"` + value + `"}}`
	}
	tests := []struct {
		name, trust string
		disableTags bool
		allowed     bool
	}{
		{"seed", seedTrust, false, true},
		{"AUT-07 no sts:TagSession", allow(`"sts:AssumeRole"`, ""), false, false},
		{"no sts:TagSession and no tags", allow(`"sts:AssumeRole"`, ""), true, true},
		{"TAG-05 own namespace", allow(both, when("StringEquals", "aws:RequestTag/kubernetes-namespace", "default")), false, true},
		{"TAG-05 another namespace", allow(both, when("StringEquals", "aws:RequestTag/kubernetes-namespace", "hoge")), false, false},
		{"TAG-05 own cluster", allow(both, when("StringEquals", "aws:RequestTag/eks-cluster-arn", clusterARN)), false, true},
		{"TAG-05 tag condition with tags disabled", allow(both, when("StringEquals", "aws:RequestTag/kubernetes-namespace", "default")), true, false},
		{"TAG-05 own account", allow(both, when("StringEquals", "aws:SourceAccount", accountID12)), false, true},
		{"TAG-05 another account", allow(both, when("StringEquals", "aws:SourceAccount", "999999999999")), false, false},
		{"TAG-05 source cluster", allow(both, when("ArnEquals", "aws:SourceArn", clusterARN)), false, true},
		{"TAG-05 another source cluster", allow(both, when("ArnEquals", "aws:SourceArn", clusterARN+"-2")), false, false},
	}
	for n, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			name := "trust-" + string(rune('a'+n))
			w.associate(t, name, w.role(t, name, test.trust, ""), func(in *awseks.CreatePodIdentityAssociationInput) { in.DisableSessionTags = &test.disableTags })
			_, err := w.node(t).eksauth.AssumeRoleForPodIdentity(ctx, &awseksauth.AssumeRoleForPodIdentityInput{
				ClusterName: aws.String(clusterName), Token: aws.String(w.token(name, "p", nil)),
			})
			if _, denied := errors.AsType[*authtypes.AccessDeniedException](err); (err == nil) != test.allowed || (err != nil && (!denied || statusOf(err) != 400)) {
				t.Errorf("got %v", err)
			}
		})
	}

	t.Run("ASC-05 at create", func(t *testing.T) {
		for name, roleARN := range map[string]string{
			"Trust policy of the role provided is invalid": w.role(t, "for-ec2", strings.ReplaceAll(seedTrust, "pods.eks", "ec2"), ""),
			"does not exist": "arn:aws:iam::123456789012:role/missing",
		} {
			_, err := w.admin().eks.CreatePodIdentityAssociation(ctx, &awseks.CreatePodIdentityAssociationInput{
				ClusterName: aws.String(clusterName), Namespace: aws.String("default"), ServiceAccount: aws.String("x"), RoleArn: &roleARN,
			})
			if statusOf(err) != 400 || !strings.Contains(err.Error(), name) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})

	t.Run("role deleted after the association", func(t *testing.T) {
		w.associate(t, "orphan", w.role(t, "orphan", seedTrust, ""), nil)
		if _, err := w.admin().iam.DeleteRole(ctx, &awsiam.DeleteRoleInput{RoleName: aws.String("orphan")}); err != nil {
			t.Fatal(err)
		}
		_, err := w.node(t).eksauth.AssumeRoleForPodIdentity(ctx, &awseksauth.AssumeRoleForPodIdentityInput{
			ClusterName: aws.String(clusterName), Token: aws.String(w.token("orphan", "p", nil)),
		})
		if _, denied := errors.AsType[*authtypes.AccessDeniedException](err); !denied {
			t.Errorf("got %v", err)
		}
	})
}

// TestCallersRights: AUT-10 and ASC-05, the permissions of the callers of EKS and EKS Auth.
func TestCallersRights(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	roleARN := w.role(t, "app", seedTrust, "")
	w.associate(t, "app", roleARN, nil)
	pod, _ := w.pod(t, "app", "p")
	_, err := pod.eksauth.AssumeRoleForPodIdentity(ctx, &awseksauth.AssumeRoleForPodIdentityInput{
		ClusterName: aws.String(clusterName), Token: aws.String(w.token("app", "p", nil)),
	})
	denied, ok := errors.AsType[*authtypes.AccessDeniedException](err)
	if !ok || statusOf(err) != 400 || !strings.Contains(*denied.Message, "is not authorized to perform: eks-auth:AssumeRoleForPodIdentity on resource: "+clusterARN) {
		t.Errorf("AUT-10: %v", err)
	}

	create := func(policy, name string) error {
		w.associate(t, name, w.role(t, name, seedTrust, policy), nil)
		caller, _ := w.pod(t, name, "p")
		_, err := caller.eks.CreatePodIdentityAssociation(ctx, &awseks.CreatePodIdentityAssociationInput{
			ClusterName: aws.String(clusterName), Namespace: aws.String("default"), ServiceAccount: aws.String(name + "-new"), RoleArn: &roleARN,
		})
		return err
	}
	const mayCreate = `{"Effect":"Allow","Action":"eks:CreatePodIdentityAssociation","Resource":"` + clusterARN + `"}`
	const mayPass = `{"Effect":"Allow","Action":"iam:PassRole","Resource":"*","Condition":{"StringEquals":{"iam:PassedToService":"pods.eks.amazonaws.com"}}}`
	wrap := func(statements ...string) string {
		return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
	}
	if err := create(wrap(mayCreate, mayPass), "both"); err != nil {
		t.Errorf("both rights: %v", err)
	}
	if err := create(wrap(mayCreate), "create-only"); statusOf(err) != 403 || !strings.Contains(err.Error(), "iam:PassRole") {
		t.Errorf("without iam:PassRole: %v", err)
	}
	if err := create(wrap(mayPass), "pass-only"); statusOf(err) != 403 || !strings.Contains(err.Error(), "eks:CreatePodIdentityAssociation") {
		t.Errorf("without eks:CreatePodIdentityAssociation: %v", err)
	}
}

// TestSessionTags: TAG-04, and the session policy of ASC-11.
func TestSessionTagsAndPolicy(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.seedObjects(t)
	roleARN := w.role(t, "epi-bucket-user", seedTrust, seedPolicy)
	w.associate(t, "untagged", roleARN, func(in *awseks.CreatePodIdentityAssociationInput) { in.DisableSessionTags = aws.Bool(true) })
	head := func(c clients, key string) int {
		_, err := c.s3.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: aws.String(bucket), Key: &key})
		if err == nil {
			return 200
		}
		return statusOf(err)
	}
	untagged, _ := w.pod(t, "untagged", "p")
	if got := head(untagged, "epi-test/default/test.txt"); got != 403 {
		t.Errorf("TAG-04: %d", got)
	}

	everything := w.role(t, "everything", seedTrust, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`)
	w.associate(t, "limited", everything, func(in *awseks.CreatePodIdentityAssociationInput) {
		in.DisableSessionTags = aws.Bool(true)
		in.Policy = aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::` + bucket + `/epi-test/hoge/*"}}`)
	})
	limited, _ := w.pod(t, "limited", "p")
	if own, other := head(limited, "epi-test/hoge/test.txt"), head(limited, "epi-test/default/test.txt"); own != 200 || other != 403 {
		t.Errorf("ASC-11: %d and %d", own, other)
	}
}

// TestTargetRole: ASC-10, role chaining with the external ID, in one account.
func TestTargetRole(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	source := w.role(t, "source", seedTrust, "")
	const externalID = "us-west-2/123456789012/epi-test/default/chained"
	target := w.role(t, "target", `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"AWS":"`+source+`"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"`+externalID+`"}}},
		{"Effect":"Allow","Principal":{"AWS":"`+source+`"},"Action":"sts:TagSession"}]}`, "")
	w.associate(t, "chained", source, func(in *awseks.CreatePodIdentityAssociationInput) { in.TargetRoleArn = &target })
	w.associate(t, "stranger", source, func(in *awseks.CreatePodIdentityAssociationInput) { in.TargetRoleArn = &target })

	pod, out := w.pod(t, "chained", "web-0")
	if left := time.Until(*out.Credentials.Expiration); left < 58*time.Minute || left > 59*time.Minute {
		t.Errorf("AUT-11: credentials live for %v", left)
	}
	who, err := pod.sts.GetCallerIdentity(ctx, &awssts.GetCallerIdentityInput{})
	if err != nil || !strings.HasPrefix(*who.Arn, "arn:aws:sts::123456789012:assumed-role/target/eks-epi-test-web-0-") {
		t.Errorf("got %+v, %v", who, err)
	}
	_, err = w.node(t).eksauth.AssumeRoleForPodIdentity(ctx, &awseksauth.AssumeRoleForPodIdentityInput{
		ClusterName: aws.String(clusterName), Token: aws.String(w.token("stranger", "p", nil)),
	})
	if _, denied := errors.AsType[*authtypes.AccessDeniedException](err); !denied {
		t.Errorf("another association's external ID: %v", err)
	}
}
