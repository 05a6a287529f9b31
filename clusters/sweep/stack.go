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

// validationError is CloudFormation's code for what does not exist, among others.
const validationError = "ValidationError"

// stackName is the name in the ARN of a stack: arn:aws:cloudformation:REGION:ACCOUNT:stack/NAME/ID.
func stackName(arn string) string {
	parts := strings.Split(arn, "/")
	if len(parts) < 2 {
		return arn
	}
	return parts[1]
}

// stacks are identified by their ARN, which says also of a deleted one what became of it.
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
					// Of stacks, and of them alone, the list has the tags. A nested one goes with its parent.
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

// stack is what there is of a stack; nil if there is nothing.
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

// removeStacks removes stacks in rounds: those whose exports nobody imports, until there is no more to do.
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
			return err // those that are used by what is left cannot go either
		}
		list = later
	}
	return nil
}

// importers are the names of the stacks that import what a stack exports.
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
			// Of an export that nobody imports CloudFormation says that it is not imported, as an error.
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

// stackAttempts is how often a stack that could not be deleted is deleted again.
const stackAttempts = 4

// removeStack deletes a stack until it is gone. Before each attempt what others have put into its network
// goes: it is what deletions most often fail of.
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
			return false, nil // the deletion is accepted, and has not begun
		case attempts == stackAttempts:
			return false, fmt.Errorf("it is %s after %d attempts: %s", stack.StackStatus, attempts, s.whyStack(ctx, found.ID))
		}
		if err := s.clearNetwork(ctx, found.ID, progress); err != nil {
			return false, err
		}
		attempts++
		_, err = s.cloudFormation.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: &found.ID})
		if refusedAs(err, validationError) && strings.HasSuffix(string(stack.StackStatus), "_IN_PROGRESS") {
			attempts-- // something else is under way in it: it ends by itself
			return false, nil
		}
		requested = err == nil
		return false, err
	})
}

// whyStack is why the deletion of a stack failed, as far as its events tell.
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

// clearNetwork removes what others leave in the VPC of a stack, which its deletion would fail of: network
// interfaces that are attached to nothing, and security groups that EKS made for its clusters and did not
// take along. A VPC that is not the stack's own is not touched.
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
		return nil // its security group goes with it
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
			// One that is in use by now goes with what uses it.
			_, err := s.ec2.DeleteNetworkInterface(ctx, &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: &id})
			if ignore(err, "InvalidNetworkInterfaceID.NotFound", "InvalidParameterValue", "InvalidNetworkInterface.InUse") != nil {
				return fmt.Errorf("delete network interface %s: %w", id, err)
			}
		}
	}
	return nil
}

// removeGroups removes the security groups in the VPC that EKS's and GuardDuty's tags are on.
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
			// One that is still used goes at the next attempt.
			if ignore(err, "InvalidGroup.NotFound", "DependencyViolation") != nil {
				problems = append(problems, fmt.Errorf("delete security group %s: %w", id, err))
			}
		}
	}
	return errors.Join(problems...)
}
