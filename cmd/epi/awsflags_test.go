package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/podidentity/epi/clusters/eks"
)

// A mistake in what names something of AWS is found before anything is made that costs money.
func TestAWSFlags(t *testing.T) {
	for _, row := range []struct {
		flag, value string
		ok          bool
	}{
		{"region", "us-east-1", true}, {"region", "us-gov-west-1", true}, {"region", "ap-southeast-10", true}, {"region", "eusc-de-east-1", true},
		{"region", "us west 2", false}, {"region", "us_west_2", false}, {"region", "US-EAST-1", false}, {"region", "us-east-1a", false}, {"region", "us-east", false}, {"region", "us-east-1 ", false},
		{"cluster-name", "My_cluster-1", true}, {"cluster-name", "1", true}, {"cluster-name", strings.Repeat("c", 100), true},
		{"cluster-name", "a b", false}, {"cluster-name", "-a", false}, {"cluster-name", "a/b", false}, {"cluster-name", strings.Repeat("c", 101), false},
		{"aws-endpoint-url", "http://127.0.0.1:4566", true}, {"aws-endpoint-url", "https://vpce-1.eks.us-east-1.vpce.amazonaws.com/", true}, {"aws-endpoint-url", "http://[::1]:4566", true},
		{"aws-endpoint-url", "foo", false}, {"aws-endpoint-url", "127.0.0.1:4566", false}, {"aws-endpoint-url", "ftp://x", false}, {"aws-endpoint-url", "http://", false}, {"aws-endpoint-url", "http://x:port", false}, {"aws-endpoint-url", "http://x?y=z", false},
		{"pod-aws-endpoint-url", "http://10.0.0.2:4566", true}, {"pod-aws-endpoint-url", ":80", false},
		{"permissions-boundary", "arn:aws:iam::123456789012:policy/team/boundary", true}, {"permissions-boundary", "arn:aws-us-gov:iam::aws:policy/PowerUserAccess", true},
		{"permissions-boundary", "boundary", false}, {"permissions-boundary", "arn:aws:iam::123456789012:role/boundary", false}, {"permissions-boundary", "arn:aws:s3:::policy/x", false},
		{"node-role", "eksctl-x-NodeInstanceRole-1", true}, {"node-role", "a b", false}, {"node-role", "arn:aws:iam::123456789012:role/node", false},
		{"probe-image", "123456789012.dkr.ecr.us-east-1.amazonaws.com/epi-probe:v1", true}, {"probe-image", "localhost/epi-probe", true}, {"probe-image", "A B", false}, {"probe-image", "--privileged", false},
		{"account", "123456789012", true}, {"account", "12345678901", false}, {"account", "1234-5678-9012", false},
		{"agent-version", "v1.3.8-eksbuild.2", true}, {"agent-version", "v1.0.0", true}, {"agent-version", "latest", false}, {"agent-version", "1.3.8", false},
		{"instance-types", "t3.medium,m7i-flex.large", true}, {"instance-types", "u-6tb1.metal", true}, {"instance-types", "t3", false}, {"instance-types", "t3.medium,", false}, {"instance-types", "t3.medium; rm", false},
	} {
		var f environmentFlags
		var cmd cobra.Command
		f.register(&cmd)
		if err := cmd.ParseFlags([]string{"--provider", eks.Name, "--" + row.flag + "=" + row.value}); err != nil {
			t.Fatal(err)
		}
		err := f.checkAWS()
		if row.ok != (err == nil) || err != nil && (!strings.HasPrefix(err.Error(), "flag --"+row.flag+": ") || strings.Contains(err.Error(), "\n")) {
			t.Errorf("--%s=%q: %v", row.flag, row.value, err)
		}
	}
}
