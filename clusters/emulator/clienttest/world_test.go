package clienttest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/eksauth"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/podidentity/epi/clusters/emulator/emulatortest"
)

// The seed's names: a bucket with a file for each of two namespaces, and a policy that lets a session read the prefix of
// its own tags.
const (
	bucketName = "epi-clients"
	ownKey     = bucketName + "/default/test.txt"
	othersKey  = bucketName + "/hoge/test.txt"
	ownPolicy  = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*",
		"Resource":"arn:aws:s3:::` + bucketName + `/${aws:PrincipalTag/eks-cluster-name}/${aws:PrincipalTag/kubernetes-namespace}/*"}}`
	getPolicy = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::` + bucketName + `/*"}}`
)

// credentials of a caller, in the form that clients use.
type credentials struct {
	AccessKeyID     string `json:"accessKeyId"`
	SecretAccessKey string `json:"secretAccessKey"`
	SessionToken    string `json:"sessionToken,omitempty"`
}

// world is an emulator with the seed's objects.
type world struct {
	*emulatortest.Fixture
	// cluster and bucket have the same name. The service account "app" of namespace "default" has the role.
	cluster, bucket, roleARN string
	// taggedRole trusts the account and has the same policy. AssumeRole with tags gives the same permissions.
	taggedRole string
	// getter may get objects and may not list. nobody has no permissions. expired has an expired session. invalid has
	// another session's token.
	admin, getter, nobody, expired, invalid credentials
	// containerURL returns a pod's credentials for the token in tokenFile, as the agent does.
	containerURL, token, tokenFile string
	node                           *emulatortest.Clients
}

func newWorld(t *testing.T) *world {
	t.Helper()
	server := emulatortest.Start(t)
	f := server.Fixture(t, bucketName)
	w := &world{Fixture: f, cluster: f.Cluster(), bucket: f.Bucket()}
	f.Object(w.bucket, ownKey, "for default")
	f.Object(w.bucket, othersKey, "for hoge")
	w.roleARN = f.Role("epi-bucket-user", emulatortest.TrustPods, ownPolicy)
	w.taggedRole = f.Role("epi-tagged", emulatortest.TrustAccount, ownPolicy)
	f.Associate(w.cluster, "app", w.roleARN, nil)

	w.admin = retrieve(t, f.Admin())
	w.getter = retrieve(t, server.Fixture(t, "getter").User(getPolicy))
	w.nobody = retrieve(t, server.Fixture(t, "nobody").Unprivileged())
	// A session of 15 minutes that began almost 15 minutes ago ends at once. Clients sign by the real clock, and the
	// emulator's clock must not differ from it by more than that.
	server.SetClock(-14*time.Minute - 50*time.Second)
	w.expired = retrieve(t, f.Session(w.taggedRole, func(in *sts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(900) }))
	server.SetClock(11 * time.Second)
	w.invalid = w.expired
	w.invalid.SessionToken = "not-the-token-of-this-key"

	w.node = f.Node()
	w.token = f.Token("default", "app", nil)
	w.tokenFile = filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(w.tokenFile, []byte(w.token), 0o600); err != nil {
		t.Fatal(err)
	}
	agent := httptest.NewServer(http.HandlerFunc(w.containerCredentials))
	t.Cleanup(agent.Close)
	w.containerURL = agent.URL + "/v1/credentials"
	return w
}

func retrieve(t *testing.T, who *emulatortest.Clients) credentials {
	t.Helper()
	found, err := who.Config.Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return credentials{found.AccessKeyID, found.SecretAccessKey, found.SessionToken}
}

// as returns the clients of a caller.
func (w *world) as(who credentials) *emulatortest.Clients {
	return w.As(who.AccessKeyID, who.SecretAccessKey, who.SessionToken)
}

// containerCredentials does what the agent does: it exchanges the pod's token for credentials
// (https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html).
func (w *world) containerCredentials(response http.ResponseWriter, request *http.Request) {
	token := request.Header.Get("Authorization")
	out, err := w.node.EKSAuth.AssumeRoleForPodIdentity(request.Context(), &eksauth.AssumeRoleForPodIdentityInput{ClusterName: &w.cluster, Token: &token})
	if err != nil {
		http.Error(response, "no credentials for this token", statusOf(err))
		return
	}
	response.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(response).Encode(map[string]string{ // a client that closed the connection needs no answer
		"AccessKeyId": *out.Credentials.AccessKeyId, "SecretAccessKey": *out.Credentials.SecretAccessKey,
		"Token": *out.Credentials.SessionToken, "Expiration": out.Credentials.Expiration.UTC().Format(time.RFC3339),
	})
}

// wantCode checks the code and the status of a refusal; an empty code means success.
func wantCode(t *testing.T, err error, code string, status int) {
	t.Helper()
	if code == "" {
		if err != nil {
			t.Errorf("got %v", err)
		}
		return
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok || api.ErrorCode() != code || statusOf(err) != status {
		t.Errorf("got %v, want %s with %d", err, code, status)
	}
}

func statusOf(err error) int {
	if failure, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		return failure.HTTPStatusCode()
	}
	return 0
}

// require skips the test if a client is missing, or fails it if all clients are required.
func require(t *testing.T, missing error) {
	t.Helper()
	switch {
	case missing == nil:
	case os.Getenv(RequireVariable) == "1":
		t.Fatalf("%v (or go run ./clusters/emulator/clienttest/install)", missing)
	default:
		t.Skipf("%v (or go run ./clusters/emulator/clienttest/install); %s=1 makes this a failure", missing, RequireVariable)
	}
}

// fetch gets a URL without any AWS client.
func fetch(ctx context.Context, t *testing.T, w *world, url string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := w.HTTP.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	return response
}
