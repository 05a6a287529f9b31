package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

var awsOnly = regexp.MustCompile(`AWS on (https?://127\.0\.0\.1:\d+)\n$`)

// serveAWS runs serve with the AWS listener only. It returns the configuration of the administrator's clients, and a
// function that ends the program.
func serveAWS(t *testing.T, args ...string) (aws.Config, func()) {
	t.Helper()
	p := start(t, append([]string{"serve", "--listen", "127.0.0.1:0", "--control-listen", "", "--imds-listen", ""}, args...)...)
	var url string
	eventually(t, "the line that says where it listens", func() (bool, string) {
		if match := awsOnly.FindStringSubmatch(p.out.String()); match != nil {
			url = match[1]
		}
		return url != "", p.out.String() + p.errOut.String()
	})
	config := aws.Config{
		Region: "us-west-2", BaseEndpoint: &url, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(variables["EPI_EMULATOR_ACCESS_KEY_ID"], variables["EPI_EMULATOR_SECRET_ACCESS_KEY"], ""),
	}
	return config, func() {
		p.stop()
		code := <-p.code
		p.code <- code
		if code != 0 {
			t.Fatalf("ended with %d: %s", code, p.errOut.String())
		}
	}
}

func TestServeKeepsItsState(t *testing.T) {
	state := filepath.Join(t.TempDir(), "aws.db")
	jwks := filepath.Join(t.TempDir(), "jwks.json")
	if err := os.WriteFile(jwks, keySet(), 0o600); err != nil {
		t.Fatal(err)
	}
	const member = "arn:aws:iam::210987654321:role/OrganizationAccountAccessRole"
	config, stop := serveAWS(t, "--state", state, "--cluster", "name=blue,issuer=https://issuer,jwks="+jwks, "--member-account", "210987654321")
	const trust = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"pods.eks.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"]}}`
	role, err := iam.NewFromConfig(config).CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("reader"), AssumeRolePolicyDocument: aws.String(trust)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := eks.NewFromConfig(config).CreatePodIdentityAssociation(t.Context(), &eks.CreatePodIdentityAssociationInput{
		ClusterName: aws.String("blue"), Namespace: aws.String("default"), ServiceAccount: aws.String("app"), RoleArn: role.Role.Arn,
	}); err != nil {
		t.Fatal(err)
	}
	session, err := sts.NewFromConfig(config).AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: aws.String(member), RoleSessionName: aws.String("one")})
	if err != nil {
		t.Fatal(err)
	}
	stop()

	config, _ = serveAWS(t, "--state", state, "--member-account", "210987654321")
	if _, err := iam.NewFromConfig(config).GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("reader")}); err != nil {
		t.Errorf("role after the restart: %v", err)
	}
	list, err := eks.NewFromConfig(config).ListPodIdentityAssociations(t.Context(), &eks.ListPodIdentityAssociationsInput{ClusterName: aws.String("blue")})
	if err != nil || len(list.Associations) != 1 {
		t.Errorf("associations after the restart: %+v, %v", list, err)
	}
	config.Credentials = credentials.NewStaticCredentialsProvider(*session.Credentials.AccessKeyId, *session.Credentials.SecretAccessKey, *session.Credentials.SessionToken)
	if who, err := sts.NewFromConfig(config).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}); err != nil || *who.Account != "210987654321" {
		t.Errorf("session after the restart: %+v, %v", who, err)
	}
}

func TestServeOverTLS(t *testing.T) {
	folder := t.TempDir()
	ca, state := filepath.Join(folder, "ca.pem"), filepath.Join(folder, "aws.db")
	ask := func(config aws.Config, trusted []byte) error {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(trusted) {
			t.Fatal("the CA file is no PEM")
		}
		config.HTTPClient = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
		_, err := sts.NewFromConfig(config).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
		return err
	}
	config, stop := serveAWS(t, "--tls", "--tls-ca-file", ca, "--state", state)
	trusted, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	if err := ask(config, trusted); err != nil {
		t.Error(err)
	}
	stop()
	config, _ = serveAWS(t, "--tls", "--tls-ca-file", ca, "--state", state)
	if err := ask(config, trusted); err != nil {
		t.Errorf("the CA is another one after a restart: %v", err)
	}
	config, _ = serveAWS(t, "--tls", "--tls-ca-file", filepath.Join(folder, "other.pem"))
	if err := ask(config, trusted); err == nil {
		t.Error("the CA of another emulator is trusted")
	}
}

func TestServeRefusesWrongFlags(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "jwks.json")
	if err := os.WriteFile(file, keySet(), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, problem string
		code          int
		args          []string
	}{
		{"TLS without a CA file", "needs --tls-ca-file", 2, []string{"--tls"}},
		{"a CA file without TLS", "needs --tls", 2, []string{"--tls-ca-file", "x"}},
		{"host names without a CA file", "flag --hosts-listen: needs --tls-ca-file", 2, []string{"--hosts-listen", ":0"}},
		{"an answer without DNS", "needs --dns-listen", 2, []string{"--dns-answer", "192.0.2.1"}},
		{"an answer that is no address", "not an IPv4 address", 2, []string{"--dns-listen", ":0", "--dns-answer", "emulator"}},
		{"an answer of IPv6", "not an IPv4 address", 2, []string{"--dns-listen", ":0", "--dns-answer", "::1"}},
		{"a cluster without a name", `needs name=`, 2, []string{"--cluster", "issuer=https://issuer,jwks=" + file}},
		{"a cluster with a word", `"blue" is not key=value`, 2, []string{"--cluster", "blue"}},
		{"a cluster with an unknown key", `unknown key "keys"; known are name, issuer, jwks`, 2, []string{"--cluster", "name=a,keys=b"}},
		{"a cluster with a key twice", "given twice", 2, []string{"--cluster", "name=a,name=b,issuer=c"}},
		{"a cluster with a bad name", "flag --cluster", 2, []string{"--cluster", "name=-,issuer=https://issuer,jwks=" + file}},
		{"keys that are not there", "no such file", 1, []string{"--oidc-issuer", "issuer=https://issuer,jwks=" + file + "2"}},
		{"an issuer without itself", "needs issuer=", 2, []string{"--oidc-issuer", "jwks=" + file}},
		{"a member that is no account", "12 digits", 2, []string{"--member-account", "1"}},
		{"a member twice", "given twice", 2, []string{"--member-account", "123456789012"}},
		{"too long a delay", "propagation delay", 2, []string{"--iam-propagation-delay", "1h"}},
		{"a state that is a folder", "open state", 1, []string{"--state", folder}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			var out, errOut output
			args := append([]string{"serve", "--listen", "127.0.0.1:0", "--control-listen", "", "--imds-listen", ""}, test.args...)
			if code := run(ctx, args, lookup, &out, &errOut); code != test.code || !strings.Contains(errOut.String(), test.problem) {
				t.Errorf("code %d, %s", code, errOut.String())
			}
		})
	}
}
