package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/google/go-containerregistry/pkg/name"
)

// The forms of what AWS names, by the documentation of the parameters:
// https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateCluster.html,
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html and
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-types.html#instance-type-names.
var (
	accountForm      = regexp.MustCompile(`^[0-9]{12}$`)
	regionForm       = regexp.MustCompile(`^[a-z]{2,}(-[a-z]+)+-[0-9]+$`)
	clusterForm      = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z_-]{0,99}$`)
	roleForm         = regexp.MustCompile(`^[\w+=,.@-]{1,64}$`)
	instanceTypeForm = regexp.MustCompile(`^[a-z0-9-]+\.[a-z0-9-]+$`)
	addonVersionForm = regexp.MustCompile(`^v[0-9]+\.[0-9]+\.[0-9]+(-eksbuild\.[0-9]+)?$`)
	policyForm       = regexp.MustCompile(`^policy/[\w+=,.@/-]+$`)
)

// checkForm returns an error if the value of a flag is neither empty nor of the form.
func checkForm(flag, value string, form *regexp.Regexp, want string) error {
	if value == "" || form.MatchString(value) {
		return nil
	}
	return fmt.Errorf("flag --%s: %q is not %s", flag, value, want)
}

func checkAccount(value string) error {
	return checkForm("account", value, accountForm, "an account of AWS, which has twelve digits")
}

func checkRegion(value string) error {
	return checkForm("region", value, regionForm, "the name of an AWS region such as us-east-1")
}

// checkEndpoint returns an error if the value of a flag is neither empty nor a URL of a server.
func checkEndpoint(flag, value string) error {
	if value == "" {
		return nil
	}
	at, err := url.Parse(value)
	if err == nil && (at.Scheme == "http" || at.Scheme == "https") && at.Hostname() != "" && at.RawQuery == "" && at.Fragment == "" {
		return nil
	}
	return fmt.Errorf("flag --%s: %q is not the URL of an endpoint; right is one such as https://eks.us-east-1.amazonaws.com", flag, value)
}

func checkBoundary(value string) error {
	parsed, err := arn.Parse(value)
	if value == "" || err == nil && parsed.Service == "iam" && policyForm.MatchString(parsed.Resource) {
		return nil
	}
	return fmt.Errorf("flag --permissions-boundary: %q is not the ARN of a policy; right is one such as arn:aws:iam::123456789012:policy/boundary", value)
}

func checkProbeImage(value string) error {
	if value == "" {
		return nil
	}
	if _, err := name.ParseReference(value); err != nil || strings.HasPrefix(value, "-") {
		return fmt.Errorf("flag --probe-image: %q is not the name of an image; right is one such as registry.example/epi-probe:v1", value)
	}
	return nil
}

// checkAWS returns every problem of the flags that name something of AWS: with a mistake in one, a cluster that costs
// money would be made before AWS refuses it.
func (f *environmentFlags) checkAWS() error {
	problems := []error{
		checkForm("cluster-name", f.existing.ClusterName, clusterForm, "a name of an EKS cluster: 1 to 100 letters, digits, '-' and '_', starting with a letter or digit"),
		checkRegion(f.existing.Region),
		checkEndpoint("aws-endpoint-url", f.existing.EndpointURL),
		checkEndpoint("pod-aws-endpoint-url", f.existing.PodEndpointURL),
		checkForm("node-role", f.existing.NodeRole, roleForm, "a name of an IAM role, which is no ARN"),
		checkBoundary(f.existing.PermissionsBoundary),
		checkProbeImage(f.existing.ProbeImage),
		checkAccount(f.eks.account),
		checkForm("agent-version", f.eks.agentVersion, addonVersionForm, "a version of an add-on; right is one such as v1.3.8-eksbuild.2"),
	}
	for _, instance := range f.eks.instanceTypes {
		problems = append(problems, checkForm("instance-types", cmp.Or(instance, " "), instanceTypeForm, "an instance type; right is one such as t3.medium"))
	}
	return errors.Join(problems...)
}
