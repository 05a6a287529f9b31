// Package ekstest has what tests of whole EKS environments need besides the emulator: a replacement for eksctl without its
// sleep, and an API server for clusters that no program creates.
package ekstest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	awseks "github.com/aws/aws-sdk-go-v2/service/eks"
	"sigs.k8s.io/yaml"

	"github.com/podidentity/epi/clusters/emulator/emulatortest"
)

// Templates is the variable with the folder of eksctl's templates, which are those of package cloudformation's tests.
const Templates = "EPI_EKS_TEST_TEMPLATES"

// Eksctl makes eksctl's calls with eksctl's templates, without its minutes of sleep.
func Eksctl(args []string) error {
	if len(args) == 1 && args[0] == "version" {
		fmt.Println("0.215.0")
		return nil
	}
	ctx := context.Background()
	var file string
	for n, arg := range args {
		if arg == "--config-file" {
			file = args[n+1]
		}
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var wanted struct {
		Metadata struct {
			Name string
			Tags map[string]string
		}
		Addons            []struct{ Name, Version string }
		IAM               struct{ ServiceRolePermissionsBoundary string }
		ManagedNodeGroups []struct{ Tags map[string]string }
	}
	if err := yaml.Unmarshal(data, &wanted); err != nil {
		return err
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	clients := emulatortest.NewClients(cfg)
	parts := []string{"cluster"}
	if args[1] == "nodegroup" {
		parts = nil
	}
	if len(wanted.ManagedNodeGroups) > 0 {
		parts = append(parts, "nodegroup-ng")
	}
	for _, part := range parts {
		// eksctl gives every stack the tags of metadata. A managed node group's stack gets the group's tags too, to which
		// eksctl adds those of metadata, so it has these twice.
		given := []map[string]string{wanted.Metadata.Tags}
		if part != "cluster" {
			group := map[string]string{}
			maps.Copy(group, wanted.ManagedNodeGroups[0].Tags)
			maps.Copy(group, wanted.Metadata.Tags)
			given = append(given, group)
		}
		var tags []cfntypes.Tag
		for _, some := range given {
			for key, value := range some {
				tags = append(tags, cfntypes.Tag{Key: &key, Value: &value})
			}
		}
		template, err := os.ReadFile(filepath.Join(os.Getenv(Templates), "eksctl-epi-cc-"+part+".json"))
		if err != nil {
			return err
		}
		text := strings.NewReplacer("us-east-1d", "us-west-2a", "us-east-1f", "us-west-2b", "epi-cc", wanted.Metadata.Name).Replace(string(template))
		var kept []string
		for line := range strings.Lines(text) {
			if !strings.Contains(line, `"PermissionsBoundary"`) || wanted.IAM.ServiceRolePermissionsBoundary != "" {
				kept = append(kept, line)
			}
		}
		text = strings.Join(kept, "")
		if part != "cluster" {
			out, err := clients.EC2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{})
			if err != nil || len(out.Subnets) < 2 {
				return fmt.Errorf("subnets: %v, %w", out, err)
			}
			text = strings.NewReplacer("subnet-8aa2a8d103aefc35d", *out.Subnets[0].SubnetId, "subnet-7b4653c9ef2261cae", *out.Subnets[1].SubnetId).Replace(text)
		}
		name := "eksctl-" + wanted.Metadata.Name + "-" + strings.Replace(part, "-ng", "-epi", 1)
		fmt.Printf("2026-11-28 02:00:00 [ℹ]  deploying stack %q\n", name)
		if _, err := clients.CloudFormation.CreateStack(ctx, &cloudformation.CreateStackInput{
			StackName: &name, TemplateBody: &text, Tags: tags, Capabilities: []cfntypes.Capability{cfntypes.CapabilityCapabilityIam},
		}); err != nil {
			return err
		}
		waiter := cloudformation.NewStackCreateCompleteWaiter(clients.CloudFormation, func(o *cloudformation.StackCreateCompleteWaiterOptions) {
			o.MinDelay, o.MaxDelay = 50*time.Millisecond, 50*time.Millisecond
		})
		if err := waiter.Wait(ctx, &cloudformation.DescribeStacksInput{StackName: &name}, time.Minute); err != nil {
			return err
		}
		if part == "cluster" {
			for _, addon := range wanted.Addons {
				input := &awseks.CreateAddonInput{ClusterName: &wanted.Metadata.Name, AddonName: &addon.Name, Tags: wanted.Metadata.Tags}
				if _, err := clients.EKS.CreateAddon(ctx, input); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// ServeKubernetes answers the requests that an API server gets without agent, webhook or pods.
func ServeKubernetes(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	answer := func(status int, body map[string]any) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body) // the caller may have closed the connection
	}
	switch path := r.URL.Path; {
	case path == "/version":
		answer(200, map[string]any{"major": "1", "minor": "36", "gitVersion": "v1.36.3-eks-0000000"})
	case strings.HasSuffix(path, "/selfsubjectaccessreviews"):
		answer(201, map[string]any{"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "status": map[string]any{"allowed": true}})
	case path == "/api/v1/nodes":
		answer(200, map[string]any{"kind": "NodeList", "apiVersion": "v1", "items": []any{map[string]any{"metadata": map[string]any{"name": "n"}, "spec": map[string]any{"providerID": "aws:///us-west-2a/i-0"}}}})
	case strings.HasSuffix(path, "/mutatingwebhookconfigurations"):
		answer(200, map[string]any{"kind": "MutatingWebhookConfigurationList", "apiVersion": "admissionregistration.k8s.io/v1", "items": []any{}})
	default:
		answer(404, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404})
	}
}
