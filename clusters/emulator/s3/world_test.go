package s3_test

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	iamsdk "github.com/aws/aws-sdk-go-v2/service/iam"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/podidentity/epi/clusters/emulator/iam"
	"github.com/podidentity/epi/clusters/emulator/iam/iamtest"
	"github.com/podidentity/epi/clusters/emulator/s3"
	"github.com/podidentity/epi/clusters/emulator/s3/objects"
)

const trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"pods.eks.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"]}]}`

// member is a second account.
const member = "210987654321"

func serve(t testing.TB) *iamtest.Server {
	server, _ := serveHandler(t, s3.Options{})
	return server
}

// serveHandler also returns the handler.
func serveHandler(t testing.TB, options s3.Options) (*iamtest.Server, http.Handler) {
	var handler http.Handler
	server := iamtest.NewWith(t, iam.Options{Members: []string{member}, Now: options.Now}, func(accounts *iam.Accounts) map[string]iamtest.Service {
		options.Authorizer, options.Region = accounts, iamtest.Region
		var err error
		if handler, err = s3.NewHandler(options); err != nil {
			t.Fatal(err)
		}
		service := iamtest.Service{Handler: handler, Refuse: s3.WriteSignatureError, MaxBody: objects.MaxSize}
		return map[string]iamtest.Service{"s3": service, "": service, "iam": {Handler: accounts.Handler(), Refuse: iam.WriteSignatureError}}
	})
	return server, handler
}

func clientOf(config aws.Config) *sdk.Client {
	return sdk.NewFromConfig(config, func(o *sdk.Options) { o.UsePathStyle = true })
}

// setUp makes a bucket "b" with the seed's objects.
func setUp(t testing.TB) (*sdk.Client, *iamtest.Server) {
	t.Helper()
	server := serve(t)
	admin := clientOf(server.Admin())
	makeBucket(t, admin, "bucket")
	for _, key := range []string{"epi/default/test.txt", "epi/hoge/test.txt", "top.txt"} {
		put(t, admin, key, "text of "+key)
	}
	return admin, server
}

func makeBucket(t testing.TB, c *sdk.Client, name string) {
	t.Helper()
	_, err := c.CreateBucket(t.Context(), &sdk.CreateBucketInput{Bucket: &name, CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: iamtest.Region}})
	if err != nil {
		t.Fatal(err)
	}
}

func put(t testing.TB, c *sdk.Client, key, text string) {
	t.Helper()
	if _, err := c.PutObject(t.Context(), &sdk.PutObjectInput{Bucket: aws.String("bucket"), Key: &key, Body: strings.NewReader(text)}); err != nil {
		t.Fatal(err)
	}
}

// session makes a role with the policy and returns a client with its credentials.
func session(t testing.TB, server *iamtest.Server, policy string, tags map[string]string) *sdk.Client {
	t.Helper()
	roles := iamsdk.NewFromConfig(server.Admin())
	name := fmt.Sprintf("role-%x", sha256.Sum256([]byte(t.Name()+policy)))[:40]
	role, err := roles.CreateRole(t.Context(), &iamsdk.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(trust)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := roles.PutRolePolicy(t.Context(), &iamsdk.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("p"), PolicyDocument: &policy}); err != nil {
		t.Fatal(err)
	}
	issued, err := server.Accounts.IssueSession(t.Context(), iam.SessionInput{RoleARN: *role.Role.Arn, SessionName: "pod", Duration: time.Hour, Tags: tags})
	if err != nil {
		t.Fatal(err)
	}
	return clientOf(server.Config(issued.AccessKeyID, issued.SecretAccessKey, issued.SessionToken))
}

func allowing(actions, resource string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":[` + actions + `],"Resource":"` + resource + `"}]}`
}

// wantError checks code and HTTP status. An empty code expects success. A status alone is for HEAD.
func wantError(t *testing.T, err error, code string, status int) {
	t.Helper()
	if status == 0 {
		if err != nil {
			t.Fatalf("got %v", err)
		}
		return
	}
	response, ok := errors.AsType[*smithyhttp.ResponseError](err)
	if !ok || response.HTTPStatusCode() != status {
		t.Fatalf("got %v, want %s with %d", err, code, status)
	}
	if api, ok := errors.AsType[smithy.APIError](err); code != "" && (!ok || api.ErrorCode() != code) {
		t.Fatalf("got %v, want %s", err, code)
	}
}

func get(ctx context.Context, c *sdk.Client, key string) (string, error) {
	out, err := c.GetObject(ctx, &sdk.GetObjectInput{Bucket: aws.String("bucket"), Key: &key})
	if err != nil {
		return "", err
	}
	defer func() { _ = out.Body.Close() }()
	text, err := io.ReadAll(out.Body)
	return string(text), err
}

func head(ctx context.Context, c *sdk.Client, key string) error {
	_, err := c.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: aws.String("bucket"), Key: &key})
	return err
}

// raw sends a request that no SDK would send, signed by the administrator.
func raw(t *testing.T, server *iamtest.Server, method, target string, headers map[string]string) (int, string) {
	t.Helper()
	return rawAs(t, server, aws.Credentials{AccessKeyID: iamtest.AccessKeyID, SecretAccessKey: iamtest.SecretAccessKey}, method, target, headers)
}

func rawAs(t *testing.T, server *iamtest.Server, who aws.Credentials, method, target string, headers map[string]string) (int, string) {
	t.Helper()
	response, text := send(t, server, who, method, target, "", headers)
	return response.StatusCode, text
}

// rawBody sends a body with its MD5.
func rawBody(t *testing.T, server *iamtest.Server, method, target, body string, headers map[string]string) (int, string) {
	t.Helper()
	sum := md5.Sum([]byte(body))
	all := map[string]string{"Content-Md5": base64.StdEncoding.EncodeToString(sum[:])}
	maps.Copy(all, headers)
	response, text := send(t, server, aws.Credentials{AccessKeyID: iamtest.AccessKeyID, SecretAccessKey: iamtest.SecretAccessKey}, method, target, body, all)
	return response.StatusCode, text
}

// send sends a request and reads the answer. It signs the request unless who is nobody.
func send(t *testing.T, server *iamtest.Server, who aws.Credentials, method, target, body string, headers map[string]string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, server.URL+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256([]byte(body))
	r.Header.Set("Accept-Encoding", "identity") // otherwise the transport would decode content that is stored encoded
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	if host := headers["Host"]; host != "" {
		r.Host = host
		r.Header.Del("Host")
	}
	if who.AccessKeyID != "" {
		r.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(hash[:]))
		err = v4.NewSigner().SignHTTP(t.Context(), who, r, hex.EncodeToString(hash[:]), "s3", iamtest.Region, time.Now(), func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
		if err != nil {
			t.Fatal(err)
		}
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(text)
}
