package clienttest

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/podidentity/epi/clusters/emulator/emulatortest"
)

// cli is an AWS CLI that uses a world.
type cli struct {
	*world
	program   string
	variables []string
}

// cliConfiguration: version 1 presigns for this region with Signature Version 2 by default.
const cliConfiguration = "[default]\nregion = " + emulatortest.Region + "\ns3 =\n  signature_version = s3v4\n"

// newCLI starts a world for a program.
func newCLI(t *testing.T, program string) *cli {
	t.Helper()
	w := newWorld(t)
	variables := append(w.environment(t), "AWS_CONFIG_FILE="+write(t, "config", []byte(cliConfiguration)))
	return &cli{w, program, variables}
}

// result is the output of one command and its end.
type result struct {
	command, stdout, stderr string
	ok                      bool
}

// as runs a command as a caller.
func (c *cli) as(t *testing.T, who credentials, args ...string) result {
	t.Helper()
	variables := []string{"AWS_ACCESS_KEY_ID=" + who.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + who.SecretAccessKey}
	if who.SessionToken != "" {
		variables = append(variables, "AWS_SESSION_TOKEN="+who.SessionToken)
	}
	return c.run(t, variables, args...)
}

func (c *cli) run(t *testing.T, variables []string, args ...string) result {
	t.Helper()
	command := exec.CommandContext(t.Context(), c.program, append([]string{"--endpoint-url", c.URL, "--output", "json"}, args...)...)
	command.Env = append(append([]string{}, c.variables...), variables...)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		t.Fatalf("run %s: %v", c.program, err)
	}
	return result{"aws " + strings.Join(args, " "), stdout.String(), stderr.String(), err == nil}
}

// succeed runs a command as the administrator and returns what it printed.
func (c *cli) succeed(t *testing.T, args ...string) string {
	t.Helper()
	return c.as(t, c.admin, args...).succeeded(t)
}

func (r result) succeeded(t *testing.T) string {
	t.Helper()
	if !r.ok {
		t.Fatalf("%s: %s", r.command, r.stderr)
	}
	return r.stdout
}

// refused checks the error code that the CLI prints.
func (r result) refused(t *testing.T, code string) {
	t.Helper()
	if r.ok || !strings.Contains(r.stderr, "("+code+")") {
		t.Errorf("%s: got %q %q, want %s", r.command, r.stdout, r.stderr, code)
	}
}

// decode reads the output of a command.
func decode(t *testing.T, output string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(output), into); err != nil {
		t.Fatalf("read %q: %v", output, err)
	}
}

func TestDebianCLI(t *testing.T) {
	t.Parallel()
	program, err := FindDebianCLI()
	require(t, err)
	c := newCLI(t, program)
	for name, test := range map[string]func(*testing.T, *cli){
		"iam": cliIAM, "sts": cliSTS, "s3": cliS3, "s3 multipart": cliMultipart, "s3 decisions": cliDecisions, "s3api": cliS3API,
		"s3api versions": cliVersions, "s3api tags": cliTags, "credentials": cliContainerCredentials,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, c)
		})
	}
}

// TestOtherCLI is for a newer CLI, which has EKS Pod Identity.
func TestOtherCLI(t *testing.T) {
	t.Parallel()
	program, err := FindOtherCLI()
	if err != nil {
		t.Skip(err) // a second CLI is not required
	}
	c := newCLI(t, program)
	for name, test := range map[string]func(*testing.T, *cli){
		"eks": cliEKS, "s3 multipart": cliMultipart, "s3 decisions": cliDecisions, "credentials": cliContainerCredentials,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, c)
		})
	}
}

func cliIAM(t *testing.T, c *cli) {
	var role struct{ Role struct{ Arn string } }
	decode(t, c.succeed(t, "iam", "create-role", "--role-name", "cli", "--assume-role-policy-document", emulatortest.TrustPods), &role)
	if role.Role.Arn != "arn:aws:iam::123456789012:role/cli" {
		t.Errorf("role %+v", role)
	}
	c.succeed(t, "iam", "put-role-policy", "--role-name", "cli", "--policy-name", "own", "--policy-document", ownPolicy)
	const attached = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
	c.succeed(t, "iam", "attach-role-policy", "--role-name", "cli", "--policy-arn", attached)
	var names []string
	decode(t, c.succeed(t, "iam", "list-roles", "--query", "Roles[].RoleName", "--page-size", "1"), &names)
	if got := strings.Join(names, " "); got != "cli epi-bucket-user epi-node epi-tagged" {
		t.Errorf("roles %s", got)
	}
	c.as(t, c.admin, "iam", "delete-role", "--role-name", "cli").refused(t, "DeleteConflict")
	c.succeed(t, "iam", "detach-role-policy", "--role-name", "cli", "--policy-arn", attached)
	c.succeed(t, "iam", "delete-role-policy", "--role-name", "cli", "--policy-name", "own")
	c.succeed(t, "iam", "delete-role", "--role-name", "cli")
	c.as(t, c.nobody, "iam", "list-roles").refused(t, "AccessDenied")
}

func cliSTS(t *testing.T, c *cli) {
	var who struct{ Arn string }
	decode(t, c.succeed(t, "sts", "get-caller-identity"), &who)
	if who.Arn != "arn:aws:iam::123456789012:user/epi-admin" {
		t.Errorf("caller %+v", who)
	}
	c.as(t, c.expired, "sts", "get-caller-identity").refused(t, "ExpiredToken")
	assume := []string{"sts", "assume-role", "--role-arn", c.taggedRole, "--role-session-name", "cli",
		"--tags", "Key=eks-cluster-name,Value=" + c.cluster, "Key=kubernetes-namespace,Value=hoge"}
	c.as(t, c.nobody, assume...).refused(t, "AccessDenied")
	// ABAC: the session's tags name the only prefix that it may read.
	var session struct {
		Credentials struct{ AccessKeyId, SecretAccessKey, SessionToken string }
	}
	decode(t, c.succeed(t, assume...), &session)
	tagged := credentials{session.Credentials.AccessKeyId, session.Credentials.SecretAccessKey, session.Credentials.SessionToken}
	if content := c.as(t, tagged, "s3", "cp", "s3://"+c.bucket+"/"+othersKey, "-").succeeded(t); content != "for hoge" {
		t.Errorf("own prefix: %q", content)
	}
	c.as(t, tagged, "s3", "cp", "s3://"+c.bucket+"/"+ownKey, "-").refused(t, "403")
}

// write creates a file in a new folder and returns its path.
func write(t *testing.T, name string, data []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func cliS3(t *testing.T, c *cli) {
	const bucket = "epi-clients-cli"
	c.succeed(t, "s3", "mb", "s3://"+bucket)
	folder := filepath.Dir(write(t, "a b.txt", []byte("one")))
	if err := os.Mkdir(filepath.Join(folder, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "sub", "ü.txt"), []byte("two"), 0o644); err != nil {
		t.Fatal(err)
	}
	c.succeed(t, "s3", "sync", folder, "s3://"+bucket+"/tree")
	c.succeed(t, "s3", "mv", "s3://"+bucket+"/tree/a b.txt", "s3://"+bucket+"/tree/moved.txt")
	listed := c.succeed(t, "s3", "ls", "--recursive", "s3://"+bucket)
	if !strings.Contains(listed, " 3 tree/moved.txt\n") || !strings.Contains(listed, " 3 tree/sub/ü.txt\n") || strings.Count(listed, "\n") != 2 {
		t.Errorf("listed %q", listed)
	}
	back := t.TempDir()
	c.succeed(t, "s3", "sync", "s3://"+bucket+"/tree", back)
	if got := string(read(t, filepath.Join(back, "sub", "ü.txt"))) + string(read(t, filepath.Join(back, "moved.txt"))); got != "twoone" {
		t.Errorf("came back as %q", got)
	}
	c.succeed(t, "s3", "rm", "--recursive", "s3://"+bucket)
	c.succeed(t, "s3", "rb", "s3://"+bucket)
}

func cliMultipart(t *testing.T, c *cli) {
	data := noise(20<<20 + 7)
	object, back := "s3://"+c.bucket+"/cli/large", filepath.Join(t.TempDir(), "back")
	c.succeed(t, "s3", "cp", "--no-progress", write(t, "large", data), object)
	c.succeed(t, "s3", "cp", "--no-progress", object, back)
	if got := read(t, back); sha256.Sum256(got) != sha256.Sum256(data) {
		t.Errorf("%d bytes came back, not the %d that were sent", len(got), len(data))
	}
	calls, err := c.Control.Calls(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	parts := 0
	for _, call := range calls.Calls {
		if call.Operation == "UploadPart" && call.Subject == c.bucket+"/cli/large" {
			parts++
		}
	}
	if parts != 3 {
		t.Errorf("uploaded in %d parts, not 3", parts)
	}
	var head struct{ ETag string }
	decode(t, c.succeed(t, "s3api", "head-object", "--bucket", c.bucket, "--key", "cli/large"), &head)
	if want := multipartETag(data, 8<<20); head.ETag != want {
		t.Errorf("ETag %s, want %s", head.ETag, want)
	}
}

func cliDecisions(t *testing.T, c *cli) {
	head := func(who credentials, key string) result {
		return c.as(t, who, "s3api", "head-object", "--bucket", c.bucket, "--key", key)
	}
	head(c.admin, "missing").refused(t, "404")
	head(c.getter, "missing").refused(t, "403")
	c.as(t, c.nobody, "s3", "cp", write(t, "x", []byte("x")), "s3://"+c.bucket+"/cli/denied").refused(t, "AccessDenied")
	c.as(t, c.getter, "s3", "ls", "s3://"+c.bucket).refused(t, "AccessDenied")
	c.as(t, c.invalid, "s3", "ls", "s3://"+c.bucket).refused(t, "InvalidToken")

	url := c.as(t, c.getter, "s3", "presign", "s3://"+c.bucket+"/"+ownKey, "--expires-in", "60").succeeded(t)
	response := fetch(t.Context(), t, c.world, strings.TrimSpace(url))
	if body, err := io.ReadAll(response.Body); err != nil || response.StatusCode != 200 || string(body) != "for default" {
		t.Errorf("presigned: %s %s, %v", response.Status, body, err)
	}
}

func cliS3API(t *testing.T, c *cli) {
	c.succeed(t, "s3api", "put-object", "--bucket", c.bucket, "--key", "cli/a", "--body", write(t, "a", []byte("content")), "--metadata", "who=cli", "--content-type", "text/x")
	c.succeed(t, "s3api", "copy-object", "--bucket", c.bucket, "--key", "cli/b", "--copy-source", c.bucket+"/cli/a")
	var head struct {
		ContentLength int
		ContentType   string
		Metadata      map[string]string
	}
	decode(t, c.succeed(t, "s3api", "head-object", "--bucket", c.bucket, "--key", "cli/b"), &head)
	if head.ContentLength != 7 || head.ContentType != "text/x" || head.Metadata["who"] != "cli" {
		t.Errorf("copy %+v", head)
	}
}

func cliVersions(t *testing.T, c *cli) {
	const key = "key"
	f := c.Server.Fixture(t, "epi-clients-versions")
	bucket := f.Bucket()
	c.succeed(t, "s3api", "put-bucket-versioning", "--bucket", bucket, "--versioning-configuration", "Status=Enabled")
	f.Object(bucket, key, "one")
	f.Object(bucket, key, "two")
	if _, err := f.Admin().S3.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &bucket, Key: aws.String(key)}); err != nil {
		t.Fatal(err)
	}
	var listed struct {
		Versions []struct {
			VersionId string
			IsLatest  bool
		}
		DeleteMarkers []struct{ IsLatest bool }
	}
	decode(t, c.succeed(t, "s3api", "list-object-versions", "--bucket", bucket), &listed)
	if len(listed.Versions) != 2 || len(listed.DeleteMarkers) != 1 || !listed.DeleteMarkers[0].IsLatest {
		t.Fatalf("listed %+v", listed)
	}
	file := filepath.Join(t.TempDir(), "old")
	c.succeed(t, "s3api", "get-object", "--bucket", bucket, "--key", key, "--version-id", listed.Versions[1].VersionId, file)
	if got := string(read(t, file)); got != "one" {
		t.Errorf("first version is %q", got)
	}
}

func cliTags(t *testing.T, c *cli) {
	c.Object(c.bucket, "cli/tags", "tagged")
	c.succeed(t, "s3api", "put-object-tagging", "--bucket", c.bucket, "--key", "cli/tags", "--tagging", "TagSet=[{Key=team,Value=blue}]")
	var tags struct{ TagSet []struct{ Key, Value string } }
	decode(t, c.succeed(t, "s3api", "get-object-tagging", "--bucket", c.bucket, "--key", "cli/tags"), &tags)
	if len(tags.TagSet) != 1 || tags.TagSet[0].Key != "team" || tags.TagSet[0].Value != "blue" {
		t.Errorf("tags %+v", tags)
	}
	c.as(t, c.getter, "s3api", "put-object-tagging", "--bucket", c.bucket, "--key", "cli/tags", "--tagging", "TagSet=[]").refused(t, "AccessDenied")
}

// cliContainerCredentials sets up a CLI as in a pod with Pod Identity. A CLI that is older than Pod Identity reads the
// token from a variable only.
func cliContainerCredentials(t *testing.T, c *cli) {
	pod := []string{"AWS_CONTAINER_CREDENTIALS_FULL_URI=" + c.containerURL, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=" + c.tokenFile}
	if c.program == DebianCLI {
		pod[1] = "AWS_CONTAINER_AUTHORIZATION_TOKEN=" + c.token
	}
	if content := c.run(t, pod, "s3", "cp", "s3://"+c.bucket+"/"+ownKey, "-").succeeded(t); content != "for default" {
		t.Errorf("own prefix: %q", content)
	}
	c.run(t, pod, "s3", "cp", "s3://"+c.bucket+"/"+othersKey, "-").refused(t, "403")
}

func cliEKS(t *testing.T, c *cli) {
	var described struct {
		Cluster struct{ Status, Version string }
	}
	decode(t, c.succeed(t, "eks", "describe-cluster", "--name", c.cluster), &described)
	if described.Cluster.Status != "ACTIVE" || described.Cluster.Version != "1.36" {
		t.Errorf("cluster %+v", described)
	}
	create := []string{"eks", "create-pod-identity-association", "--cluster-name", c.cluster, "--namespace", "default", "--service-account", "cli", "--role-arn", c.roleARN}
	var made struct {
		Association struct{ AssociationId string }
	}
	decode(t, c.succeed(t, create...), &made)
	c.as(t, c.admin, create...).refused(t, "ResourceInUseException")
	var listed struct {
		Associations []struct{ AssociationId, ServiceAccount string }
	}
	decode(t, c.succeed(t, "eks", "list-pod-identity-associations", "--cluster-name", c.cluster, "--service-account", "cli"), &listed)
	if len(listed.Associations) != 1 || listed.Associations[0].AssociationId != made.Association.AssociationId {
		t.Errorf("listed %+v, made %+v", listed, made)
	}
	c.as(t, c.nobody, "eks", "list-clusters").refused(t, "AccessDeniedException")
}
