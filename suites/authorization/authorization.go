// Package authorization has the specs of policies on session tags (ABAC) and of the tags (TAG): what a pod's session is
// allowed to do.
package authorization

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	. "github.com/podidentity/epi/framework/matchers"
	. "github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/framework/workload"
)

const account = "aws-cli"

var _ = Describe("A pod whose role may use its own namespace's prefix", func() {
	It("downloads an object below it, byte for byte", Covers("ABAC-01"),
		SpecTimeout(3*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			bucket := cloud.NewBucket(ctx, env)
			namespace := workload.NewNamespace(ctx, env)
			workload.NewServiceAccount(ctx, env, namespace, account)
			role := cloud.NewRole(ctx, env, cloud.OwnPrefix(bucket))
			association := cloud.Associate(ctx, env, namespace, account, role)
			contents := []byte("An object of " + namespace + " \x00\r\n\xff, written by the administrator.\n")
			key := env.ClusterName + "/" + namespace + "/test.txt"
			bucket.Put(ctx, key, contents)
			workload.AwaitAssociation(ctx, env, association)

			By("starting a pod with the associated service account")
			pod := workload.Start(ctx, env, workload.NewPod(env, namespace, account))
			Eventually(pod.Caller).WithContext(ctx).Within(env.Timeouts.CredentialsWork).Should(BeSessionOf(role.Name))

			By("copying the object as aws s3 cp does")
			Eventually(pod.Download(bucket.Name, key)).WithContext(ctx).
				Within(env.Timeouts.CredentialsWork).Should(BeDownloadOf(contents))
		})

	It("is denied another namespace's prefix, with 403 on HeadObject", Covers("ABAC-02"),
		SpecTimeout(3*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			bucket := cloud.NewBucket(ctx, env)
			namespace := workload.NewNamespace(ctx, env)
			workload.NewServiceAccount(ctx, env, namespace, account)
			role := cloud.NewRole(ctx, env, cloud.OwnPrefix(bucket))
			association := cloud.Associate(ctx, env, namespace, account, role)
			own, other := env.ClusterName+"/"+namespace+"/test.txt", env.ClusterName+"/hoge/test.txt"
			bucket.Put(ctx, own, []byte("own"))
			bucket.Put(ctx, other, []byte("another's"))
			workload.AwaitAssociation(ctx, env, association)

			By("starting a pod for which the role's policy works")
			pod := workload.Start(ctx, env, workload.NewPod(env, namespace, account))
			Eventually(pod.Download(bucket.Name, own)).WithContext(ctx).
				Within(env.Timeouts.CredentialsWork).Should(BeDownloadOf([]byte("own")))

			By("copying an object below another namespace's prefix")
			Expect(pod.Download(bucket.Name, other)(ctx)).To(BeDenied("HeadObject"))
		})
})

var _ = Describe("A session", func() {
	It("carries the six tags of its pod", Covers("TAG-01"),
		SpecTimeout(3*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			bucket := cloud.NewBucket(ctx, env)
			namespace := workload.NewNamespace(ctx, env)
			workload.NewServiceAccount(ctx, env, namespace, account)
			role := cloud.NewRole(ctx, env, cloud.Allow(taggedResources(bucket), "s3:GetObject"))
			association := cloud.Associate(ctx, env, namespace, account, role)
			workload.AwaitAssociation(ctx, env, association)
			pod := workload.Start(ctx, env, workload.NewPod(env, namespace, account))

			By("putting an object under a key for each tag that only a session with the live value may read")
			tags := tagsOf(env, pod.Pod)
			for tag, value := range tags {
				bucket.Put(ctx, tag+"/"+value, []byte(tag))
				bucket.Put(ctx, tag+"/not-"+value, []byte(tag))
			}

			By("reading each of them in the pod")
			for tag, value := range tags {
				Eventually(pod.Download(bucket.Name, tag+"/"+value)).WithContext(ctx).Within(env.Timeouts.CredentialsWork).
					Should(BeDownloadOf([]byte(tag)), "session tag %s=%s", tag, value)
			}
			Expect(pod.Download(bucket.Name, "kubernetes-pod-uid/not-"+string(pod.Pod.UID))(ctx)).To(BeDenied("HeadObject"))
		})
})

// taggedResources are, for each session tag, the objects under the tag's name and the session's own value.
func taggedResources(bucket *cloud.Bucket) []string {
	var resources []string
	for _, tag := range cloud.SessionTags() {
		resources = append(resources, fmt.Sprintf("%s/%s/${aws:PrincipalTag/%s}", bucket.ARN(), tag, tag))
	}
	return resources
}
