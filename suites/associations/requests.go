package associations

import (
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

var _ = Describe("The association API", func() {
	It("has its five operations where it is documented to", Covers("ASC-01"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			role, namespace := cloud.NewRole(ctx, env), env.NewName()
			// On AWS a new role is refused for a moment.
			cloud.Associate(ctx, env, namespace, "first", role)
			body := `{"namespace": "` + namespace + `", "serviceAccount": "` + account + `", "roleArn": "` + role.ARN + `"}`

			var created struct {
				Association struct {
					ID string `json:"associationId"`
				} `json:"association"`
			}
			reply := send(ctx, env, http.MethodPost, "", body)
			Expect(reply).To(haveAssociation)
			Expect(reply.Decode(&created)).To(Succeed())
			cloud.RemoveAssociation(env, created.Association.ID)

			By("listing, describing and updating it")
			one := "/" + created.Association.ID
			list := send(ctx, env, http.MethodGet, "?namespace="+namespace, "")
			Expect(list.Status).To(Equal(http.StatusOK))
			Expect(list.Members()).To(HaveKeyWithValue("associations", "array"))
			Expect(send(ctx, env, http.MethodGet, one, "")).To(haveAssociation)
			Expect(send(ctx, env, http.MethodPost, one, `{"disableSessionTags": true}`)).To(haveAssociation)

			By("deleting it")
			Expect(send(ctx, env, http.MethodDelete, one, "")).To(haveAssociation)
			Expect(send(ctx, env, http.MethodGet, one, "").Status).To(Equal(http.StatusNotFound))
		})

	It("refuses what does not exist with ResourceNotFoundException", Covers("ASC-01"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			association := cloud.Associate(ctx, env, env.NewName(), account, cloud.NewRole(ctx, env))
			_, err := env.EKS.DescribePodIdentityAssociation(ctx, &eks.DescribePodIdentityAssociationInput{ClusterName: &env.ClusterName, AssociationId: &association.ID})
			Expect(err).NotTo(HaveOccurred(), "while it is there")
			gone := remove(ctx, env, association)
			nowhere := aws.String(env.ClusterName + "-unknown")
			notFound := BeRefusedWith("ResourceNotFoundException", http.StatusNotFound)

			_, err = env.EKS.DescribePodIdentityAssociation(ctx, &eks.DescribePodIdentityAssociationInput{ClusterName: &env.ClusterName, AssociationId: &gone})
			Expect(err).To(notFound)
			_, err = env.EKS.UpdatePodIdentityAssociation(ctx, &eks.UpdatePodIdentityAssociationInput{ClusterName: &env.ClusterName, AssociationId: &gone, DisableSessionTags: aws.Bool(true)})
			Expect(err).To(notFound)
			_, err = env.EKS.DeletePodIdentityAssociation(ctx, &eks.DeletePodIdentityAssociationInput{ClusterName: &env.ClusterName, AssociationId: &gone})
			Expect(err).To(notFound)

			By("asking for a cluster that does not exist")
			_, err = env.EKS.ListPodIdentityAssociations(ctx, &eks.ListPodIdentityAssociationsInput{ClusterName: nowhere})
			Expect(err).To(notFound)
			Expect(creating(ctx, env, func(in *eks.CreatePodIdentityAssociationInput) {
				in.ClusterName, in.RoleArn = nowhere, &association.Role.ARN
			})).To(notFound)
		})

	It("refuses parameters that cannot be with InvalidParameterException", Covers("ASC-01"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			role := cloud.NewRole(ctx, env)
			cloud.Associate(ctx, env, env.NewName(), account, role) // the same request, unchanged, is answered

			for what, change := range map[string]func(*eks.CreatePodIdentityAssociationInput){
				"no namespace":               func(in *eks.CreatePodIdentityAssociationInput) { in.Namespace = aws.String("") },
				"no service account":         func(in *eks.CreatePodIdentityAssociationInput) { in.ServiceAccount = aws.String("") },
				"a role that is no ARN":      func(in *eks.CreatePodIdentityAssociationInput) { in.RoleArn = &role.Name },
				"a role that does not exist": func(in *eks.CreatePodIdentityAssociationInput) { in.RoleArn = aws.String(role.ARN + "-unknown") },
			} {
				Expect(creating(ctx, env, func(in *eks.CreatePodIdentityAssociationInput) {
					in.RoleArn = &role.ARN
					change(in)
				})).To(BeRefusedWith("InvalidParameterException", http.StatusBadRequest), what)
			}
		})

	It("answers a repeated request to create with what the first one made", Covers("ASC-12"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			token := env.NewName()
			once := func(in *eks.CreatePodIdentityAssociationInput) { in.ClientRequestToken = &token }
			association := cloud.Associate(ctx, env, env.NewName(), account, cloud.NewRole(ctx, env), once)

			again, err := env.EKS.CreatePodIdentityAssociation(ctx, &eks.CreatePodIdentityAssociationInput{
				ClusterName: &env.ClusterName, Namespace: &association.Namespace, ServiceAccount: &association.ServiceAccount,
				RoleArn: &association.Role.ARN, ClientRequestToken: &token,
			})

			Expect(err).NotTo(HaveOccurred())
			Expect(again.Association.AssociationId).To(HaveValue(Equal(association.ID)))
		})
})
