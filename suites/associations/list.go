package associations

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	. "github.com/podidentity/epi/framework/matchers"
	. "github.com/podidentity/epi/framework/requirement"
)

var _ = Describe("The list of associations", func() {
	It("has those of a namespace, or of a service account, with few of their fields", Covers("ASC-07"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			role, namespace, other := cloud.NewRole(ctx, env), env.NewName(), env.NewName()
			reader := cloud.Associate(ctx, env, namespace, "reader", role)
			writer := cloud.Associate(ctx, env, namespace, "writer", role)
			elsewhere := cloud.Associate(ctx, env, other, "reader", role)

			Expect(listed(ctx, env, &eks.ListPodIdentityAssociationsInput{Namespace: &namespace})).To(ConsistOf(reader.ID, writer.ID))
			Expect(listed(ctx, env, &eks.ListPodIdentityAssociationsInput{Namespace: &namespace, ServiceAccount: aws.String("writer")})).To(ConsistOf(writer.ID))
			Expect(listed(ctx, env, &eks.ListPodIdentityAssociationsInput{ServiceAccount: aws.String("reader")})).To(
				And(ContainElements(reader.ID, elsewhere.ID), Not(ContainElement(writer.ID))))

			By("reading an entry")
			var list struct {
				Associations []map[string]json.RawMessage `json:"associations"`
			}
			Expect(send(ctx, env, http.MethodGet, "?namespace="+other, "").Decode(&list)).To(Succeed())
			Expect(list.Associations).To(HaveLen(1))
			entry := list.Associations[0]
			for _, member := range []string{"clusterName", "namespace", "serviceAccount", "associationArn", "associationId"} {
				Expect(entry).To(HaveKey(member))
			}
			for _, member := range []string{"roleArn", "targetRoleArn", "tags", "createdAt", "modifiedAt"} {
				Expect(entry).NotTo(HaveKey(member))
			}
		})

	It("comes in pages, each association once", Covers("ASC-07"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			role, namespace := cloud.NewRole(ctx, env), env.NewName()
			var made []string
			for _, name := range []string{"a", "b", "c", "d", "e"} {
				made = append(made, cloud.Associate(ctx, env, namespace, name, role).ID)
			}

			By("following nextToken, two at a time")
			var seen []string
			var sizes []int
			input := &eks.ListPodIdentityAssociationsInput{ClusterName: &env.ClusterName, Namespace: &namespace, MaxResults: aws.Int32(2)}
			for range made { // more pages than there can be
				page, err := env.EKS.ListPodIdentityAssociations(ctx, input)
				Expect(err).NotTo(HaveOccurred())
				for _, entry := range page.Associations {
					seen = append(seen, aws.ToString(entry.AssociationId))
				}
				sizes = append(sizes, len(page.Associations))
				if input.NextToken = page.NextToken; input.NextToken == nil {
					break
				}
			}
			Expect(seen).To(ConsistOf(made))
			Expect(sizes).To(HaveEach(BeNumerically("<=", 2)))

			By("asking for pages of one and of a hundred, then of none and of more")
			for _, size := range []int32{1, 100} {
				_, err := env.EKS.ListPodIdentityAssociations(ctx, &eks.ListPodIdentityAssociationsInput{ClusterName: &env.ClusterName, MaxResults: &size})
				Expect(err).NotTo(HaveOccurred(), "maxResults %d", size)
			}
			for _, size := range []int32{0, 101} {
				_, err := env.EKS.ListPodIdentityAssociations(ctx, &eks.ListPodIdentityAssociationsInput{ClusterName: &env.ClusterName, MaxResults: &size})
				Expect(err).To(BeRefusedWith("InvalidParameterException", http.StatusBadRequest), "maxResults %d", size)
			}
		})
})

// listed are the IDs in all pages of a list.
func listed(ctx SpecContext, env *framework.Env, input *eks.ListPodIdentityAssociationsInput) []string {
	input.ClusterName = &env.ClusterName
	var ids []string
	for pages := eks.NewListPodIdentityAssociationsPaginator(env.EKS, input); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		Expect(err).NotTo(HaveOccurred())
		for _, entry := range page.Associations {
			ids = append(ids, aws.ToString(entry.AssociationId))
		}
	}
	return ids
}
