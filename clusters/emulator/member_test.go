package emulator

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awseks "github.com/aws/aws-sdk-go-v2/service/eks"
)

// TestMemberEKS: a caller reaches the EKS of its own account, as with IAM. A member's administrator has the permission to
// list, and the list is empty.
func TestMemberEKS(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	own, err := w.admin().eks.ListClusters(ctx, &awseks.ListClustersInput{})
	if err != nil || len(own.Clusters) != 1 || own.Clusters[0] != clusterName {
		t.Fatalf("own clusters: %+v, %v", own, err)
	}
	member := w.member(t).eks
	list, err := member.ListClusters(ctx, &awseks.ListClustersInput{})
	if err != nil || len(list.Clusters) != 0 {
		t.Errorf("a member's clusters: %+v, %v", list, err)
	}
	if _, err := member.DescribeCluster(ctx, &awseks.DescribeClusterInput{Name: aws.String(clusterName)}); statusOf(err) != 404 {
		t.Errorf("the cluster, asked for by a member: %v", err)
	}
	versions, err := member.DescribeAddonVersions(ctx, &awseks.DescribeAddonVersionsInput{})
	if err != nil || len(versions.Addons) == 0 {
		t.Errorf("a member's offer of add-ons: %v", err)
	}
}
