package compat

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// Templates of the cases. Names of exports contain the stack's name, so that cases do not conflict.
const (
	gatewayTemplate = "Resources: {G: {Type: 'AWS::EC2::InternetGateway'}}\nOutputs: {Id: {Value: !Ref G, Export: {Name: !Sub '${AWS::StackName}::Id'}}}"
	otherTemplate   = "Resources: {G: {Type: 'AWS::EC2::InternetGateway'}}\nOutputs: {Id: {Value: !Ref G, Export: {Name: !Sub '${AWS::StackName}::Id'}}, Name: {Value: !Ref 'AWS::StackName'}}"
	roleTemplate    = "Resources: {R: {Type: 'AWS::IAM::Role', Properties: {AssumeRolePolicyDocument: {Version: '2012-10-17', Statement: [{Effect: Allow, Principal: {Service: ec2.amazonaws.com}, Action: 'sts:AssumeRole'}]}}}}"
)

// stack creates a stack and waits for CREATE_COMPLETE.
func (f *fixture) stack() *string {
	f.t.Helper()
	c := f.Admin().CloudFormation
	f.must(last(c.CreateStack(f.t.Context(), &cloudformation.CreateStackInput{StackName: &f.Name, TemplateBody: aws.String(gatewayTemplate)})))
	f.undoStack(f.Name)
	f.must(cloudformation.NewStackCreateCompleteWaiter(c, func(o *cloudformation.StackCreateCompleteWaiterOptions) {
		o.MinDelay, o.MaxDelay = 50*time.Millisecond, 50*time.Millisecond
	}).Wait(f.t.Context(), &cloudformation.DescribeStacksInput{StackName: &f.Name}, time.Minute))
	return &f.Name
}

func (f *fixture) undoStack(name string) {
	c := f.Admin().CloudFormation
	f.cleanly(func(ctx context.Context) error {
		if _, err := c.UpdateTerminationProtection(ctx, &cloudformation.UpdateTerminationProtectionInput{StackName: &name, EnableTerminationProtection: aws.Bool(false)}); err != nil {
			return err
		}
		_, err := c.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: &name})
		if err != nil {
			return err
		}
		return cloudformation.NewStackDeleteCompleteWaiter(c, func(o *cloudformation.StackDeleteCompleteWaiterOptions) {
			o.MinDelay, o.MaxDelay = 50*time.Millisecond, 50*time.Millisecond
		}).Wait(ctx, &cloudformation.DescribeStacksInput{StackName: &name}, time.Minute)
	})
}

func (f *fixture) set(template string) *string {
	f.t.Helper()
	f.must(last(f.Admin().CloudFormation.CreateChangeSet(f.t.Context(), &cloudformation.CreateChangeSetInput{StackName: f.stack(), ChangeSetName: aws.String("set"), TemplateBody: &template})))
	return aws.String("set")
}

func cloudFormationCases() []testCase {
	denied, invalid := refused(403, "AccessDenied"), refused(400, "ValidationError")
	create := func(body string, change func(*cloudformation.CreateStackInput)) func(context.Context, *fixture) error {
		return func(ctx context.Context, f *fixture) error {
			in := &cloudformation.CreateStackInput{StackName: &f.Name, TemplateBody: &body}
			if change != nil {
				change(in)
			}
			f.undoStack(f.Name)
			return last(f.Admin().CloudFormation.CreateStack(ctx, in))
		}
	}
	return []testCase{
		{"cloudformation", anyOperation, "an operation that the emulator lacks", refused(400, "InvalidAction"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().CloudFormation.ListStackSets(ctx, &cloudformation.ListStackSetsInput{}))
		}},
		{"cloudformation", anyOperation, "a wrong secret", refused(403, "SignatureDoesNotMatch"), func(ctx context.Context, f *fixture) error {
			return last(f.Forged().CloudFormation.ListStacks(ctx, &cloudformation.ListStacksInput{}))
		}},
		{"cloudformation", "CreateStack", "a template in YAML", accepted, create(gatewayTemplate, nil)},
		{"cloudformation", "CreateStack", "a template in JSON", accepted, create(`{"Resources":{"G":{"Type":"AWS::EC2::InternetGateway"}}}`, nil)},
		{"cloudformation", "CreateStack", "an IAM role that is acknowledged", accepted, create(roleTemplate, func(in *cloudformation.CreateStackInput) {
			in.Capabilities = []types.Capability{types.CapabilityCapabilityIam}
		})},
		{"cloudformation", "CreateStack", "an IAM role that is not acknowledged", refused(400, "InsufficientCapabilitiesException"), create(roleTemplate, nil)},
		{"cloudformation", "CreateStack", "a type that the emulator lacks", invalid, create(`{"Resources":{"T":{"Type":"AWS::SNS::Topic"}}}`, nil)},
		{"cloudformation", "CreateStack", "a function that the emulator lacks", invalid, create(`{"Resources":{"G":{"Type":"AWS::EC2::InternetGateway","Properties":{"Tags":{"Fn::GetAZs":""}}}}}`, nil)},
		{"cloudformation", "CreateStack", "a reference to nothing", invalid, create(`{"Resources":{"G":{"Type":"AWS::EC2::InternetGateway","DependsOn":"H"}}}`, nil)},
		{"cloudformation", "CreateStack", "what is no template", invalid, create("Resources: [", nil)},
		{"cloudformation", "CreateStack", "a name that exists", refused(400, "AlreadyExistsException"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().CloudFormation.CreateStack(ctx, &cloudformation.CreateStackInput{StackName: f.stack(), TemplateBody: aws.String(gatewayTemplate)}))
		}},
		{"cloudformation", "CreateStack", "a caller without the permission", denied, func(ctx context.Context, f *fixture) error {
			return last(f.Unprivileged().CloudFormation.CreateStack(ctx, &cloudformation.CreateStackInput{StackName: &f.Name, TemplateBody: aws.String(gatewayTemplate)}))
		}},
		{"cloudformation", "UpdateStack", "another output", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().CloudFormation.UpdateStack(ctx, &cloudformation.UpdateStackInput{StackName: f.stack(), TemplateBody: aws.String(otherTemplate)}))
		}},
		{"cloudformation", "UpdateStack", "the same template", invalid, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().CloudFormation.UpdateStack(ctx, &cloudformation.UpdateStackInput{StackName: f.stack(), TemplateBody: aws.String(gatewayTemplate)}))
		}},
		{"cloudformation", "UpdateStack", "a stack that does not exist", invalid, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().CloudFormation.UpdateStack(ctx, &cloudformation.UpdateStackInput{StackName: &f.Name, TemplateBody: aws.String(gatewayTemplate)}))
		}},
		{"cloudformation", "DeleteStack", "a stack", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().CloudFormation.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: f.stack()}))
		}},
		{"cloudformation", "DeleteStack", "a stack that does not exist", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().CloudFormation.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: &f.Name}))
		}},
		{"cloudformation", "DeleteStack", "a protected stack", invalid, func(ctx context.Context, f *fixture) error {
			c, name := f.Admin().CloudFormation, f.stack()
			f.must(last(c.UpdateTerminationProtection(ctx, &cloudformation.UpdateTerminationProtectionInput{StackName: name, EnableTerminationProtection: aws.Bool(true)})))
			return last(c.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: name}))
		}},
		{"cloudformation", "DescribeStacks", "all", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().CloudFormation.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{}))
		}},
		{"cloudformation", "DescribeStacks", "a stack that does not exist", invalid, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().CloudFormation.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &f.Name}))
		}},
		{"cloudformation", "ListStacks", "by status", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().CloudFormation.ListStacks(ctx, &cloudformation.ListStacksInput{StackStatusFilter: []types.StackStatus{types.StackStatusCreateComplete}}))
		}},
		{"cloudformation", "ListStacks", "a caller without the permission", denied, func(ctx context.Context, f *fixture) error {
			return last(f.Unprivileged().CloudFormation.ListStacks(ctx, &cloudformation.ListStacksInput{}))
		}},
		{"cloudformation", "GetTemplate", "a stack", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().CloudFormation.GetTemplate(ctx, &cloudformation.GetTemplateInput{StackName: f.stack()}))
		}},
		{"cloudformation", "GetTemplate", "a stack that does not exist", invalid, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().CloudFormation.GetTemplate(ctx, &cloudformation.GetTemplateInput{StackName: &f.Name}))
		}},
		{"cloudformation", "DescribeStackEvents", "a stack", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().CloudFormation.DescribeStackEvents(ctx, &cloudformation.DescribeStackEventsInput{StackName: f.stack()}))
		}},
		{"cloudformation", "DescribeStackEvents", "a stack that does not exist", invalid, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().CloudFormation.DescribeStackEvents(ctx, &cloudformation.DescribeStackEventsInput{StackName: &f.Name}))
		}},
		{"cloudformation", "DescribeStackResource", "a resource", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().CloudFormation.DescribeStackResource(ctx, &cloudformation.DescribeStackResourceInput{StackName: f.stack(), LogicalResourceId: aws.String("G")}))
		}},
		{"cloudformation", "DescribeStackResource", "one that does not exist", invalid, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().CloudFormation.DescribeStackResource(ctx, &cloudformation.DescribeStackResourceInput{StackName: f.stack(), LogicalResourceId: aws.String("H")}))
		}},
		{"cloudformation", "DescribeStackResources", "a stack", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().CloudFormation.DescribeStackResources(ctx, &cloudformation.DescribeStackResourcesInput{StackName: f.stack()}))
		}},
		{"cloudformation", "DescribeStackResources", "a physical ID that no stack has", invalid, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().CloudFormation.DescribeStackResources(ctx, &cloudformation.DescribeStackResourcesInput{PhysicalResourceId: aws.String(noVPC)}))
		}},
		{"cloudformation", "ListStackResources", "a stack", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().CloudFormation.ListStackResources(ctx, &cloudformation.ListStackResourcesInput{StackName: f.stack()}))
		}},
		{"cloudformation", "ListStackResources", "a stack that does not exist", invalid, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().CloudFormation.ListStackResources(ctx, &cloudformation.ListStackResourcesInput{StackName: &f.Name}))
		}},
		{"cloudformation", "CreateChangeSet", "another template", accepted, func(ctx context.Context, f *fixture) error { f.set(otherTemplate); return nil }},
		{"cloudformation", "CreateChangeSet", "a stack that does not exist", invalid, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().CloudFormation.CreateChangeSet(ctx, &cloudformation.CreateChangeSetInput{StackName: &f.Name, ChangeSetName: aws.String("set"), TemplateBody: aws.String(gatewayTemplate)}))
		}},
		{"cloudformation", "DescribeChangeSet", "a change set", accepted, func(ctx context.Context, f *fixture) error {
			set := f.set(otherTemplate)
			return last(f.Admin().CloudFormation.DescribeChangeSet(ctx, &cloudformation.DescribeChangeSetInput{StackName: &f.Name, ChangeSetName: set}))
		}},
		{"cloudformation", "DescribeChangeSet", "one that does not exist", refused(404, "ChangeSetNotFound"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().CloudFormation.DescribeChangeSet(ctx, &cloudformation.DescribeChangeSetInput{StackName: f.stack(), ChangeSetName: aws.String("set")}))
		}},
		{"cloudformation", "ExecuteChangeSet", "a change set", accepted, func(ctx context.Context, f *fixture) error {
			set := f.set(otherTemplate)
			return last(f.Admin().CloudFormation.ExecuteChangeSet(ctx, &cloudformation.ExecuteChangeSetInput{StackName: &f.Name, ChangeSetName: set}))
		}},
		{"cloudformation", "ExecuteChangeSet", "one without changes", refused(400, "InvalidChangeSetStatus"), func(ctx context.Context, f *fixture) error {
			set := f.set(gatewayTemplate)
			return last(f.Admin().CloudFormation.ExecuteChangeSet(ctx, &cloudformation.ExecuteChangeSetInput{StackName: &f.Name, ChangeSetName: set}))
		}},
		{"cloudformation", "DeleteChangeSet", "a change set", accepted, func(ctx context.Context, f *fixture) error {
			set := f.set(otherTemplate)
			return last(f.Admin().CloudFormation.DeleteChangeSet(ctx, &cloudformation.DeleteChangeSetInput{StackName: &f.Name, ChangeSetName: set}))
		}},
		{"cloudformation", "DeleteChangeSet", "a stack that does not exist", invalid, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().CloudFormation.DeleteChangeSet(ctx, &cloudformation.DeleteChangeSetInput{StackName: &f.Name, ChangeSetName: aws.String("set")}))
		}},
		{"cloudformation", "ListExports", "all", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().CloudFormation.ListExports(ctx, &cloudformation.ListExportsInput{}))
		}},
		{"cloudformation", "ListExports", "a caller without the permission", denied, func(ctx context.Context, f *fixture) error {
			return last(f.Unprivileged().CloudFormation.ListExports(ctx, &cloudformation.ListExportsInput{}))
		}},
		{"cloudformation", "ListImports", "an export that another stack imports", accepted, func(ctx context.Context, f *fixture) error {
			c, name := f.Admin().CloudFormation, f.stack()
			body := "Resources: {G: {Type: 'AWS::EC2::InternetGateway', Properties: {Tags: [{Key: a, Value: !ImportValue '" + *name + "::Id'}]}}}"
			f.must(last(c.CreateStack(ctx, &cloudformation.CreateStackInput{StackName: aws.String(f.Name + "-b"), TemplateBody: &body})))
			f.undoStack(f.Name + "-b")
			return last(c.ListImports(ctx, &cloudformation.ListImportsInput{ExportName: aws.String(*name + "::Id")}))
		}},
		{"cloudformation", "ListImports", "an export that does not exist", invalid, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().CloudFormation.ListImports(ctx, &cloudformation.ListImportsInput{ExportName: &f.Name}))
		}},
		{"cloudformation", "UpdateTerminationProtection", "a stack", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().CloudFormation.UpdateTerminationProtection(ctx, &cloudformation.UpdateTerminationProtectionInput{StackName: f.stack(), EnableTerminationProtection: aws.Bool(true)}))
		}},
		{"cloudformation", "UpdateTerminationProtection", "a stack that does not exist", invalid, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().CloudFormation.UpdateTerminationProtection(ctx, &cloudformation.UpdateTerminationProtectionInput{StackName: &f.Name, EnableTerminationProtection: aws.Bool(true)}))
		}},
	}
}
