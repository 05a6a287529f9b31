package eks

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awseks "github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
)

// TestDescribeCluster: fields of https://docs.aws.amazon.com/eks/latest/APIReference/API_Cluster.html
// that clients read: "aws eks update-kubeconfig" endpoint and certificate, Terraform's
// data source aws_eks_cluster and eksctl the others.
func TestDescribeCluster(t *testing.T) {
	f := newFixture(t)
	out, err := f.client.DescribeCluster(t.Context(), &awseks.DescribeClusterInput{Name: aws.String("blue")})
	if err != nil {
		t.Fatal(err)
	}
	c := out.Cluster
	if *c.Arn != blueARN || *c.Name != "blue" || *c.Version != "1.36" || c.Status != types.ClusterStatusActive ||
		*c.Endpoint != "https://10.0.0.1:6443" || *c.Identity.Oidc.Issuer != "https://issuer" || !c.CreatedAt.Equal(created) {
		t.Errorf("got %+v", c)
	}
	// kubeconfig's certificate-authority-data is Base64.
	if *c.CertificateAuthority.Data != "UEVN" || *c.PlatformVersion != "eks.1" || *c.DeletionProtection || c.Tags == nil {
		t.Errorf("got %+v", c)
	}
	if c.AccessConfig.AuthenticationMode != types.AuthenticationModeApi || c.UpgradePolicy.SupportType != types.SupportTypeExtended ||
		c.KubernetesNetworkConfig.IpFamily != types.IpFamilyIpv4 || *c.KubernetesNetworkConfig.ServiceIpv4Cidr != "10.96.0.0/16" {
		t.Errorf("got %+v", c)
	}
	if v := c.ResourcesVpcConfig; !v.EndpointPublicAccess || v.EndpointPrivateAccess || v.SubnetIds == nil || v.SecurityGroupIds == nil {
		t.Errorf("got %+v", v)
	}
}

// TestClusterOfWhichLittleIsKnown: a field whose value is not known is left out, and not empty.
func TestClusterOfWhichLittleIsKnown(t *testing.T) {
	f := newFixture(t)
	if err := f.service.RegisterCluster(Cluster{Name: "green", Issuer: "i", JWKS: jwks(), ServiceCIDR: "fd00::/108"}); err != nil {
		t.Fatal(err)
	}
	_, _, text := f.send(t, "GET", "/clusters/green", "")
	var answer struct{ Cluster map[string]any }
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		t.Fatal(err)
	}
	for _, absent := range []string{"version", "endpoint", "roleArn"} {
		if value, ok := answer.Cluster[absent]; ok {
			t.Errorf("%s is %v", absent, value)
		}
	}
	if got := fmt.Sprint(answer.Cluster["certificateAuthority"], answer.Cluster["kubernetesNetworkConfig"]); got != "map[] map[ipFamily:ipv6 serviceIpv6Cidr:fd00::/108]" {
		t.Errorf("got %s", got)
	}
}

func TestListClusters(t *testing.T) {
	f := newFixture(t)
	for _, name := range []string{"a", "C", "z-1"} {
		if err := f.service.RegisterCluster(Cluster{Name: name, Issuer: "i", JWKS: jwks()}); err != nil {
			t.Fatal(err)
		}
	}
	var sizes []int
	var names []string
	pages := awseks.NewListClustersPaginator(f.client, &awseks.ListClustersInput{MaxResults: aws.Int32(3), Include: []string{"all"}})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		sizes, names = append(sizes, len(page.Clusters)), append(names, page.Clusters...)
	}
	if !slices.Equal(sizes, []int{3, 1}) || !slices.Equal(names, []string{"C", "a", "blue", "z-1"}) {
		t.Errorf("got %v of %v", sizes, names)
	}
}
