package compat

import (
	"context"
	"maps"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"

	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/clusters/emulator/emulatortest"
	"github.com/podidentity/epi/clusters/emulator/faults"
)

// eksInputCases: https://docs.aws.amazon.com/eks/latest/APIReference/API_CreatePodIdentityAssociation.html
// and the pages of the other operations on associations and tags.
func eksInputCases() []testCase {
	created := func(input string, want answer, change func(f *fixture, in *eks.CreatePodIdentityAssociationInput)) testCase {
		return testCase{"eks", "CreatePodIdentityAssociation", input, want, func(ctx context.Context, f *fixture) error {
			in := f.createInput()
			change(f, in)
			return last(f.Admin().EKS.CreatePodIdentityAssociation(ctx, in))
		}}
	}
	updated := func(input string, want answer, change func(f *fixture, in *eks.UpdatePodIdentityAssociationInput)) testCase {
		return testCase{"eks", "UpdatePodIdentityAssociation", input, want, func(ctx context.Context, f *fixture) error {
			in := &eks.UpdatePodIdentityAssociationInput{ClusterName: &f.Name, AssociationId: f.association()}
			change(f, in)
			return last(f.Admin().EKS.UpdatePodIdentityAssociation(ctx, in))
		}}
	}
	listed := func(input string, want answer, change func(f *fixture, in *eks.ListPodIdentityAssociationsInput)) testCase {
		return testCase{"eks", "ListPodIdentityAssociations", input, want, func(ctx context.Context, f *fixture) error {
			in := &eks.ListPodIdentityAssociationsInput{ClusterName: aws.String(f.Cluster())}
			change(f, in)
			return last(f.Admin().EKS.ListPodIdentityAssociations(ctx, in))
		}}
	}
	faulty := func(input string, want answer, kind faults.Kind) testCase {
		return testCase{"eks", "DescribeCluster", input, want, func(ctx context.Context, f *fixture) error {
			name := f.Cluster()
			fault, err := f.Control.AddFault(ctx, control.Fault{Service: "eks", Operation: "DescribeCluster", Error: &control.Refusal{Kind: kind}})
			f.must(err)
			defer func() { f.must(f.Control.RemoveFault(ctx, fault.ID)) }()
			return last(f.Admin().EKS.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: &name}))
		}}
	}
	badParameter, badRequest := refused(400, "InvalidParameterException"), refused(400, "InvalidRequestException")
	return []testCase{
		faulty("a fault: throttling", refused(429, "ThrottlingException"), control.Throttling),
		faulty("a fault: internal", refused(500, "ServerException"), control.Internal),
		faulty("a fault: unavailable", refused(503, "ServiceUnavailableException"), control.Unavailable),
		faulty("a fault: access denied", refused(403, "AccessDeniedException"), faults.AccessDenied),
		{"eks", "DescribeCluster", "a caller whose policy asks for a tag that the cluster lacks", refused(403, "AccessDeniedException"), func(ctx context.Context, f *fixture) error {
			name := f.Cluster()
			who := f.User(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"eks:DescribeCluster","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"a"}}}}`)
			return last(who.EKS.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: &name}))
		}},

		created("a target role of another account, tags, no session tags and a policy", accepted, func(f *fixture, in *eks.CreatePodIdentityAssociationInput) {
			in.TargetRoleArn, in.Tags = aws.String("arn:aws:iam::999999999999:role/target"), map[string]string{"team": "a"}
			in.DisableSessionTags, in.Policy = aws.Bool(true), aws.String(emulatortest.AllowAll)
		}),
		created("a policy with session tags", badParameter, func(_ *fixture, in *eks.CreatePodIdentityAssociationInput) {
			in.Policy = aws.String(emulatortest.AllowAll)
		}),
		created("a policy that does not parse", badParameter, func(_ *fixture, in *eks.CreatePodIdentityAssociationInput) {
			in.DisableSessionTags, in.Policy = aws.Bool(true), aws.String(`{"Version":"2012-10-17"`)
		}),
		created("a role of another account", badParameter, func(_ *fixture, in *eks.CreatePodIdentityAssociationInput) {
			in.RoleArn = aws.String("arn:aws:iam::999999999999:role/x")
		}),
		created("a role that trusts another service", badParameter, func(f *fixture, in *eks.CreatePodIdentityAssociationInput) {
			in.RoleArn = aws.String(f.Role(f.Name+"-ec2", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}`, ""))
		}),
		created("a reserved tag", badParameter, func(_ *fixture, in *eks.CreatePodIdentityAssociationInput) {
			in.Tags = map[string]string{"aws:team": "a"}
		}),
		created("a namespace that Kubernetes refuses", badParameter, func(_ *fixture, in *eks.CreatePodIdentityAssociationInput) {
			in.Namespace = aws.String("a/b")
		}),
		created("a cluster that does not exist", refused(404, "ResourceNotFoundException"), func(f *fixture, in *eks.CreatePodIdentityAssociationInput) {
			in.ClusterName = aws.String(f.Name + "-other")
		}),
		created("a service account that has one", refused(409, "ResourceInUseException"), func(f *fixture, in *eks.CreatePodIdentityAssociationInput) {
			f.create(in)
			in.ClientRequestToken = nil // the client generates another one
		}),
		created("the token and parameters of an earlier request", accepted, func(f *fixture, in *eks.CreatePodIdentityAssociationInput) {
			in.ClientRequestToken = aws.String("token")
			f.create(in)
		}),
		created("the token of an earlier request with other parameters", badRequest, func(f *fixture, in *eks.CreatePodIdentityAssociationInput) {
			in.ClientRequestToken = aws.String("token")
			f.create(in)
			in.ServiceAccount = aws.String("other")
		}),
		{"eks", "CreatePodIdentityAssociation", "a caller who may not pass the role", refused(403, "AccessDeniedException"), func(ctx context.Context, f *fixture) error {
			in := f.createInput()
			return last(f.User(allow("eks:CreatePodIdentityAssociation")).EKS.CreatePodIdentityAssociation(ctx, in))
		}},
		{"eks", "CreatePodIdentityAssociation", "tags by a caller who may not tag", refused(403, "AccessDeniedException"), func(ctx context.Context, f *fixture) error {
			in := f.createInput()
			in.Tags = map[string]string{"team": "a"}
			return last(f.User(allow("eks:CreatePodIdentityAssociation", "iam:PassRole")).EKS.CreatePodIdentityAssociation(ctx, in))
		}},
		{"eks", "CreatePodIdentityAssociation", "a body that is no JSON", badRequest, func(ctx context.Context, f *fixture) error {
			return f.Send(ctx, f.Admin(), emulatortest.Request{Service: "eks", Method: "POST", Path: "/clusters/" + f.Cluster() + "/pod-identity-associations", Body: "{"})
		}},

		updated("another role", accepted, func(f *fixture, in *eks.UpdatePodIdentityAssociationInput) {
			in.RoleArn = aws.String(f.Role(f.Name+"-2", trustPods, ""))
		}),
		updated("a target role of another account", accepted, func(_ *fixture, in *eks.UpdatePodIdentityAssociationInput) {
			in.TargetRoleArn = aws.String("arn:aws:iam::999999999999:role/target")
		}),
		updated("nothing", badParameter, func(*fixture, *eks.UpdatePodIdentityAssociationInput) {}),
		updated("a role that does not exist", badParameter, func(f *fixture, in *eks.UpdatePodIdentityAssociationInput) {
			in.RoleArn = aws.String(roleARN(f.Name + "-gone"))
		}),
		updated("a policy with session tags", badParameter, func(_ *fixture, in *eks.UpdatePodIdentityAssociationInput) {
			in.Policy = aws.String(emulatortest.AllowAll)
		}),
		{"eks", "UpdatePodIdentityAssociation", "a caller who may not pass the role", refused(403, "AccessDeniedException"), func(ctx context.Context, f *fixture) error {
			return last(f.User(allow("eks:UpdatePodIdentityAssociation")).EKS.UpdatePodIdentityAssociation(ctx, &eks.UpdatePodIdentityAssociationInput{
				ClusterName: &f.Name, AssociationId: f.association(), RoleArn: aws.String(roleARN(f.Name)),
			}))
		}},
		{"eks", "DescribePodIdentityAssociation", "an ID of another length", badParameter, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.DescribePodIdentityAssociation(ctx, &eks.DescribePodIdentityAssociationInput{ClusterName: aws.String(f.Cluster()), AssociationId: aws.String("a-1")}))
		}},

		listed("filters by namespace and service account", accepted, func(_ *fixture, in *eks.ListPodIdentityAssociationsInput) {
			in.Namespace, in.ServiceAccount = aws.String("default"), aws.String("app")
		}),
		listed("101 results", badParameter, func(_ *fixture, in *eks.ListPodIdentityAssociationsInput) { in.MaxResults = aws.Int32(101) }),
		listed("a token that was made up", badParameter, func(_ *fixture, in *eks.ListPodIdentityAssociationsInput) {
			in.NextToken = aws.String("MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAx")
		}),
		{"eks", "ListClusters", "a token that was made up", badParameter, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.ListClusters(ctx, &eks.ListClustersInput{NextToken: aws.String("blue")}))
		}},
	}
}

// eksTagCases: https://docs.aws.amazon.com/eks/latest/APIReference/API_TagResource.html.
func eksTagCases() []testCase {
	const unknown = "arn:aws:eks:" + emulatortest.Region + ":" + emulatortest.Account + ":cluster/unknown"
	cluster := func(f *fixture) *string {
		f.t.Helper()
		return aws.String("arn:aws:eks:" + emulatortest.Region + ":" + emulatortest.Account + ":cluster/" + f.Cluster())
	}
	tags := map[string]string{"team": "a"}
	badRequest, notFound := refused(400, "BadRequestException"), refused(404, "NotFoundException")
	return []testCase{
		{"eks", "TagResource", "a cluster", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.TagResource(ctx, &eks.TagResourceInput{ResourceArn: cluster(f), Tags: tags}))
		}},
		{"eks", "TagResource", "an association", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.TagResource(ctx, &eks.TagResourceInput{ResourceArn: f.associationARN(), Tags: tags}))
		}},
		{"eks", "TagResource", "a reserved tag", badRequest, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.TagResource(ctx, &eks.TagResourceInput{ResourceArn: cluster(f), Tags: map[string]string{"aws:team": "a"}}))
		}},
		{"eks", "TagResource", "a cluster that does not exist", notFound, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.TagResource(ctx, &eks.TagResourceInput{ResourceArn: aws.String(unknown), Tags: tags}))
		}},
		{"eks", "TagResource", "a tag that the caller's policy does not allow", refused(403, "AccessDeniedException"), func(ctx context.Context, f *fixture) error {
			who := f.User(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"eks:TagResource","Resource":"*","Condition":{"StringEquals":{"aws:RequestTag/team":"b"}}}}`)
			return last(who.EKS.TagResource(ctx, &eks.TagResourceInput{ResourceArn: cluster(f), Tags: tags}))
		}},
		{"eks", "UntagResource", "an association", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.UntagResource(ctx, &eks.UntagResourceInput{ResourceArn: f.associationARN(), TagKeys: []string{"team", "missing"}}))
		}},
		{"eks", "UntagResource", "no keys", badRequest, func(ctx context.Context, f *fixture) error {
			return f.Send(ctx, f.Admin(), emulatortest.Request{Service: "eks", Method: "DELETE", Path: "/tags/" + url.PathEscape(*cluster(f))})
		}},
		{"eks", "UntagResource", "a cluster that does not exist", notFound, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.UntagResource(ctx, &eks.UntagResourceInput{ResourceArn: aws.String(unknown), TagKeys: []string{"team"}}))
		}},
		{"eks", "ListTagsForResource", "an association", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.ListTagsForResource(ctx, &eks.ListTagsForResourceInput{ResourceArn: f.associationARN()}))
		}},
		{"eks", "ListTagsForResource", "the ARN of a bucket", badRequest, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.ListTagsForResource(ctx, &eks.ListTagsForResourceInput{ResourceArn: aws.String("arn:aws:s3:::bucket")}))
		}},
		{"eks", "ListTagsForResource", "a cluster that does not exist", notFound, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().EKS.ListTagsForResource(ctx, &eks.ListTagsForResourceInput{ResourceArn: aws.String(unknown)}))
		}},
	}
}

// createInput is a valid input for a new cluster and a new role, both named f.Name.
func (f *fixture) createInput() *eks.CreatePodIdentityAssociationInput {
	f.t.Helper()
	return &eks.CreatePodIdentityAssociationInput{
		ClusterName: aws.String(f.Cluster()), Namespace: aws.String("default"), ServiceAccount: aws.String("app"),
		RoleArn: aws.String(f.Role(f.Name, trustPods, "")),
	}
}

// create sends a copy of in, because the client fills in missing members.
func (f *fixture) create(in *eks.CreatePodIdentityAssociationInput) *eks.CreatePodIdentityAssociationOutput {
	f.t.Helper()
	sent := *in
	sent.Tags = maps.Clone(in.Tags)
	out, err := f.Admin().EKS.CreatePodIdentityAssociation(f.t.Context(), &sent)
	f.must(err)
	return out
}

func (f *fixture) associationARN() *string {
	f.t.Helper()
	return f.create(f.createInput()).Association.AssociationArn
}

// allow returns a policy that allows these actions on everything.
func allow(actions ...string) string {
	return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["` + strings.Join(actions, `","`) + `"],"Resource":"*"}}`
}
