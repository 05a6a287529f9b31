package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// maxResident is the memory that the emulator may have while unknown clients take as much as they can.
const maxResident = 100 << 20

// process is epi-emulator as users run it, in a process of its own.
type process struct {
	pid                    int
	aws, metadata, control string
	config                 aws.Config
}

// built is the program, built once without the race detector, which needs memory of its own.
var built = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "epi-emulator-test-")
	if err != nil {
		return "", err
	}
	builtIn = folder
	binary := filepath.Join(folder, "epi-emulator")
	if output, err := exec.CommandContext(context.Background(), "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, output)
	}
	return binary, nil
})

var builtIn string

func TestMain(m *testing.M) {
	code := m.Run()
	if builtIn != "" {
		_ = os.RemoveAll(builtIn) // the system clears its temporary folder
	}
	os.Exit(code)
}

func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	binary, err := built()
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, binary, append([]string{"serve", "--listen", "127.0.0.1:0", "--control-listen", "127.0.0.1:0", "--imds-listen", "127.0.0.1:0"}, args...)...)
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	for name, value := range variables {
		command.Env = append(command.Env, name+"="+value)
	}
	var out, errOut output
	command.Stdout, command.Stderr = &out, &errOut
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		if err := command.Wait(); err != nil && command.ProcessState.ExitCode() != 0 {
			t.Errorf("ended with %v: %s", err, errOut.String())
		}
	})
	var urls []string
	eventually(t, "the line that says where it listens", func() (bool, string) {
		urls = listening.FindStringSubmatch(out.String())
		return urls != nil, out.String() + errOut.String()
	})
	address := func(url string) string { return strings.TrimPrefix(url, "http://") }
	return &process{
		pid: command.Process.Pid, aws: address(urls[1]), metadata: address(urls[2]), control: address(urls[3]),
		config: aws.Config{
			Region: "us-west-2", BaseEndpoint: &urls[1], RetryMaxAttempts: 1,
			Credentials: credentials.NewStaticCredentialsProvider(variables["EPI_EMULATOR_ACCESS_KEY_ID"], variables["EPI_EMULATOR_SECRET_ACCESS_KEY"], ""),
		},
	}
}

var residentLine = regexp.MustCompile(`(?m)^(VmHWM|VmRSS):\s+(\d+) kB$`)

// resident is the current and the largest memory of the process, in bytes.
func (p *process) resident(t *testing.T) (now, most int64) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	if err != nil {
		t.Skipf("no /proc to read the memory from: %v", err)
	}
	for _, match := range residentLine.FindAllStringSubmatch(string(status), -1) {
		kilobytes, err := strconv.ParseInt(match[2], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if match[1] == "VmRSS" {
			now = kilobytes << 10
		} else {
			most = kilobytes << 10
		}
	}
	return now, most
}

// signedHead is the head of a signed request with a body of a declared length.
func signedHead(t *testing.T, who aws.Credentials, service, method, address, path string, length int64, headers map[string]string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = length
	hash := "UNSIGNED-PAYLOAD"
	if given := headers["X-Amz-Content-Sha256"]; given != "" {
		hash = given
	}
	r.Header.Set("X-Amz-Content-Sha256", hash)
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	if err := v4.NewSigner().SignHTTP(t.Context(), who, r, hash, service, "us-west-2", time.Now()); err != nil {
		t.Fatal(err)
	}
	var head bytes.Buffer
	fmt.Fprintf(&head, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", method, path, address, length)
	if err := r.Header.WriteSubset(&head, map[string]bool{"Content-Length": true}); err != nil {
		t.Fatal(err)
	}
	return head.String() + "\r\n"
}

// attack opens connections and writes to each until the other side closes it, or all is written.
type attack struct {
	name        string
	address     string
	connections int
	text        string
	// then is written repeatedly after text, up to much bytes.
	then string
	much int
}

func (a attack) begin(ctx context.Context, group *sync.WaitGroup) {
	for range a.connections {
		group.Go(func() {
			var dialer net.Dialer
			c, err := dialer.DialContext(ctx, "tcp", a.address)
			if err != nil {
				return // it may refuse
			}
			defer context.AfterFunc(ctx, func() { _ = c.Close() })()
			_, err = io.WriteString(c, a.text)
			for sent := 0; err == nil && sent < a.much; sent += len(a.then) {
				_, err = io.WriteString(c, a.then)
			}
			_, _ = io.Copy(io.Discard, c) // keeps it open until the other side or the test ends it
			_ = c.Close()
		})
	}
}

func newBucket() *s3.CreateBucketInput {
	return &s3.CreateBucketInput{Bucket: aws.String("bucket"), CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: "us-west-2"}}
}

func TestStrangersTakeNoMemory(t *testing.T) {
	p := startProcess(t)
	ctx := t.Context()
	client, accounts := s3.NewFromConfig(p.config, func(o *s3.Options) { o.UsePathStyle = true }), iam.NewFromConfig(p.config)
	if _, err := client.CreateBucket(ctx, newBucket()); err != nil {
		t.Fatal(err)
	}
	if _, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String("key"), Body: strings.NewReader("text")}); err != nil {
		t.Fatal(err)
	}
	if _, err := accounts.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("nobody")}); err != nil {
		t.Fatal(err)
	}
	key, err := accounts.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: aws.String("nobody")})
	if err != nil {
		t.Fatal(err)
	}
	nobody := aws.Credentials{AccessKeyID: *key.AccessKey.AccessKeyId, SecretAccessKey: *key.AccessKey.SecretAccessKey}
	admin := aws.Credentials{AccessKeyID: variables["EPI_EMULATOR_ACCESS_KEY_ID"], SecretAccessKey: variables["EPI_EMULATOR_SECRET_ACCESS_KEY"]}

	const large = 250 << 20
	block := strings.Repeat("x", 64<<10)
	head := func(method, path, more string) string {
		return method + " " + path + " HTTP/1.1\r\nHost: emulator\r\n" + more
	}
	length := fmt.Sprintf("Content-Length: %d\r\n\r\nx", large)
	form := "Content-Type: application/x-www-form-urlencoded\r\n"
	chunk := fmt.Sprintf("%x\r\n%s\r\n", len(block), block)
	decoded := map[string]string{"X-Amz-Content-Sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "X-Amz-Decoded-Content-Length": strconv.Itoa(large - 1000)}
	forged := admin
	forged.SecretAccessKey = "another"
	attacks := []attack{
		{"S3 declared by who may not", p.aws, 8, signedHead(t, nobody, "s3", "PUT", p.aws, "/bucket/key", large, nil) + "x", "", 0},
		{"S3 sent by who may not", p.aws, 8, signedHead(t, nobody, "s3", "PUT", p.aws, "/bucket/key", large, nil), block, large},
		{"S3 declared by who may", p.aws, 8, signedHead(t, admin, "s3", "PUT", p.aws, "/bucket/big", large, nil) + "x", "", 0},
		{"S3 declared with a wrong signature", p.aws, 8, signedHead(t, forged, "s3", "PUT", p.aws, "/bucket/key", large, nil) + "x", "", 0},
		{"S3 in chunks, declared by who may", p.aws, 8, signedHead(t, admin, "s3", "PUT", p.aws, "/bucket/big", large, decoded) + "10000\r\nx", "", 0},
		{"S3 in chunks, sent by who may not", p.aws, 8, signedHead(t, nobody, "s3", "PUT", p.aws, "/bucket/big", large, decoded), chunk, large},
		{"S3 anonymous", p.aws, 8, head("PUT", "/bucket/key", length), "", 0},
		{"S3 anonymous of HTTP/1.0", p.aws, 8, strings.Replace(head("PUT", "/bucket/key", length), "1.1", "1.0", 1), "", 0},
		{"S3 document of who may not", p.aws, 8, signedHead(t, nobody, "s3", "PUT", p.aws, "/bucket-of-nobody", 4<<20, nil), block, 4<<20 - 1000},
		{"form declared", p.aws, 8, head("POST", "/", form+length), "", 0},
		{"forms of 1 MiB, all but the end", p.aws, 200, head("POST", "/", form+"Content-Length: 1048576\r\n\r\n"), block, 1<<20 - 1<<16},
		{"form in chunks", p.aws, 8, head("POST", "/", form+"Transfer-Encoding: chunked\r\n\r\n"), chunk, large},
		{"EKS declared", p.aws, 8, signedHead(t, forged, "eks", "POST", p.aws, "/clusters/blue/pod-identity-associations", large, nil) + "x", "", 0},
		{"EKS, all but the end", p.aws, 200, signedHead(t, forged, "eks", "POST", p.aws, "/clusters/blue/pod-identity-associations", 1<<20, nil), block, 1<<20 - 1<<16},
		{"EKS Auth, all but the end", p.aws, 100, signedHead(t, nobody, "eks-auth", "POST", p.aws, "/clusters/blue/assume-role-for-pod-identity", 1<<20, nil), block, 1<<20 - 1<<16},
		{"control API without a token", p.control, 8, head("POST", "/v1/faults", length), block, large},
		{"control API, where none is needed", p.control, 8, head("GET", "/healthz", length), block, large},
		{"instance metadata", p.metadata, 8, head("PUT", "/latest/api/token", length), block, large},
		{"nothing at all", p.aws, 300, "", "", 0},
		{"half a header", p.aws, 600, head("GET", "/", "X-A: b\r\n"), "", 0},
		{"many headers", p.aws, 100, head("GET", "/", ""), "X-A: b\r\n", 31 << 10},
		{"many headers of instance metadata", p.metadata, 100, head("GET", "/", ""), "X-B: b\r\n", 31 << 10},
		{"one large header", p.aws, 100, head("GET", "/", "X-A: "), block, 128 << 10},
	}
	ctx, end := context.WithCancel(ctx)
	var group sync.WaitGroup
	for _, a := range attacks {
		a.begin(ctx, &group)
	}
	// Others are served meanwhile.
	took := make([]time.Duration, 300)
	for n := range took {
		began := time.Now()
		if _, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String("bucket"), Key: aws.String("key")}); err != nil {
			t.Errorf("another client: %v", err)
		}
		took[n] = time.Since(began)
	}
	slices.Sort(took)
	t.Logf("other clients are served within %s at the median, %s at the 99th percentile", took[len(took)/2], took[len(took)*99/100])
	if now, most := p.resident(t); most > maxResident {
		t.Errorf("the emulator takes %d MiB, and took %d MiB; it may take %d MiB", now>>20, most>>20, maxResident>>20)
	} else {
		t.Logf("the emulator takes %d MiB, and took %d MiB at most", now>>20, most>>20)
	}
	end()
	group.Wait()
}

func TestSignedLargeUploadsStream(t *testing.T) {
	if testing.Short() {
		t.Skip("256 MiB: not in short mode")
	}
	p := startProcess(t)
	client := s3.NewFromConfig(p.config, func(o *s3.Options) { o.UsePathStyle = true })
	if _, err := client.CreateBucket(t.Context(), newBucket()); err != nil {
		t.Fatal(err)
	}
	admin := aws.Credentials{AccessKeyID: variables["EPI_EMULATOR_ACCESS_KEY_ID"], SecretAccessKey: variables["EPI_EMULATOR_SECRET_ACCESS_KEY"]}
	const size = 256 << 20
	var dialer net.Dialer
	c, err := dialer.DialContext(t.Context(), "tcp", p.aws)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, signedHead(t, admin, "s3", "PUT", p.aws, "/bucket/big", size, nil)); err != nil {
		t.Fatal(err)
	}
	block := bytes.Repeat([]byte("x"), 1<<20)
	for sent := 0; sent < size; sent += len(block) {
		if _, err := c.Write(block); err != nil {
			t.Fatal(err)
		}
	}
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("got %+v, %v", response, err)
	}
	_ = response.Body.Close()
	head, err := client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("bucket"), Key: aws.String("big")})
	if err != nil || *head.ContentLength != size {
		t.Errorf("got %+v, %v", head, err)
	}
}
