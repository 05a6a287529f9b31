// Package cloud creates what a spec needs on the AWS side, and removes it again, with the same calls on the emulator and on
// AWS. A failure here is the harness's fault, and never the subject's.
package cloud

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/podidentity/epi/framework"
)

// policyVersion is the version of the policy language with variables.
const policyVersion = "2012-10-17"

// Document is an IAM policy document.
type Document struct {
	Version   string
	Statement []Statement
}

// Statement of a Document.
type Statement struct {
	Sid       string `json:",omitempty"`
	Effect    string
	Principal map[string]string `json:",omitempty"`
	Action    []string
	Resource  []string                       `json:",omitempty"`
	Condition map[string]map[string][]string `json:",omitempty"`
}

// Allow is a document that allows actions on resources.
func Allow(resources []string, actions ...string) Document {
	return Document{Version: policyVersion, Statement: []Statement{{Effect: "Allow", Action: actions, Resource: resources}}}
}

// OwnPrefix is the walkthrough's policy: everything on the objects of the bucket below the prefix of the session's own
// cluster and namespace.
func OwnPrefix(bucket *Bucket) Document {
	return Allow([]string{bucket.ARN() + "/${aws:PrincipalTag/eks-cluster-name}/${aws:PrincipalTag/kubernetes-namespace}/*"}, "s3:*")
}

// Role is an IAM role. ID is IAM's own, such as AROA…, which no other role ever has.
type Role struct {
	Name, ARN, ID string
	// iam is of an administrator of the role's account.
	iam *iam.Client
}

// NewRole creates a role that trusts Pod Identity, with the policies attached as managed ones.
func NewRole(ctx context.Context, env *framework.Env, policies ...Document) *Role {
	env.T.Helper()
	return NewRoleTrusting(ctx, env, TrustPodIdentity(), policies...)
}

// NewRoleTrusting is NewRole with another trust policy.
func NewRoleTrusting(ctx context.Context, env *framework.Env, trust Document, policies ...Document) *Role {
	env.T.Helper()
	return newRole(ctx, env, env.IAM, trust, policies)
}

// NewRoleElsewhere is NewRoleTrusting in the second account. It needs clusters.SecondAccount.
func NewRoleElsewhere(ctx context.Context, env *framework.Env, trust Document, policies ...Document) *Role {
	env.T.Helper()
	return newRole(ctx, env, Elsewhere(env).IAM, trust, policies)
}

func newRole(ctx context.Context, env *framework.Env, client *iam.Client, trust Document, policies []Document) *Role {
	env.T.Helper()
	name := env.NewName()
	created, err := client.CreateRole(ctx, &iam.CreateRoleInput{
		RoleName: &name, AssumeRolePolicyDocument: encode(trust),
		Description: aws.String("Made by epi for a conformance spec; safe to remove."),
	})
	if err != nil {
		env.T.Fatalf("create role %s: %v", name, err)
	}
	env.T.Cleanup("role "+name, func(ctx context.Context) error {
		_, err := client.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: &name})
		return ignoreMissing(err)
	})
	role := &Role{Name: name, ARN: aws.ToString(created.Role.Arn), ID: aws.ToString(created.Role.RoleId), iam: client}
	if env.Mutation == framework.RoleWithoutPolicy {
		return role
	}
	for _, document := range policies {
		role.attach(ctx, env, document)
	}
	return role
}

func (r *Role) attach(ctx context.Context, env *framework.Env, document Document) {
	env.T.Helper()
	name := env.NewName()
	created, err := r.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: &name, PolicyDocument: encode(document)})
	if err != nil {
		env.T.Fatalf("create policy %s: %v", name, err)
	}
	arn := created.Policy.Arn
	env.T.Cleanup("policy "+name, func(ctx context.Context) error {
		_, err := r.iam.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: arn})
		return ignoreMissing(err)
	})
	r.AttachManaged(ctx, env, aws.ToString(arn))
}

// AttachManaged attaches an existing managed policy, such as one of AWS's own.
func (r *Role) AttachManaged(ctx context.Context, env *framework.Env, arn string) {
	env.T.Helper()
	if _, err := r.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: &r.Name, PolicyArn: &arn}); err != nil {
		env.T.Fatalf("attach policy %s to role %s: %v", arn, r.Name, err)
	}
	env.T.Cleanup("attachment of policy "+arn, func(ctx context.Context) error {
		_, err := r.iam.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: &r.Name, PolicyArn: &arn})
		return ignoreMissing(err)
	})
}

// SetTrust replaces the trust policy.
func (r *Role) SetTrust(ctx context.Context, env *framework.Env, trust Document) {
	env.T.Helper()
	_, err := r.iam.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: &r.Name, PolicyDocument: encode(trust)})
	if err != nil {
		env.T.Fatalf("update trust policy of role %s: %v", r.Name, err)
	}
}

// Put sets the role's inline policy, and replaces an earlier one.
func (r *Role) Put(ctx context.Context, env *framework.Env, document Document) {
	env.T.Helper()
	if env.Mutation == framework.RoleWithoutPolicy {
		return
	}
	name := "inline"
	_, err := r.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &r.Name, PolicyName: &name, PolicyDocument: encode(document)})
	if err != nil {
		env.T.Fatalf("put inline policy of role %s: %v", r.Name, err)
	}
	env.T.Cleanup("inline policy of role "+r.Name, func(ctx context.Context) error {
		_, err := r.iam.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: &r.Name, PolicyName: &name})
		return ignoreMissing(err)
	})
}

func ignoreMissing(err error) error {
	if _, ok := errors.AsType[*iamtypes.NoSuchEntityException](err); ok {
		return nil
	}
	return err
}

// Text is the document as JSON.
func Text(document Document) string { return *encode(document) }

func encode(document Document) *string {
	data, err := json.Marshal(document)
	if err != nil {
		panic(err) // it has strings, lists and maps of strings
	}
	return aws.String(string(data))
}
