package compat

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/podidentity/epi/clusters/emulator/emulatortest"
)

// protocol has the refusals of signatures that the services of one protocol share.
type protocol struct {
	noSignature, unknownKey, wrongSecret, noToken, otherToken, expired, skewed, alteredBody, otherRegion answer
}

var (
	// https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
	queryProtocol = protocol{
		noSignature: refused(403, "MissingAuthenticationToken"), unknownKey: refused(403, "InvalidClientTokenId"),
		wrongSecret: refused(403, "SignatureDoesNotMatch"), noToken: refused(403, "InvalidClientTokenId"),
		otherToken: refused(403, "InvalidClientTokenId"), expired: refused(403, "ExpiredToken"),
		skewed: refused(403, "SignatureDoesNotMatch"), alteredBody: refused(403, "SignatureDoesNotMatch"), otherRegion: refused(403, "SignatureDoesNotMatch"),
	}
	// https://docs.aws.amazon.com/eks/latest/APIReference/CommonErrors.html
	jsonProtocol = protocol{
		noSignature: refused(403, "MissingAuthenticationTokenException"), unknownKey: refused(403, "UnrecognizedClientException"),
		wrongSecret: refused(403, "InvalidSignatureException"), noToken: refused(403, "UnrecognizedClientException"),
		otherToken: refused(403, "UnrecognizedClientException"), expired: refused(403, "ExpiredTokenException"),
		skewed: refused(403, "InvalidSignatureException"), alteredBody: refused(403, "InvalidSignatureException"), otherRegion: refused(403, "InvalidSignatureException"),
	}
	// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
	s3Protocol = protocol{
		// S3 tells any caller that a bucket does not exist.
		noSignature: refused(404, "NoSuchBucket"), unknownKey: refused(403, "InvalidAccessKeyId"),
		wrongSecret: refused(403, "SignatureDoesNotMatch"), noToken: refused(403, "InvalidAccessKeyId"),
		otherToken: refused(400, "InvalidToken"), expired: refused(400, "ExpiredToken"),
		skewed: refused(403, "RequestTimeTooSkewed"), alteredBody: refused(400, "XAmzContentSHA256Mismatch"), otherRegion: refused(400, "AuthorizationHeaderMalformed"),
	}
)

// signatureCases send the same request to each service, signed in ways that must be refused.
func signatureCases() []testCase {
	var list []testCase
	for _, service := range []struct {
		request emulatortest.Request
		codes   protocol
	}{
		{emulatortest.Query("iam", "ListRoles", nil), queryProtocol},
		{emulatortest.Query("sts", "AssumeRole", map[string]string{"RoleArn": roleARN("any"), "RoleSessionName": "any"}), queryProtocol},
		{emulatortest.Request{Service: "eks", Method: http.MethodPost, Path: "/clusters/any/pod-identity-associations", Body: "{}"}, jsonProtocol},
		{emulatortest.Request{Service: "eks-auth", Method: http.MethodPost, Path: "/clusters/any/assume-role-for-pod-identity", Body: "{}"}, jsonProtocol},
		{emulatortest.Request{Service: "s3", Method: http.MethodPut, Path: "/any-bucket/key", Body: "x"}, s3Protocol},
	} {
		list = append(list, signaturesOf(service.request, service.codes)...)
	}
	return list
}

func signaturesOf(request emulatortest.Request, codes protocol) []testCase {
	name := func(input string, want answer, do func(context.Context, *fixture) error) testCase {
		return testCase{request.Service, anyOperation, input, want, do}
	}
	as := func(who func(*fixture) *emulatortest.Clients) func(context.Context, *fixture) error {
		return func(ctx context.Context, f *fixture) error { return f.Send(ctx, who(f), request) }
	}
	altered := func(change func(*emulatortest.Request)) func(context.Context, *fixture) error {
		return func(ctx context.Context, f *fixture) error {
			changed := request
			if request.Service == "s3" { // S3 reads a body only if the bucket exists
				changed.Path = "/" + *f.object() + "/key"
			}
			change(&changed)
			return f.Send(ctx, f.Admin(), changed)
		}
	}
	list := []testCase{
		name("an access key ID that does not exist", codes.unknownKey, as(func(f *fixture) *emulatortest.Clients { return f.As("AKIAEPINOSUCHKEY0000", "secret", "") })),
		name("a signature by another secret key", codes.wrongSecret, as(func(f *fixture) *emulatortest.Clients { return f.Forged() })),
		name("temporary credentials without their session token", codes.noToken, as(func(f *fixture) *emulatortest.Clients {
			c := f.credentials(emulatortest.TrustAccount)
			return f.As(c.key, c.secret, "")
		})),
		name("temporary credentials with a token that is not theirs", codes.otherToken, as(func(f *fixture) *emulatortest.Clients {
			c := f.credentials(emulatortest.TrustAccount)
			return f.As(c.key, c.secret, "another-token")
		})),
		name("temporary credentials after their expiry", codes.expired, as(func(f *fixture) *emulatortest.Clients {
			c := f.credentials(emulatortest.TrustAccount)
			f.SetClock(time.Hour + time.Second)
			return f.As(c.key, c.secret, c.token)
		})),
		name("a signature of 16 minutes ago", codes.skewed, altered(func(r *emulatortest.Request) { r.SignedAgo = 16 * time.Minute })),
		name("a signature of 16 minutes ahead", codes.skewed, altered(func(r *emulatortest.Request) { r.SignedAgo = -16 * time.Minute })),
		name("a body that is not the signed one", codes.alteredBody, altered(func(r *emulatortest.Request) { r.Payload = strings.Repeat("0", 64) })),
		name("a scope of another region", codes.otherRegion, altered(func(r *emulatortest.Request) { r.Region = "eu-central-1" })),
		name("a path that is not the signed one", codes.wrongSecret, altered(func(r *emulatortest.Request) {
			r.Tamper = func(out *http.Request) { out.URL.RawQuery = "more=1" }
		})),
	}
	// STS serves anonymous callers, and has this case among its operations. An unsigned request names no service, and by
	// its path it is a request to EKS.
	if request.Service == "sts" || request.Service == "eks-auth" {
		return list
	}
	return append(list, name("no signature", codes.noSignature, as(func(f *fixture) *emulatortest.Clients { return f.Anonymous() })))
}

// temporary credentials.
type temporary struct{ key, secret, token string }

// credentials are those of a session of a new role, f.Name, for one hour.
func (f *fixture) credentials(trust string) temporary {
	f.t.Helper()
	role, session := f.Role(f.Name, trust, ""), "session"
	out, err := f.Admin().STS.AssumeRole(f.t.Context(), &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: &session})
	f.must(err)
	return temporary{*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken}
}
