package cloud

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eksauth"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/framework"
)

// seeing is an HTTP client that records the address of a request and sends nothing.
type seeing struct{ host string }

var errNotSent = errors.New("not sent")

func (s *seeing) Do(request *http.Request) (*http.Response, error) {
	s.host = request.URL.Scheme + "://" + request.URL.Host
	return nil, errNotSent
}

// A request goes to the address of the SDK's own client, for every kind of setting
// (https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html,
// https://docs.aws.amazon.com/general/latest/gr/eks.html).
func TestRequestsGoWhereTheClientsGo(t *testing.T) {
	const mine = "http://127.0.0.1:4566"
	for name, row := range map[string]struct {
		environment, region string
		variables           map[string]string
		profile             string
		eks, auth           string
	}{
		"AWS's own":            {eks: "https://eks.us-east-1.amazonaws.com", auth: "https://eks-auth.us-east-1.api.aws"},
		"AWS's own, China":     {region: "cn-north-1", eks: "https://eks.cn-north-1.amazonaws.com.cn", auth: "https://eks-auth.cn-north-1.api.amazonwebservices.com.cn"},
		"the environment's":    {environment: mine, eks: mine, auth: mine},
		"with a slash":         {environment: mine + "/", eks: mine, auth: mine},
		"AWS_ENDPOINT_URL":     {variables: map[string]string{"AWS_ENDPOINT_URL": mine}, eks: mine, auth: mine},
		"AWS_ENDPOINT_URL_EKS": {variables: map[string]string{"AWS_ENDPOINT_URL_EKS": mine}, eks: mine, auth: "https://eks-auth.us-east-1.api.aws"},
		"AWS_ENDPOINT_URL_EKS_AUTH": {
			variables: map[string]string{"AWS_ENDPOINT_URL_EKS_AUTH": mine}, eks: "https://eks.us-east-1.amazonaws.com", auth: mine,
		},
		"one service elsewhere": {
			variables: map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_EKS": mine}, eks: mine, auth: "http://127.0.0.1:1",
		},
		"the profile's": {profile: "endpoint_url = " + mine, eks: mine, auth: mine},
		"variables that are to be ignored": {
			variables: map[string]string{"AWS_ENDPOINT_URL": mine, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
			eks:       "https://eks.us-east-1.amazonaws.com", auth: "https://eks-auth.us-east-1.api.aws",
		},
		"FIPS": {
			variables: map[string]string{"AWS_USE_FIPS_ENDPOINT": "true"}, eks: "https://fips.eks.us-east-1.amazonaws.com", auth: "https://eks-auth-fips.us-east-1.api.aws",
		},
		"dual-stack": {
			variables: map[string]string{"AWS_USE_DUALSTACK_ENDPOINT": "true"}, eks: "https://eks.us-east-1.api.aws", auth: "https://eks-auth.us-east-1.api.aws",
		},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			kubeconfig, profile := filepath.Join(folder, "kubeconfig"), filepath.Join(folder, "config")
			for file, data := range map[string]string{
				kubeconfig: `{"clusters":[{"name":"c","cluster":{"server":"http://127.0.0.1:1"}}],"contexts":[{"name":"c","context":{"cluster":"c"}}],"current-context":"c"}`,
				profile:    "[default]\n" + row.profile + "\n",
			} {
				if err := os.WriteFile(file, []byte(data), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for key, value := range map[string]string{
				"AWS_CONFIG_FILE": profile, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
				"AWS_SECRET_ACCESS_KEY": "secret", "AWS_ENDPOINT_URL": "", "AWS_PROFILE": "",
			} {
				t.Setenv(key, value)
			}
			for key, value := range row.variables {
				t.Setenv(key, value)
			}
			region := "us-east-1"
			if row.region != "" {
				region = row.region
			}
			env, err := framework.New(t.Context(), &clusters.Environment{
				Name: "epi", ClusterName: "epi", Region: region, AccountID: "123456789012", Kubeconfig: kubeconfig, AWS: clusters.AWS{EndpointURL: row.environment},
			}, framework.Options{})
			if err != nil {
				t.Fatal(err)
			}
			var sent seeing
			ask := map[string]func() error{
				"eks": func() error {
					_, err := env.EKS.ListClusters(t.Context(), &eks.ListClustersInput{}, func(o *eks.Options) { o.HTTPClient, o.RetryMaxAttempts = &sent, 1 })
					return err
				},
				"eks-auth": func() error {
					_, err := env.EKSAuth.AssumeRoleForPodIdentity(t.Context(), &eksauth.AssumeRoleForPodIdentityInput{
						ClusterName: aws.String("epi"), Token: aws.String("token"),
					}, func(o *eksauth.Options) { o.HTTPClient, o.RetryMaxAttempts = &sent, 1 })
					return err
				},
			}
			for service, want := range map[string]string{"eks": row.eks, "eks-auth": row.auth} {
				if err := ask[service](); !errors.Is(err, errNotSent) {
					t.Fatal(err)
				}
				got, err := endpoint(t.Context(), env, service)
				if err != nil || got != want || got != sent.host {
					t.Errorf("%s: got %q, %v; want %q; the SDK's client asks %q", service, got, err, want, sent.host)
				}
			}
		})
	}
}

func TestRequestsToOtherServicesAreRefused(t *testing.T) {
	if got, err := endpoint(t.Context(), &framework.Env{}, "s3"); err == nil {
		t.Errorf("got %q", got)
	}
}
