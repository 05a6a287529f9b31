package cloud_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	. "github.com/onsi/gomega"

	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	. "github.com/podidentity/epi/framework/matchers"
)

// signer registers a cluster with a new key and returns a function that signs tokens of its pods.
func signer(t *testing.T, env *framework.Env, cluster string) func(namespace, serviceAccount string) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "own", Algorithm: "RS256", Use: "sig"}}})
	if err != nil {
		t.Fatal(err)
	}
	issuer := "https://" + cluster + ".example"
	if err := env.Control.RegisterCluster(t.Context(), cluster, control.Cluster{Issuer: issuer, JWKS: set}); err != nil {
		t.Fatal(err)
	}
	return func(namespace, serviceAccount string) string {
		t.Helper()
		now := time.Now()
		token := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{
			"iss": issuer, "sub": "system:serviceaccount:" + namespace + ":" + serviceAccount, "aud": []string{"pods.eks.amazonaws.com"},
			"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(),
			"kubernetes.io": map[string]any{
				"namespace": namespace, "serviceaccount": map[string]string{"name": serviceAccount, "uid": "u1"},
				"pod": map[string]string{"name": "p", "uid": "u2"},
			},
		})
		token.Header["kid"] = "own"
		text, err := token.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
}

func TestSessionMayWhatItsRoleMay(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	env, f := awsEnvironment(t, "")
	token := signer(t, env, "second")
	bucket := cloud.NewBucket(ctx, env)
	bucket.PutTagged(ctx, "blue", []byte("b"), map[string]string{"team": "blue = green"})
	bucket.Put(ctx, "plain", []byte("p"))
	role := cloud.NewRole(ctx, env, cloud.Allow([]string{bucket.ARN() + "/*"}, "s3:GetObject").
		When("StringEquals", "s3:ExistingObjectTag/team", "blue = green"))
	association := cloud.Associate(ctx, env, "ns", "reader", role, cloud.InCluster("second"))

	session := cloud.AwaitSessionIn(ctx, env, "second", token("ns", "reader"))
	g.Expect(session.ARN).To(ContainSubstring(":assumed-role/" + role.Name + "/"))
	g.Expect(session.Get(bucket, "blue")(ctx)).To(Succeed())
	g.Expect(session.Head(bucket, "blue")(ctx)).To(Succeed())
	g.Expect(session.Get(bucket, "plain")(ctx)).To(BeRefusedWith("AccessDenied", 403))
	g.Expect(session.Head(bucket, "plain")(ctx)).To(BeRefusedWith("Forbidden", 403))
	g.Expect(session.Put(bucket, "new")(ctx)).To(BeRefusedWith("AccessDenied", 403))
	_, err := session.List(ctx, bucket, nil)
	g.Expect(err).To(BeRefusedWith("AccessDenied", 403))

	role.Put(ctx, env, cloud.Allow([]string{bucket.ARN()}, "s3:ListBucket").When("StringEquals", "s3:prefix", "bl"))
	g.Expect(session.List(ctx, bucket, aws.String("bl"))).To(ConsistOf("blue"))

	f.removeAll()
	_, err = cloud.AssumeForPod(ctx, env, "second", token("ns", "reader"))
	g.Expect(err).To(BeRefusedWith("ResourceNotFoundException", 404), "association %s is gone", association.ID)
}

func TestSessionAssumesAnotherRole(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	env, f := awsEnvironment(t, "")
	token := signer(t, env, "second")
	first := cloud.NewRole(ctx, env)
	second := cloud.NewRoleTrusting(ctx, env, cloud.TrustSession(first))
	first.Put(ctx, env, cloud.Allow([]string{second.ARN}, "sts:AssumeRole", "sts:TagSession"))
	first.Tag(ctx, env, "team", "blue")
	cloud.Associate(ctx, env, "ns", "reader", first, cloud.InCluster("second"))
	session := cloud.AwaitSessionIn(ctx, env, "second", token("ns", "reader"))

	hop, err := session.Assume(ctx, second, map[string]string{"more": "tags"})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(hop.ARN).To(ContainSubstring(":assumed-role/" + second.Name + "/"))
	g.Expect(hop.PackedSize).To(BeNumerically(">", 0))
	_, err = hop.Assume(ctx, first, nil)
	g.Expect(err).To(BeRefusedWith("AccessDenied", 403))
	f.removeAll()
}

func TestRefusedSessionBlamesAWS(t *testing.T) {
	env, f := awsEnvironment(t, "")
	token := signer(t, env, "second")
	env.Timeouts.RoleVisible = 50 * time.Millisecond
	defer func() {
		message, _ := recover().(string)
		NewWithT(t).Expect(message).To(And(HavePrefix("blamed: "), ContainSubstring("ResourceNotFoundException"), ContainSubstring("in cluster second")))
		f.removeAll()
	}()
	cloud.AwaitSessionIn(t.Context(), env, "second", token("ns", "reader"))
	t.Error("a session without an association")
}

func TestConditionsAreAddedToACopy(t *testing.T) {
	g := NewWithT(t)
	plain := cloud.Allow([]string{"*"}, "s3:*")
	once := plain.When("StringEquals", "a", "1")
	twice := once.When("StringEquals", "b", "2", "3").When("Null", "c", "true")
	g.Expect(plain.Statement[0].Condition).To(BeEmpty())
	g.Expect(once.Statement[0].Condition).To(Equal(map[string]map[string][]string{"StringEquals": {"a": {"1"}}}))
	g.Expect(twice.Statement[0].Condition).To(Equal(map[string]map[string][]string{"StringEquals": {"a": {"1"}, "b": {"2", "3"}}, "Null": {"c": {"true"}}}))

	joined := cloud.Join(cloud.TrustPodIdentity(), cloud.TrustPodIdentity(), cloud.Deny([]string{"*"}, "s3:PutObject"))
	g.Expect(joined.Statement).To(HaveLen(3))
	g.Expect(joined.Statement[:2]).To(HaveEach(HaveField("Sid", BeEmpty())))
	g.Expect(joined.Statement[2].Effect).To(Equal("Deny"))
}

func TestUntaggedNamesEveryTag(t *testing.T) {
	env, f := awsEnvironment(t, "")
	bucket := cloud.NewBucket(t.Context(), env)
	statements := cloud.Untagged(bucket).Statement
	for i, tag := range cloud.SessionTags() {
		if s := statements[i]; s.Resource[0] != bucket.ARN()+"/"+cloud.UntaggedKey(tag) || s.Condition["Null"]["aws:PrincipalTag/"+tag][0] != "true" {
			t.Errorf("%s: %+v", tag, s)
		}
	}
	f.removeAll()
}
