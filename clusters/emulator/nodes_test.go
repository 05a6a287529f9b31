package emulator_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/podidentity/epi/clusters/emulator/emulatortest"
)

// A node of a node group is an instance. It gets the role of the group's instance profile from its metadata service, until
// that is turned off (https://docs.aws.amazon.com/eks/latest/userguide/create-node-role.html).
func TestNodesHaveTheirNodeGroupsRole(t *testing.T) {
	server := emulatortest.Start(t)
	f, ctx := server.Fixture(t, "nodes"), t.Context()
	admin := f.Admin()
	trust := func(service string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"` + service + `.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	vpc, err := admin.EC2.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})
	must(err)
	var subnets []string
	for zone, cidr := range map[string]string{"us-west-2a": "10.0.0.0/24", "us-west-2b": "10.0.1.0/24"} {
		subnet, err := admin.EC2.CreateSubnet(ctx, &ec2.CreateSubnetInput{VpcId: vpc.Vpc.VpcId, CidrBlock: &cidr, AvailabilityZone: &zone})
		must(err)
		subnets = append(subnets, *subnet.Subnet.SubnetId)
	}
	_, err = admin.EKS.CreateCluster(ctx, &eks.CreateClusterInput{
		Name: aws.String("nodes"), RoleArn: aws.String(f.Role("nodes-cluster", trust("eks"), "")), ResourcesVpcConfig: &types.VpcConfigRequest{SubnetIds: subnets},
	})
	must(err)
	soon := 50 * time.Millisecond
	must(eks.NewClusterActiveWaiter(admin.EKS, func(o *eks.ClusterActiveWaiterOptions) { o.MinDelay, o.MaxDelay = soon, soon }).
		Wait(ctx, &eks.DescribeClusterInput{Name: aws.String("nodes")}, time.Minute))
	_, err = admin.EKS.CreateNodegroup(ctx, &eks.CreateNodegroupInput{
		ClusterName: aws.String("nodes"), NodegroupName: aws.String("ng"), NodeRole: aws.String(f.Role("nodes-node", trust("ec2"), "")), Subnets: subnets,
	})
	must(err)
	must(eks.NewNodegroupActiveWaiter(admin.EKS, func(o *eks.NodegroupActiveWaiterOptions) { o.MinDelay, o.MaxDelay = soon, soon }).
		Wait(ctx, &eks.DescribeNodegroupInput{ClusterName: aws.String("nodes"), NodegroupName: aws.String("ng")}, time.Minute))
	described, err := admin.EC2.DescribeInstances(ctx, &ec2.DescribeInstancesInput{})
	must(err)
	node := described.Reservations[0].Instances[0]
	if node.IamInstanceProfile == nil || !strings.Contains(aws.ToString(node.IamInstanceProfile.Arn), ":instance-profile/eks-") {
		t.Fatalf("its profile is %+v", node.IamInstanceProfile)
	}

	ask := func(method, path, header, value string) (int, string) {
		r := httptest.NewRequest(method, path, nil)
		r.RemoteAddr = *node.PrivateIpAddress + ":40000"
		r.Header.Set(header, value)
		w := httptest.NewRecorder()
		server.Emulator.MetadataHandler().ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	_, token := ask(http.MethodPut, "/latest/api/token", "X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "60")
	get := func(path string) string {
		t.Helper()
		code, body := ask(http.MethodGet, "/latest/meta-data/"+path, "X-Aws-Ec2-Metadata-Token", token)
		if code != http.StatusOK {
			t.Errorf("%s: %d %s", path, code, body)
		}
		return body
	}
	if got := get("instance-id"); got != *node.InstanceId {
		t.Errorf("it is %s, and EC2 calls it %s", got, *node.InstanceId)
	}
	role := get("iam/security-credentials/")
	var given struct{ AccessKeyID, SecretAccessKey, Token string }
	must(json.Unmarshal([]byte(get("iam/security-credentials/"+role)), &given))
	caller, err := f.As(given.AccessKeyID, given.SecretAccessKey, given.Token).STS.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	must(err)
	if want := "arn:aws:sts::" + emulatortest.Account + ":assumed-role/nodes-node/" + *node.InstanceId; *caller.Arn != want {
		t.Errorf("it is %s, not %s", *caller.Arn, want)
	}

	_, err = admin.EC2.ModifyInstanceMetadataOptions(ctx, &ec2.ModifyInstanceMetadataOptionsInput{
		InstanceId: node.InstanceId, HttpEndpoint: ec2types.InstanceMetadataEndpointStateDisabled,
	})
	must(err)
	if code, _ := ask(http.MethodPut, "/latest/api/token", "X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "60"); code != http.StatusForbidden {
		t.Errorf("turned off: %d", code)
	}
}
