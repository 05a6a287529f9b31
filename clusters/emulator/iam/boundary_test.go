package iam_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/podidentity/epi/clusters/emulator/emulatortest"
)

// TestPermissionsBoundaryIsAConditionKey: a caller may act only on roles and users with a boundary. The actions with this
// key are in
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html.
func TestPermissionsBoundaryIsAConditionKey(t *testing.T) {
	f := emulatortest.Start(t).Fixture(t, "boundary")
	const (
		bound = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
		other = "arn:aws:iam::aws:policy/AdministratorAccess"
	)
	caller := f.User(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:*","Resource":"*",
		"Condition":{"StringEquals":{"iam:PermissionsBoundary":"` + bound + `"}}}}`).IAM
	admin, ctx := f.Admin().IAM, t.Context()
	for name, boundary := range map[string]*string{"bound": aws.String(bound), "other": aws.String(other), "none": nil} {
		if _, err := admin.CreateRole(ctx, &sdk.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(trustPods), PermissionsBoundary: boundary}); err != nil {
			t.Fatal(err)
		}
		if _, err := admin.CreateUser(ctx, &sdk.CreateUserInput{UserName: &name, PermissionsBoundary: boundary}); err != nil {
			t.Fatal(err)
		}
	}
	policy, document := aws.String(bound), aws.String(readObjects)
	for _, test := range []struct {
		name string
		do   func(ctx context.Context, name *string) error
		// never says that the action does not have the key.
		never bool
	}{
		{"AttachRolePolicy", func(ctx context.Context, name *string) error {
			_, err := caller.AttachRolePolicy(ctx, &sdk.AttachRolePolicyInput{RoleName: name, PolicyArn: policy})
			return err
		}, false},
		{"DetachRolePolicy", func(ctx context.Context, name *string) error {
			_, err := caller.DetachRolePolicy(ctx, &sdk.DetachRolePolicyInput{RoleName: name, PolicyArn: policy})
			return err
		}, false},
		{"PutRolePolicy", func(ctx context.Context, name *string) error {
			_, err := caller.PutRolePolicy(ctx, &sdk.PutRolePolicyInput{RoleName: name, PolicyName: name, PolicyDocument: document})
			return err
		}, false},
		{"DeleteRolePolicy", func(ctx context.Context, name *string) error {
			_, err := caller.DeleteRolePolicy(ctx, &sdk.DeleteRolePolicyInput{RoleName: name, PolicyName: name})
			return err
		}, false},
		{"AttachUserPolicy", func(ctx context.Context, name *string) error {
			_, err := caller.AttachUserPolicy(ctx, &sdk.AttachUserPolicyInput{UserName: name, PolicyArn: policy})
			return err
		}, false},
		{"DetachUserPolicy", func(ctx context.Context, name *string) error {
			_, err := caller.DetachUserPolicy(ctx, &sdk.DetachUserPolicyInput{UserName: name, PolicyArn: policy})
			return err
		}, false},
		{"PutUserPolicy", func(ctx context.Context, name *string) error {
			_, err := caller.PutUserPolicy(ctx, &sdk.PutUserPolicyInput{UserName: name, PolicyName: name, PolicyDocument: document})
			return err
		}, false},
		{"DeleteUserPolicy", func(ctx context.Context, name *string) error {
			_, err := caller.DeleteUserPolicy(ctx, &sdk.DeleteUserPolicyInput{UserName: name, PolicyName: name})
			return err
		}, false},
		{"UntagRole", func(ctx context.Context, name *string) error {
			_, err := caller.UntagRole(ctx, &sdk.UntagRoleInput{RoleName: name, TagKeys: []string{"a"}})
			return err
		}, true},
		{"GetRole", func(ctx context.Context, name *string) error {
			_, err := caller.GetRole(ctx, &sdk.GetRoleInput{RoleName: name})
			return err
		}, true},
		{"UpdateAssumeRolePolicy", func(ctx context.Context, name *string) error {
			_, err := caller.UpdateAssumeRolePolicy(ctx, &sdk.UpdateAssumeRolePolicyInput{RoleName: name, PolicyDocument: aws.String(trustPods)})
			return err
		}, true},
		{"DeleteRolePermissionsBoundary", func(ctx context.Context, name *string) error {
			_, err := caller.DeleteRolePermissionsBoundary(ctx, &sdk.DeleteRolePermissionsBoundaryInput{RoleName: name})
			return err
		}, false},
		{"DeleteUserPermissionsBoundary", func(ctx context.Context, name *string) error {
			_, err := caller.DeleteUserPermissionsBoundary(ctx, &sdk.DeleteUserPermissionsBoundaryInput{UserName: name})
			return err
		}, false},
	} {
		for _, name := range []string{"none", "other", "bound"} {
			err := test.do(ctx, &name)
			if name == "bound" && !test.never {
				wantError(t, err, "", 0)
				continue
			}
			if err == nil {
				t.Errorf("%s of %s is allowed", test.name, name)
				continue
			}
			wantError(t, err, "AccessDenied", 403)
		}
	}
	for boundary, code := range map[string]string{bound: "", other: "AccessDenied"} {
		_, err := caller.PutRolePermissionsBoundary(ctx, &sdk.PutRolePermissionsBoundaryInput{RoleName: aws.String("none"), PermissionsBoundary: &boundary})
		wantError(t, err, code, 403)
		_, err = caller.CreateRole(ctx, &sdk.CreateRoleInput{RoleName: aws.String("new"), AssumeRolePolicyDocument: aws.String(trustPods), PermissionsBoundary: &boundary})
		wantError(t, err, code, 403)
	}
	_, err := caller.CreateRole(ctx, &sdk.CreateRoleInput{RoleName: aws.String("newer"), AssumeRolePolicyDocument: aws.String(trustPods)})
	wantError(t, err, "AccessDenied", 403)
}
