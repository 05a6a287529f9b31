package emulator_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/podidentity/epi/clusters/emulator/emulatortest"
)

// keep keeps the body of the last answer.
type keep struct {
	http.RoundTripper
	body string
}

func (k *keep) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := k.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(response.Body)
	k.body = string(text)
	response.Body = io.NopCloser(strings.NewReader(k.body))
	return response, err
}

// TestLackingOperations: each service refuses an operation that AWS has and the emulator lacks as not implemented, and one
// that does not exist as unknown. Names of operations are those of the AWS SDK for Go.
func TestLackingOperations(t *testing.T) {
	server := emulatortest.Start(t)
	f := server.Fixture(t, "lacking")
	kept := &keep{RoundTripper: server.HTTP.Transport}
	server.HTTP = &http.Client{Transport: kept}
	const lacks = "AWS has it, the emulator does not"
	form := func(service, action, version string) emulatortest.Request {
		return emulatortest.Request{Service: service, Method: http.MethodPost, Path: "/", Body: "Action=" + action + "&Version=" + version,
			Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}}
	}
	for _, test := range []struct {
		name    string
		request emulatortest.Request
		says    string
	}{
		{"IAM", form("iam", "ListServerCertificates", "2010-05-08"), lacks},
		{"IAM", form("iam", "SimulatePrincipalPolicy", "2010-05-08"), lacks},
		{"IAM, no such operation", form("iam", "ListNonsense", "2010-05-08"), ""},
		{"STS", form("sts", "GetFederationToken", "2011-06-15"), lacks},
		{"STS, no such operation", form("sts", "GetNonsense", "2011-06-15"), ""},
		{"EC2", form("ec2", "DescribeSnapshots", "2016-11-15"), lacks},
		{"EC2", form("ec2", "CreateVolume", "2016-11-15"), lacks},
		{"EC2, no such operation", form("ec2", "DescribeNonsense", "2016-11-15"), ""},
		{"CloudFormation", form("cloudformation", "ListStackSets", "2010-05-15"), lacks},
		{"CloudFormation, no such operation", form("cloudformation", "ListNonsense", "2010-05-15"), ""},
		{"EKS", emulatortest.Request{Service: "eks", Method: http.MethodPost, Path: "/clusters/x/insights"}, "The emulator's EKS has no operation"},
		{"S3", emulatortest.Request{Service: "s3", Method: http.MethodGet, Path: "/" + f.Bucket() + "?inventory"}, "implies functionality that is not implemented"},
		{"DynamoDB", emulatortest.Request{Service: "dynamodb", Method: http.MethodPost, Path: "/"}, "epi's AWS emulator has no service dynamodb"},
	} {
		if err := f.Send(t.Context(), f.Admin(), test.request); err == nil {
			t.Errorf("%s: is served", test.name)
		}
		if !strings.Contains(kept.body, test.says) || test.says == "" && (strings.Contains(kept.body, lacks) || !strings.Contains(kept.body, "InvalidAction")) {
			t.Errorf("%s: %s", test.name, kept.body)
		}
	}
}
