package eks_test

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	awseks "github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/eks"
	"github.com/podidentity/epi/clusters/emulator"
	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/clusters/emulator/emulatortest"
	"github.com/podidentity/epi/clusters/emulator/emulatortest/ekstest"
	"github.com/podidentity/epi/clusters/sweep"
)

// mode is the variable that makes this test binary run as another program.
const mode = "EPI_EKS_TEST_MODE"

func TestMain(m *testing.M) {
	var err error
	switch os.Getenv(mode) {
	case "eksctl":
		err = ekstest.Eksctl(os.Args[1:])
	case "up":
		wanted := spec
		wanted.Binaries = os.Getenv("EPI_EKS_TEST_DIR")
		_, err = provider(wanted.Binaries, eks.Options{ProbeImage: none}).Up(context.Background(), wanted, quiet{})
	case "down":
		err = provider(os.Getenv("EPI_EKS_TEST_DIR"), eks.Options{}).Down(context.Background(), spec.Name, quiet{})
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

// quiet accepts the steps of long work and shows nothing.
type quiet struct{}

func (quiet) Start(string) clusters.Task { return quiet{} }
func (quiet) Detail(string, ...any)      {}
func (quiet) End(error)                  {}

var spec = clusters.Spec{Name: "mine", Nodes: 1, IMDSHopLimit: 1}

// none stands for a missing image of the probe.
const none = "none"

// provider returns a provider whose AWS comes from the variables, and whose token is arbitrary.
func provider(dir string, options eks.Options) *eks.Provider {
	options.Region, options.EndpointURL, options.Poll = emulatortest.Region, os.Getenv("AWS_ENDPOINT_URL"), 50*time.Millisecond
	switch options.ProbeImage {
	case "":
		options.ProbeImage = "registry.invalid/epi-probe:v1"
	case none:
		options.ProbeImage = ""
	}
	if options.Agree == nil {
		options.Agree = func(context.Context, eks.Plan) error { return nil }
	}
	options.Token = func(string, string, string) []string {
		return []string{"echo", `{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"x"}}`}
	}
	return eks.New(clusters.Dirs{State: filepath.Join(dir, "state"), Cache: filepath.Join(dir, "cache")}, options)
}

// region is an emulated region. Its clusters share an API server, and calls that change something are counted.
type region struct {
	*emulatortest.Fixture
	changes atomic.Int64
	// atChange is called with the number of each such call before it is served. It may be nil.
	atChange atomic.Pointer[func(n int64)]
	// serving is held for reading by each request in progress.
	serving sync.RWMutex
	dir     string
}

func newRegion(t *testing.T) *region { return newRegionWith(t, func(*emulator.Options) {}) }

// newRegionWith returns a region of an emulator with changed options.
func newRegionWith(t *testing.T, change func(*emulator.Options)) *region {
	t.Helper()
	kubernetes := httptest.NewTLSServer(http.HandlerFunc(ekstest.ServeKubernetes))
	t.Cleanup(kubernetes.Close)
	r := &region{dir: t.TempDir()}
	r.Fixture = emulatortest.StartWith(t, func(o *emulator.Options) {
		change(o)
		o.Unbacked.Endpoint = kubernetes.URL
		o.Unbacked.CertificateAuthority = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: kubernetes.Certificate().Raw})
	}).Fixture(t, "eks")
	emulated := r.Emulator.Handler()
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		r.serving.RLock()
		defer r.serving.RUnlock()
		if changes(request) {
			n := r.changes.Add(1)
			if call := r.atChange.Load(); call != nil {
				(*call)(n)
			}
		}
		emulated.ServeHTTP(w, request)
	}))
	t.Cleanup(front.Close)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(r.dir, "bin")
	probe := os.WriteFile(filepath.Join(r.dir, "epi-probe"), []byte("#!/bin/sh\n"), 0o755)
	script := "#!/bin/sh\n" + mode + "=eksctl exec " + self + " \"$@\"\n"
	if err := errors.Join(probe, os.Mkdir(bin, 0o755), os.WriteFile(filepath.Join(bin, "eksctl"), []byte(script), 0o755)); err != nil {
		t.Fatal(err)
	}
	templates, err := filepath.Abs("../emulator/cloudformation/testdata")
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": emulatortest.AccessKeyID, "AWS_SECRET_ACCESS_KEY": emulatortest.SecretAccessKey, "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true", "NO_PROXY": "*", "AWS_MAX_ATTEMPTS": "3",
		"AWS_REGION": emulatortest.Region, "AWS_ENDPOINT_URL": front.URL, "PATH": bin + ":" + os.Getenv("PATH"), ekstest.Templates: templates, "EPI_EKS_TEST_DIR": r.dir,
	} {
		t.Setenv(name, value)
	}
	return r
}

// changes says whether a request may change something.
func changes(r *http.Request) bool {
	var body bytes.Buffer
	_, _ = body.ReadFrom(r.Body) // an incomplete body is refused later
	r.Body = readCloser{bytes.NewReader(body.Bytes())}
	for _, word := range []string{"Action=Create", "Action=Delete", "Action=Put", "Action=Attach", "Action=Detach"} {
		if strings.HasPrefix(body.String(), word) {
			return true
		}
	}
	if operation := r.Header.Get("X-Amz-Target"); strings.HasSuffix(operation, ".CreateRepository") || strings.HasSuffix(operation, ".DeleteRepository") {
		return true
	}
	service := strings.Contains(r.Header.Get("Authorization"), "/eks/")
	return service && r.Method != http.MethodGet
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

// left lists what has epi's tags, and networks and roles without such tags.
func (r *region) left(t *testing.T) []string {
	t.Helper()
	sweeper := r.sweeper(t)
	found, err := sweeper.Find(t.Context(), sweep.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, f := range found {
		list = append(list, f.String())
	}
	ctx, admin := t.Context(), r.Admin()
	vpcs, err := admin.EC2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{})
	if err != nil {
		t.Fatal(err)
	}
	for _, vpc := range vpcs.Vpcs {
		list = append(list, *vpc.VpcId)
	}
	names, err := admin.EKS.ListClusters(ctx, &awseks.ListClustersInput{})
	if err != nil {
		t.Fatal(err)
	}
	list = append(list, names.Clusters...)
	roles, err := admin.IAM.ListRoles(ctx, &iam.ListRolesInput{})
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range roles.Roles {
		if strings.HasPrefix(*role.RoleName, "eksctl-") {
			list = append(list, *role.RoleName)
		}
	}
	return list
}

func (r *region) sweeper(t *testing.T) *sweep.Sweeper {
	t.Helper()
	cfg := r.Config(credentials.NewStaticCredentialsProvider(emulatortest.AccessKeyID, emulatortest.SecretAccessKey, ""))
	cfg.BaseEndpoint = aws.String(os.Getenv("AWS_ENDPOINT_URL"))
	cfg.RetryMaxAttempts = 3 // the users' default, because a connection may be reset
	sweeper, err := sweep.New(t.Context(), cfg, sweep.Options{Poll: 50 * time.Millisecond, Patience: 2 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return sweeper
}

// removeAll removes everything that the sweeper finds.
func removeAll(t *testing.T, sweeper *sweep.Sweeper) {
	t.Helper()
	found, err := sweeper.Find(t.Context(), sweep.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	if err := sweeper.Remove(t.Context(), sweep.Scope{}, found, quiet{}); err != nil {
		t.Fatal(err)
	}
}

func TestUpAndDown(t *testing.T) {
	r := newRegion(t)
	asked := ""
	p := provider(r.dir, eks.Options{Agree: func(_ context.Context, plan eks.Plan) error { asked = plan.String(); return nil }})
	env, err := p.Up(t.Context(), spec, quiet{})
	if err != nil {
		t.Fatal(err)
	}
	if env.ClusterName != "epi-mine" || env.AccountID != emulatortest.Account || env.ClusterARN == "" || env.NodeRole == "" || !env.OwnCluster ||
		!env.Has(clusters.IMDS) || env.Expires.Before(time.Now().Add(5*time.Hour)) {
		t.Errorf("%+v", env)
	}
	for _, want := range []string{emulatortest.Account, "epi-mine", "$0.11 to $0.15 an hour", "a forgotten day $2.67 to $3.57", "Prices of us-west-2 are not verified"} {
		if !strings.Contains(asked, want) {
			t.Errorf("the plan does not say %q:\n%s", want, asked)
		}
	}
	if err := p.Down(t.Context(), "mine", quiet{}); err != nil {
		t.Fatal(err)
	}
	if left := r.left(t); len(left) != 0 {
		t.Errorf("left: %q", left)
	}
}

func TestNothingIsMadeWithoutConsent(t *testing.T) {
	r := newRegion(t)
	refusal := errors.New("no")
	_, err := provider(r.dir, eks.Options{Agree: func(context.Context, eks.Plan) error { return refusal }}).Up(t.Context(), spec, quiet{})
	if !errors.Is(err, refusal) || r.changes.Load() != 0 {
		t.Errorf("error %v, %d changes", err, r.changes.Load())
	}
	if there, err := clusters.HasEnvironmentDir(clusters.Dirs{State: filepath.Join(r.dir, "state")}, "mine"); there || err != nil {
		t.Errorf("there is a folder: %v", err)
	}
}

// TestNoSuchCluster: a cluster that is named must exist.
func TestNoSuchCluster(t *testing.T) {
	r := newRegion(t)
	_, err := provider(r.dir, eks.Options{ClusterName: "none"}).Up(t.Context(), spec, quiet{})
	if err == nil || !strings.Contains(clusters.Remedy(err), "list-clusters") || r.changes.Load() != 0 {
		t.Errorf("error %v, remedy %q", err, clusters.Remedy(err))
	}
}

// TestABadDay: each failure ends with an error that says what to do, and leaves nothing.
func TestABadDay(t *testing.T) {
	for name, row := range map[string]struct {
		before func(t *testing.T, r *region)
		spec   func(*clusters.Spec)
		remedy string
		// looks says that the account can be inspected afterwards.
		looks bool
	}{
		"wrong credentials": {before: func(t *testing.T, _ *region) { t.Setenv("AWS_SECRET_ACCESS_KEY", "wrong") }, remedy: "get-caller-identity"},
		"no credentials": {before: func(t *testing.T, _ *region) {
			t.Setenv("AWS_ACCESS_KEY_ID", "")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "")
		}, remedy: "get-caller-identity"},
		"the region is gone": {before: func(t *testing.T, _ *region) { t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1") }, remedy: "does not answer"},
		"no permission for a later call": {before: func(t *testing.T, r *region) {
			r.fault(t, control.Fault{Service: "eks", Operation: "CreateAddon", Error: &control.Refusal{Kind: control.AccessDenied}})
		}, remedy: "policies that it needs", looks: true},
		"a stack that rolls back": {before: func(t *testing.T, r *region) {
			r.fault(t, control.Fault{Service: "ec2", Operation: "CreateRouteTable", Error: &control.Refusal{Kind: control.Internal}})
		}, remedy: "what was made is removed again", looks: true},
		"an unknown version": {spec: func(s *clusters.Spec) { s.KubernetesVersion = "1.12" }, remedy: "choose one of"},
		"eksctl is missing and cannot be built": {before: func(t *testing.T, r *region) {
			if err := os.Remove(filepath.Join(r.dir, "bin", "eksctl")); err != nil {
				t.Fatal(err)
			}
			t.Setenv("PATH", filepath.Join(r.dir, "bin"))
		}, remedy: "install eksctl"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRegion(t)
			if row.before != nil {
				row.before(t, r)
			}
			wanted := spec
			if row.spec != nil {
				row.spec(&wanted)
			}
			_, err := provider(r.dir, eks.Options{}).Up(t.Context(), wanted, quiet{})
			if err == nil || !strings.Contains(clusters.Remedy(err), row.remedy) {
				t.Fatalf("error %v, remedy %q, want %q", err, clusters.Remedy(err), row.remedy)
			}
			if strings.Contains(err.Error(), emulatortest.SecretAccessKey) {
				t.Error("the error reveals a secret")
			}
			if !row.looks {
				return
			}
			if err := r.Control.ClearFaults(t.Context()); err != nil {
				t.Fatal(err)
			}
			if left := r.left(t); len(left) != 0 {
				t.Errorf("left: %q; error: %v", left, err)
			}
		})
	}
}

func (r *region) fault(t *testing.T, fault control.Fault) {
	t.Helper()
	if _, err := r.Control.AddFault(t.Context(), fault); err != nil {
		t.Fatal(err)
	}
}

// TestKilledAtAnyPoint: a process that creates or removes an environment is killed before its nth change. At every second
// point epi down removes what exists, by the journal. At the others, and afterwards, a janitor on a machine without a
// journal finds it and cleans up.
func TestKilledAtAnyPoint(t *testing.T) {
	for _, point := range []struct {
		verb string
		n    int64
	}{{"up", 1}, {"up", 2}, {"up", 3}, {"up", 4}, {"up", 5}, {"up", 6}, {"up", 7}, {"down", 1}, {"down", 2}, {"down", 3}, {"down", 4}} {
		t.Run(fmt.Sprintf("%s before change %d", point.verb, point.n), func(t *testing.T) {
			r := newRegion(t)
			if point.verb == "down" {
				r.child(t, "up", 0)
			}
			killed := r.child(t, point.verb, r.changes.Load()+point.n)
			if !killed {
				t.Logf("it ended before its change %d", point.n)
			}
			if point.n%2 == 0 {
				if err := provider(r.dir, eks.Options{}).Down(t.Context(), spec.Name, quiet{}); err != nil {
					t.Fatal(err)
				}
				if left := r.left(t); len(left) != 0 {
					t.Errorf("epi down leaves %q", left)
				}
			}
			removeAll(t, r.sweeper(t))
			if left := r.left(t); len(left) != 0 {
				t.Errorf("left: %q", left)
			}
		})
	}
}

// child runs a verb in a process of its own and kills it, with all that it started, at a change; 0 for never.
func (r *region) child(t *testing.T, verb string, at int64) (killed bool) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), self)
	command.Env = append(os.Environ(), mode+"="+verb)
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	var process atomic.Pointer[os.Process]
	var dead atomic.Bool
	atChange := func(n int64) {
		if at != 0 && n == at {
			dead.Store(true)
			_ = process.Load().Signal(syscall.SIGKILL) // it has just sent a request
		}
	}
	r.atChange.Store(&atChange)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	process.Store(command.Process)
	err = command.Wait()
	r.atChange.Store(nil)
	// The requests of the killed process still complete.
	r.serving.Lock()
	r.serving.Unlock() //nolint:staticcheck // the wait is what it is for
	if at == 0 && err != nil {
		t.Fatalf("%s: %v\n%s", verb, err, output.String())
	}
	return dead.Load()
}
