package cloud_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eksauth"
	. "github.com/onsi/gomega"

	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/framework/cloud"
	. "github.com/podidentity/epi/framework/matchers"
)

func TestUnbackedClusterSignsTheGivenClaims(t *testing.T) {
	g := NewWithT(t)
	env, f := awsEnvironment(t, "")
	role := cloud.NewRole(t.Context(), env)
	cluster := cloud.NewUnbackedCluster(t.Context(), env, role)
	ask := func(changes map[string]any) error {
		_, err := env.EKSAuth.AssumeRoleForPodIdentity(t.Context(), &eksauth.AssumeRoleForPodIdentityInput{
			ClusterName: &cluster.Name, Token: aws.String(cluster.Token(env, changes)),
		})
		return err
	}
	g.Expect(ask(nil)).To(Succeed())
	g.Expect(ask(map[string]any{"exp": time.Now().Add(-time.Minute).Unix()})).To(BeRefusedWith("ExpiredTokenException", 400))
	g.Expect(ask(map[string]any{"kubernetes.io": nil})).To(BeRefusedWith("InvalidTokenException", 400))

	f.removeAll()
	g.Expect(ask(nil)).To(BeRefusedWith("ResourceNotFoundException", 404))
}

func TestFailOnceFailsOnce(t *testing.T) {
	g := NewWithT(t)
	env, f := awsEnvironment(t, "")
	cluster := cloud.NewUnbackedCluster(t.Context(), env, cloud.NewRole(t.Context(), env))
	session, err := cloud.AssumeForPod(t.Context(), env, cluster.Name, cluster.Token(env, nil))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(session.ARN).To(ContainSubstring(":assumed-role/"))

	cloud.FailOnce(t.Context(), env, cluster.Association, control.Refusal{Kind: control.Unavailable})
	ask := func() error {
		_, err := env.EKSAuth.AssumeRoleForPodIdentity(t.Context(), &eksauth.AssumeRoleForPodIdentityInput{
			ClusterName: &cluster.Name, Token: aws.String(cluster.Token(env, nil)),
		}, func(o *eksauth.Options) { o.Retryer = aws.NopRetryer{} })
		return err
	}
	g.Expect(ask()).To(BeRefusedWith("ServiceUnavailableException", 503))
	g.Expect(ask()).To(Succeed())
	f.removeAll()
}
