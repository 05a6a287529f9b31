package compat

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/podidentity/epi/clusters/emulator/emulatortest"
)

// iamCases: https://docs.aws.amazon.com/IAM/latest/APIReference/.
func iamCases() []testCase {
	return slices.Concat(
		iamProtocolCases(), iamRoleCases(), iamRolePolicyCases(), iamPolicyCases(), iamUserCases(),
		iamBoundaryCases(), iamTagCases(), iamProfileCases(), iamProviderCases(),
	)
}

// iamCall is one call of a caller, after the fixture made the resources of the call.
type iamCall func(context.Context, *fixture, *iam.Client) error

// permitted returns two cases: the call is accepted for a caller with the permission, and refused for one without it.
func permitted(operation, input string, call iamCall) []testCase {
	return []testCase{
		{"iam", operation, input, accepted, func(ctx context.Context, f *fixture) error { return call(ctx, f, f.Admin().IAM) }},
		{"iam", operation, "a caller without the permission", refused(403, "AccessDenied"), func(ctx context.Context, f *fixture) error {
			return call(ctx, f, f.Unprivileged().IAM)
		}},
	}
}

// accepts and refuses return one case each, for a caller with all permissions.
func accepts(operation, input string, call iamCall) []testCase {
	return []testCase{{"iam", operation, input, accepted, func(ctx context.Context, f *fixture) error { return call(ctx, f, f.Admin().IAM) }}}
}

func refuses(status int, code, operation, input string, call iamCall) []testCase {
	return []testCase{{"iam", operation, input, refused(status, code), func(ctx context.Context, f *fixture) error { return call(ctx, f, f.Admin().IAM) }}}
}

// missing returns a case about something that does not exist.
func missing(operation, input string, call iamCall) []testCase {
	return refuses(404, "NoSuchEntity", operation, input, call)
}

// role creates a role that trusts pods and returns its name.
func (f *fixture) role() *string {
	f.t.Helper()
	f.Role(f.Name, trustPods, "")
	return &f.Name
}

// user creates a user and returns its name.
func (f *fixture) user() *string {
	f.t.Helper()
	f.must(last(f.Admin().IAM.CreateUser(f.t.Context(), &iam.CreateUserInput{UserName: &f.Name})))
	return &f.Name
}

// policy creates a managed policy with that many versions and returns its ARN.
func (f *fixture) policy(versions int) *string {
	f.t.Helper()
	admin, ctx := f.Admin().IAM, f.t.Context()
	out, err := admin.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: &f.Name, PolicyDocument: aws.String(allowAll)})
	f.must(err)
	for range versions - 1 {
		f.must(last(admin.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: out.Policy.Arn, PolicyDocument: aws.String(allowAll)})))
	}
	return out.Policy.Arn
}

// Documents that are refused, with the reason.
const (
	notJSON       = `{"Version":"2012-10-17",`
	noStatement   = `{"Version":"2012-10-17"}`
	noSuchVersion = `{"Version":"2013-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`
	noResource    = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*"}}`
)

// tooLong returns an identity policy with more than that many characters.
func tooLong(characters int) *string {
	return aws.String(strings.ReplaceAll(allowAll, `"Resource":"*"`, `"Resource":"arn:aws:s3:::`+strings.Repeat("x", characters)+`"`))
}

// iamProtocolCases apply to every operation.
func iamProtocolCases() []testCase {
	send := func(request emulatortest.Request) func(context.Context, *fixture) error {
		return func(ctx context.Context, f *fixture) error { return f.Send(ctx, f.Admin(), request) }
	}
	listRoles := func(change func(*emulatortest.Request)) func(context.Context, *fixture) error {
		request := emulatortest.Query("iam", "ListRoles", nil)
		change(&request)
		return send(request)
	}
	return []testCase{
		{"iam", anyOperation, "an action that does not exist", refused(400, "InvalidAction"), send(emulatortest.Query("iam", "MakeCoffee", nil))},
		{"iam", anyOperation, "an action of AWS that the emulator does not have", refused(400, "InvalidAction"), send(emulatortest.Query("iam", "CreateVirtualMFADevice", nil))},
		{"iam", anyOperation, "no action", refused(400, "MissingAction"), listRoles(func(r *emulatortest.Request) { r.Body = "Version=2010-05-08" })},
		{"iam", anyOperation, "an API version that does not exist", refused(400, "InvalidAction"), listRoles(func(r *emulatortest.Request) { r.Body = "Action=ListRoles&Version=2010-05-09" })},
		{"iam", anyOperation, "a parameter given twice", refused(400, "MalformedInput"), listRoles(func(r *emulatortest.Request) { r.Body += "&MaxItems=1&MaxItems=2" })},
		{"iam", anyOperation, "a form that cannot be decoded", refused(400, "MalformedInput"), listRoles(func(r *emulatortest.Request) { r.Body += "&MaxItems=%zz" })},
		{"iam", anyOperation, "a body that is not a form", refused(415, "MalformedInput"), listRoles(func(r *emulatortest.Request) { r.Header = http.Header{"Content-Type": {"application/json"}} })},
		{"iam", anyOperation, "a GET with the parameters in the query", accepted, send(emulatortest.Request{Service: "iam", Method: http.MethodGet, Path: "/?Action=ListRoles&Version=2010-05-08"})},
		{"iam", anyOperation, "a scope of us-east-1", accepted, listRoles(func(r *emulatortest.Request) { r.Region = "us-east-1" })},
	}
}
