package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/miekg/dns"
)

var hostNames = regexp.MustCompile(`AWS's host names on https://(\S+), DNS on (\S+)\n$`)

// serveHosts runs serve with AWS's host names. It returns a client for them, whose network resolves every name to it, and
// the address of the DNS server.
func serveHosts(t *testing.T) (client *http.Client, resolver string) {
	t.Helper()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	p := start(t, "serve", "--listen", "127.0.0.1:0", "--control-listen", "", "--imds-listen", "",
		"--hosts-listen", "127.0.0.1:0", "--tls-ca-file", ca, "--dns-listen", "127.0.0.1:0", "--dns-answer", "192.0.2.7")
	var at string
	eventually(t, "the line that says where it listens", func() (bool, string) {
		if match := hostNames.FindStringSubmatch(p.out.String()); match != nil {
			at, resolver = match[1], match[2]
		}
		return at != "", p.out.String() + p.errOut.String()
	})
	trusted, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(trusted) {
		t.Fatal("the CA file is no PEM")
	}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, at)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}, resolver
}

// hostsConfig is that of clients that know no endpoint.
func hostsConfig(client *http.Client) aws.Config {
	return aws.Config{
		Region: "us-west-2", RetryMaxAttempts: 3, HTTPClient: client,
		Credentials: credentials.NewStaticCredentialsProvider(variables["EPI_EMULATOR_ACCESS_KEY_ID"], variables["EPI_EMULATOR_SECRET_ACCESS_KEY"], ""),
	}
}

func TestClientsThatKnowNoEndpoint(t *testing.T) {
	client, _ := serveHosts(t)
	ctx, config := t.Context(), hostsConfig(client)
	place := types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraintUsWest2}
	dual, fips := aws.DualStackEndpointStateEnabled, aws.FIPSEndpointStateEnabled
	for name, use := range map[string]func(*s3.Options){
		"virtual host": func(*s3.Options) {},
		"path":         func(o *s3.Options) { o.UsePathStyle = true },
		"dual-stack":   func(o *s3.Options) { o.EndpointOptions.UseDualStackEndpoint = dual },
		"FIPS":         func(o *s3.Options) { o.EndpointOptions.UseFIPSEndpoint = fips },
		"FIPS, dual-stack": func(o *s3.Options) {
			o.EndpointOptions.UseFIPSEndpoint, o.EndpointOptions.UseDualStackEndpoint = fips, dual
		},
	} {
		storage := s3.NewFromConfig(config, use)
		bucket := "b-" + strings.ToLower(strings.NewReplacer(" ", "-", ",", "").Replace(name))
		if _, err := storage.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket, CreateBucketConfiguration: &place}); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := storage.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("a/b.txt"), Body: strings.NewReader(name)}); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := storage.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: aws.String("a/b.txt")})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if body, err := io.ReadAll(got.Body); err != nil || string(body) != name {
			t.Errorf("%s: %q, %v", name, body, err)
		}
	}
	if _, err := sts.NewFromConfig(config).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}); err != nil {
		t.Error(err)
	}
	if _, err := sts.NewFromConfig(config, func(o *sts.Options) { o.EndpointOptions.UseFIPSEndpoint = fips }).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}); err != nil {
		t.Errorf("FIPS: %v", err)
	}
	global := config.Copy()
	global.Region = "us-east-1"
	global.BaseEndpoint = aws.String("https://sts.amazonaws.com")
	if _, err := sts.NewFromConfig(global).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}); err != nil {
		t.Errorf("global: %v", err)
	}
	if _, err := iam.NewFromConfig(config).ListRoles(ctx, &iam.ListRolesInput{}); err != nil {
		t.Error(err)
	}
	if _, err := eks.NewFromConfig(config, func(o *eks.Options) { o.EndpointOptions.UseDualStackEndpoint = dual }).ListClusters(ctx, &eks.ListClustersInput{}); err != nil {
		t.Error(err)
	}
}

// A service that is not served is refused at once by name, and the refusal cannot be taken for AWS's.
func TestHostsThatAreNotServed(t *testing.T) {
	client, _ := serveHosts(t)
	for _, row := range []struct{ host, media, says string }{
		{"dynamodb.us-west-2.amazonaws.com", "application/x-amz-json-1.0", `"__type":"ServiceNotEmulated"`},
		{"secretsmanager.us-west-2.amazonaws.com", "application/x-amz-json-1.1", "does not serve secretsmanager"},
		{"lambda.us-west-2.amazonaws.com", "application/json", "does not serve lambda"},
		{"sqs.us-west-2.amazonaws.com", "application/x-www-form-urlencoded", "<Code>ServiceNotEmulated</Code>"},
		{"bucket.s3-accelerate.amazonaws.com", "", "does not serve this host"},
		{"0123ABCD.gr7.us-west-2.eks.amazonaws.com", "", "does not serve this host"},
		{"123456789012.s3-control.us-west-2.amazonaws.com", "application/xml", "Nothing was sent to AWS"},
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+row.host+"/", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", row.media)
		response, err := client.Do(request)
		if err != nil {
			t.Errorf("%s: %v", row.host, err)
			continue
		}
		body, err := io.ReadAll(response.Body)
		if err = errors.Join(err, response.Body.Close()); err != nil || response.StatusCode != http.StatusMisdirectedRequest || !strings.Contains(string(body), row.says) {
			t.Errorf("%s: %s %s, %v", row.host, response.Status, body, err)
		}
	}
	// An unknown host has no certificate.
	if response, err := client.Get("https://example.com/"); err == nil {
		_ = response.Body.Close()
		t.Error("example.com was served")
	}
}

// An SDK shows this error to its user, and does not retry.
func TestWhatAnSDKMakesOfAHostThatIsNotServed(t *testing.T) {
	client, _ := serveHosts(t)
	config, asked := hostsConfig(client), 0
	config.BaseEndpoint = aws.String("https://iot.us-west-2.amazonaws.com")
	config.HTTPClient = counted{client, &asked}
	_, err := sts.NewFromConfig(config).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	refusal, ok := errors.AsType[smithy.APIError](err)
	if !ok || refusal.ErrorCode() != codeNotServed || !strings.Contains(refusal.ErrorMessage(), "does not serve iot") || asked != 1 {
		t.Errorf("%v, asked %d times", err, asked)
	}
}

type counted struct {
	*http.Client
	times *int
}

func (c counted) Do(r *http.Request) (*http.Response, error) {
	*c.times++
	return c.Client.Do(r)
}

func TestNamesLeadToTheEmulator(t *testing.T) {
	_, resolver := serveHosts(t)
	for _, name := range []string{"s3.amazonaws.com.", "a.b.s3.us-west-2.amazonaws.com.", "eks-auth.us-west-2.api.aws.", "dynamodb.cn-north-1.amazonaws.com.cn."} {
		for _, network := range []string{"udp", "tcp"} {
			client := dns.Client{Net: network}
			answer, _, err := client.Exchange(new(dns.Msg).SetQuestion(name, dns.TypeA), resolver)
			if err != nil || !slices.ContainsFunc(answer.Answer, func(rr dns.RR) bool { a, ok := rr.(*dns.A); return ok && a.A.String() == "192.0.2.7" }) {
				t.Errorf("%s over %s: %v, %v", name, network, answer, err)
			}
		}
	}
}
