package sweep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/journal"
	"github.com/podidentity/epi/clusters/ownership"
)

// validationError is CloudFormation's code for something that does not exist, among other errors.
const validationError = "ValidationError"

// stackName is the name in the ARN of a stack: arn:aws:cloudformation:REGION:ACCOUNT:stack/NAME/ID.
func stackName(arn string) string {
	parts := strings.Split(arn, "/")
	if len(parts) < 2 {
		return arn
	}
	return parts[1]
}

// stacks are identified by their ARN, which also finds a deleted one.
func (s *Sweeper) stacks() kind {
	return kind{
		name: journal.Stack,
		list: func(ctx context.Context, _ Scope) ([]string, error) {
			var arns []string
			pages := cloudformation.NewDescribeStacksPaginator(s.cloudFormation, &cloudformation.DescribeStacksInput{})
			for pages.HasMorePages() {
				page, err := pages.NextPage(ctx)
				if err != nil {
					return nil, err
				}
				for _, stack := range page.Stacks {
					// The list has the tags of stacks only. A nested stack is removed with its parent.
					if stack.ParentId == nil && slices.ContainsFunc(stack.Tags, func(tag cfntypes.Tag) bool { return aws.ToString(tag.Key) == ownership.TagEnvironment }) {
						arns = append(arns, aws.ToString(stack.StackId))
					}
				}
			}
			return arns, nil
		},
		look: func(ctx context.Context, arn string) (*Found, map[string]string, error) {
			stack, err := s.stack(ctx, arn)
			if stack == nil || err != nil || stack.StackStatus == cfntypes.StackStatusDeleteComplete {
				return nil, nil, err
			}
			tags := map[string]string{}
			for _, tag := range stack.Tags {
				tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
			}
			return &Found{Created: aws.ToTime(stack.CreationTime), State: string(stack.StackStatus)}, tags, nil
		},
		remove: s.removeStack,
	}
}

// stack returns the stack; nil if it does not exist.
func (s *Sweeper) stack(ctx context.Context, arn string) (*cfntypes.Stack, error) {
	out, err := s.cloudFormation.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &arn})
	if err != nil {
		return nil, ignore(err, validationError)
	}
	if len(out.Stacks) == 0 {
		return nil, nil
	}
	return &out.Stacks[0], nil
}

// removeStacks removes stacks in rounds: in each round those whose exports are not imported, until none is left.
func (s *Sweeper) removeStacks(ctx context.Context, kind kind, list []Found, task clusters.Task) error {
	for len(list) > 0 {
		var now, later []Found
		var importers []string
		for _, found := range list {
			users, err := s.importers(ctx, found.ID)
			if err != nil {
				return fmt.Errorf("look who uses %s: %w", found, err)
			}
			if len(users) == 0 {
				now = append(now, found)
				continue
			}
			later, importers = append(later, found), append(importers, users...)
		}
		if len(now) == 0 {
			slices.Sort(importers)
			return fmt.Errorf("%s is used by stacks that are not to be removed: %s", later[0], strings.Join(slices.Compact(importers), ", "))
		}
		if err := s.removeEach(ctx, kind, now, task); err != nil {
			return err // stacks that the remaining ones use cannot be removed either
		}
		list = later
	}
	return nil
}

// importers are the names of the stacks that import a stack's exports.
func (s *Sweeper) importers(ctx context.Context, arn string) ([]string, error) {
	stack, err := s.stack(ctx, arn)
	if stack == nil || err != nil {
		return nil, err
	}
	var names []string
	for _, output := range stack.Outputs {
		if output.ExportName == nil {
			continue
		}
		out, err := s.cloudFormation.ListImports(ctx, &cloudformation.ListImportsInput{ExportName: output.ExportName})
		if err != nil {
			// CloudFormation returns an error for an export without importers.
			if ignore(err, validationError) != nil {
				return nil, err
			}
			continue
		}
		names = append(names, out.Imports...)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// stackAttempts is how often the deletion of a stack is repeated.
const stackAttempts = 4

// removeStack deletes a stack until it is gone. Before each attempt it removes what others have created in the stack's
// network, because that is the most common reason for a failure.
func (s *Sweeper) removeStack(ctx context.Context, found Found, progress func(string)) error {
	stack, err := s.stack(ctx, found.ID)
	if stack == nil || err != nil {
		return err
	}
	if aws.ToBool(stack.EnableTerminationProtection) {
		if _, err := s.cloudFormation.UpdateTerminationProtection(ctx, &cloudformation.UpdateTerminationProtectionInput{StackName: &found.ID, EnableTerminationProtection: aws.Bool(false)}); err != nil {
			return err
		}
	}
	attempts, requested := 0, false
	return s.wait(ctx, func(ctx context.Context) (bool, error) {
		stack, err := s.stack(ctx, found.ID)
		if err != nil {
			return false, err
		}
		if stack == nil || stack.StackStatus == cfntypes.StackStatusDeleteComplete {
			return true, nil
		}
		progress(string(stack.StackStatus))
		switch {
		case stack.StackStatus == cfntypes.StackStatusDeleteInProgress:
			return false, nil
		case stack.StackStatus != cfntypes.StackStatusDeleteFailed && requested:
			return false, nil // the deletion is accepted and has not begun
		case attempts == stackAttempts:
			return false, fmt.Errorf("it is %s after %d attempts: %s", stack.StackStatus, attempts, s.whyStack(ctx, found.ID))
		}
		if err := s.clearNetwork(ctx, found.ID, progress); err != nil {
			return false, err
		}
		attempts++
		_, err = s.cloudFormation.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: &found.ID})
		if refusedAs(err, validationError) && strings.HasSuffix(string(stack.StackStatus), "_IN_PROGRESS") {
			attempts-- // another operation is in progress, and ends by itself
			return false, nil
		}
		requested = err == nil
		return false, err
	})
}

// whyStack is the reason why the deletion of a stack failed, from its events.
func (s *Sweeper) whyStack(ctx context.Context, arn string) string {
	out, err := s.cloudFormation.DescribeStackEvents(ctx, &cloudformation.DescribeStackEventsInput{StackName: &arn})
	if err != nil {
		return err.Error()
	}
	for _, event := range out.StackEvents { // newest first
		if event.ResourceStatus == cfntypes.ResourceStatusDeleteFailed && aws.ToString(event.PhysicalResourceId) != arn {
			return aws.ToString(event.LogicalResourceId) + ": " + aws.ToString(event.ResourceStatusReason)
		}
	}
	return "its events do not say why"
}

// clearNetwork removes what others left in the VPC of a stack and what prevents its deletion: detached network interfaces,
// and security groups that EKS created for its clusters and did not remove. It does not change a VPC of another stack.
func (s *Sweeper) clearNetwork(ctx context.Context, arn string, progress func(string)) error {
	out, err := s.cloudFormation.DescribeStackResources(ctx, &cloudformation.DescribeStackResourcesInput{StackName: &arn})
	if err != nil {
		return ignore(err, validationError)
	}
	var vpc string
	own := map[string]bool{}
	clusterThere := false
	for _, resource := range out.StackResources {
		id := aws.ToString(resource.PhysicalResourceId)
		there := resource.ResourceStatus != cfntypes.ResourceStatusDeleteComplete && id != ""
		switch aws.ToString(resource.ResourceType) {
		case "AWS::EC2::VPC":
			if there {
				vpc = id
			}
		case "AWS::EC2::SecurityGroup":
			own[id] = true
		case "AWS::EKS::Cluster":
			clusterThere = clusterThere || there
		}
	}
	if vpc == "" {
		return nil
	}
	if err := s.removeInterfaces(ctx, vpc, progress); err != nil {
		return err
	}
	if clusterThere {
		return nil // its security group is removed with it
	}
	return s.removeGroups(ctx, vpc, own, progress)
}

func inVPC(vpc string) ec2types.Filter {
	return ec2types.Filter{Name: aws.String("vpc-id"), Values: []string{vpc}}
}

func (s *Sweeper) removeInterfaces(ctx context.Context, vpc string, progress func(string)) error {
	pages := ec2.NewDescribeNetworkInterfacesPaginator(s.ec2, &ec2.DescribeNetworkInterfacesInput{
		Filters: []ec2types.Filter{inVPC(vpc), {Name: aws.String("status"), Values: []string{"available"}}},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list network interfaces of %s: %w", vpc, err)
		}
		for _, found := range page.NetworkInterfaces {
			id := aws.ToString(found.NetworkInterfaceId)
			progress("deleting network interface " + id)
			// A resource that is in use now is removed with its user.
			_, err := s.ec2.DeleteNetworkInterface(ctx, &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: &id})
			if ignore(err, "InvalidNetworkInterfaceID.NotFound", "InvalidParameterValue", "InvalidNetworkInterface.InUse") != nil {
				return fmt.Errorf("delete network interface %s: %w", id, err)
			}
		}
	}
	return nil
}

// removeGroups removes the security groups in the VPC with EKS's and GuardDuty's tags.
func (s *Sweeper) removeGroups(ctx context.Context, vpc string, own map[string]bool, progress func(string)) error {
	pages := ec2.NewDescribeSecurityGroupsPaginator(s.ec2, &ec2.DescribeSecurityGroupsInput{Filters: []ec2types.Filter{inVPC(vpc)}})
	var problems []error
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list security groups of %s: %w", vpc, err)
		}
		for _, group := range page.SecurityGroups {
			id := aws.ToString(group.GroupId)
			made := slices.ContainsFunc(group.Tags, func(tag ec2types.Tag) bool {
				key := aws.ToString(tag.Key)
				return key == "aws:eks:cluster-name" || strings.HasPrefix(key, "kubernetes.io/cluster/") || key == "GuardDutyManaged"
			})
			if own[id] || !made || aws.ToString(group.GroupName) == "default" {
				continue
			}
			progress("deleting security group " + id)
			_, err := s.ec2.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: &id})
			// A group that is still in use is removed at the next attempt.
			if ignore(err, "InvalidGroup.NotFound", "DependencyViolation") != nil {
				problems = append(problems, fmt.Errorf("delete security group %s: %w", id, err))
			}
		}
	}
	return errors.Join(problems...)
}
