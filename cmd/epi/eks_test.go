//go:build unix

package main

import (
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	awseks "github.com/aws/aws-sdk-go-v2/service/eks"

	"github.com/podidentity/epi/clusters/emulator"
	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/clusters/emulator/emulatortest"
	"github.com/podidentity/epi/clusters/emulator/emulatortest/ekstest"
	"github.com/podidentity/epi/clusters/sweep"
)

// beEksctl is the variable that makes this test binary do what eksctl does.
const beEksctl = "TEST_PROGRAM_IS_EKSCTL"

func beLikeEksctl() {
	if err := ekstest.Eksctl(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// eksMachine is a machine with an AWS account, in which clusters become ACTIVE by themselves, and with an eksctl.
type eksMachine struct {
	*emulatortest.Fixture
	state, bin string
	variables  map[string]string
	// creations are the requested stacks. atStack is called before the nth is served.
	creations atomic.Int64
	atStack   func(n int64)
	// atDeletion is called before the deletion of a stack is served. gone ends all answers of AWS.
	atDeletion, gone func()
}

func newEKSMachine(t *testing.T) *eksMachine {
	t.Helper()
	kubernetes := httptest.NewTLSServer(http.HandlerFunc(ekstest.ServeKubernetes))
	t.Cleanup(kubernetes.Close)
	m := &eksMachine{state: filepath.Join(t.TempDir(), "epi"), bin: t.TempDir(), variables: map[string]string{}, atStack: func(int64) {}, atDeletion: func() {}}
	m.Fixture = emulatortest.StartWith(t, func(o *emulator.Options) {
		o.Unbacked.Endpoint = kubernetes.URL
		o.Unbacked.CertificateAuthority = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: kubernetes.Certificate().Raw})
	}).Fixture(t, "machine")
	aws := m.Emulator.Handler()
	var gone atomic.Bool
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if gone.Load() {
			panic(http.ErrAbortHandler)
		}
		if r.Method == http.MethodPost && strings.Contains(r.Header.Get("Authorization"), "/cloudformation/") {
			body, _ := io.ReadAll(r.Body) // an incomplete body is refused later
			if r.Body = io.NopCloser(strings.NewReader(string(body))); strings.HasPrefix(string(body), "Action=CreateStack&") {
				m.atStack(m.creations.Add(1))
			}
			if strings.HasPrefix(string(body), "Action=DeleteStack&") {
				m.atDeletion()
			}
			if gone.Load() {
				panic(http.ErrAbortHandler)
			}
		}
		aws.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	m.gone = func() {
		gone.Store(true)
		_ = front.Listener.Close() // accepts no more connections; Close closes it again
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	m.eksctl(t, "#!/bin/sh\n"+beEksctl+"=1 exec "+self+" \"$@\"\n")
	templates, err := filepath.Abs("../../clusters/emulator/cloudformation/testdata")
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": emulatortest.AccessKeyID, "AWS_SECRET_ACCESS_KEY": emulatortest.SecretAccessKey, "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true", "NO_PROXY": "*", "AWS_MAX_ATTEMPTS": "2",
		"AWS_REGION": emulatortest.Region, "AWS_ENDPOINT_URL": front.URL, ekstest.Templates: templates,
		"CI": "", // in CI it continues without a question
		// Nothing else is in PATH, for example no Go to build an eksctl.
		"PATH": m.bin,
	} {
		t.Setenv(name, value)
	}
	return m
}

// eksctl puts a shell script on the PATH as eksctl.
func (m *eksMachine) eksctl(t *testing.T, script string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(m.bin, "eksctl"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
}

// sharedText collects both outputs, also simultaneous ones.
type sharedText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *sharedText) Write(data []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(data)
}

func (s *sharedText) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// epi runs a command line, and returns all output.
func (m *eksMachine) epi(t *testing.T, args ...string) (code int, text string) {
	t.Helper()
	var out sharedText
	a := newApp(&out, &out, func(name string) (string, bool) { value, ok := m.variables[name]; return value, ok })
	a.poll = 20 * time.Millisecond
	code = run(t.Context(), a, append(args, "--state-dir", m.state, "--cache-dir", m.state+"-cache"))
	return code, out.String()
}

// left lists what has epi's tags in the account, and networks and clusters without such tags.
func (m *eksMachine) left(t *testing.T) []string {
	t.Helper()
	sweeper, err := sweep.New(t.Context(), m.Config(credentials.NewStaticCredentialsProvider(emulatortest.AccessKeyID, emulatortest.SecretAccessKey, "")), sweep.Options{})
	if err != nil {
		t.Fatal(err)
	}
	found, err := sweeper.Find(t.Context(), sweep.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, f := range found {
		list = append(list, f.String())
	}
	vpcs, err := m.Admin().EC2.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
	if err != nil {
		t.Fatal(err)
	}
	for _, vpc := range vpcs.Vpcs {
		list = append(list, *vpc.VpcId)
	}
	names, err := m.Admin().EKS.ListClusters(t.Context(), &awseks.ListClustersInput{})
	if err != nil {
		t.Fatal(err)
	}
	return append(list, names.Clusters...)
}

func (m *eksMachine) refuse(t *testing.T, service, operation, code string, status int) {
	t.Helper()
	if _, err := m.Control.AddFault(t.Context(), control.Fault{Service: service, Operation: operation, Error: &control.Refusal{Code: code, Status: status}}); err != nil {
		t.Error(err)
	}
}

var upOnEKS = []string{"up", "--provider", "eks", "--name", "mine", "--probe-image", "registry.invalid/epi-probe:v1"}

// TestEKS: epi up, down and janitor with an account that has all used parts of AWS.
func TestEKS(t *testing.T) {
	m := newEKSMachine(t)
	code, text := m.epi(t, append(upOnEKS, "--yes")...)
	if code != exitHeld || !strings.Contains(text, "epi is about to make") {
		t.Fatalf("up: exit code %d\n%s", code, text)
	}
	if code, text := m.epi(t, "janitor", "--older-than", "0s"); code != exitHeld || !strings.Contains(text, "eksctl-epi-mine-cluster") {
		t.Errorf("janitor: exit code %d\n%s", code, text)
	}
	if code, text := m.epi(t, "down", "--name", "mine"); code != exitHeld {
		t.Errorf("down: exit code %d\n%s", code, text)
	}
	if left := m.left(t); len(left) != 0 {
		t.Errorf("left: %q", left)
	}
	if code, text := m.epi(t, "janitor", "--older-than", "0s", "--yes"); code != exitHeld || !strings.Contains(text, "Nothing") {
		t.Errorf("janitor: exit code %d\n%s", code, text)
	}
}

// TestABadDayOnEKS: each failure ends with the documented exit code and a remedy, and leaves nothing.
func TestABadDayOnEKS(t *testing.T) {
	for name, row := range map[string]struct {
		before func(t *testing.T, m *eksMachine)
		args   []string
		code   int
		says   []string
	}{
		"wrong credentials": {
			func(t *testing.T, _ *eksMachine) { t.Setenv("AWS_SECRET_ACCESS_KEY", "wrong") }, []string{"--yes"}, exitEnvironment,
			[]string{"Hint: see that your AWS credentials work: aws sts get-caller-identity"},
		},
		"no credentials": {
			func(t *testing.T, _ *eksMachine) {
				t.Setenv("AWS_ACCESS_KEY_ID", "")
				t.Setenv("AWS_SECRET_ACCESS_KEY", "")
			}, []string{"--yes"}, exitEnvironment, []string{"Hint: see that your AWS credentials work"},
		},
		"the wrong account": {nil, []string{"--yes", "--account", emulatortest.Member}, exitEnvironment, []string{emulatortest.Member, "Hint: use credentials of account " + emulatortest.Member}},
		"no account":        {nil, []string{"--yes", "--account", "12"}, exitUsage, []string{"twelve digits"}},
		"the region is gone": {
			func(t *testing.T, _ *eksMachine) { t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1") }, []string{"--yes"}, exitEnvironment,
			[]string{"Hint: AWS does not answer: see that --region"},
		},
		"no region": {func(t *testing.T, _ *eksMachine) { t.Setenv("AWS_REGION", "") }, []string{"--yes"}, exitEnvironment, []string{"Hint: set --region or AWS_REGION"}},
		"the first permission is missing": {
			func(t *testing.T, m *eksMachine) {
				m.refuse(t, "eks", "DescribeClusterVersions", "AccessDeniedException", 403)
			}, []string{"--yes"}, exitEnvironment, []string{"Hint: the caller may not do this: epi help eks has the policies"},
		},
		"the fifth permission is missing": {
			func(t *testing.T, m *eksMachine) {
				m.refuse(t, "ec2", "CreateInternetGateway", "UnauthorizedOperation", 403)
			}, []string{"--yes"}, exitEnvironment, []string{"UnauthorizedOperation", "Hint: the caller may not do this"},
		},
		"a late permission is missing": {
			func(t *testing.T, m *eksMachine) { m.refuse(t, "eks", "CreateAddon", "AccessDeniedException", 403) }, []string{"--yes"}, exitEnvironment,
			[]string{"Hint: the caller may not do this"},
		},
		"a quota of networks": {
			func(t *testing.T, m *eksMachine) { m.refuse(t, "ec2", "CreateVpc", "VpcLimitExceeded", 400) }, []string{"--yes"}, exitEnvironment,
			[]string{"VpcLimitExceeded", "Hint: a quota of the account is used up"},
		},
		"a quota of clusters": {
			func(t *testing.T, m *eksMachine) {
				m.refuse(t, "eks", "CreateCluster", "ResourceLimitExceededException", 400)
			}, []string{"--yes"}, exitEnvironment, []string{"Hint: a quota of the account is used up"},
		},
		"a stack that rolls back": {
			func(t *testing.T, m *eksMachine) { m.refuse(t, "ec2", "CreateRouteTable", "InternalError", 500) }, []string{"--yes"}, exitEnvironment,
			[]string{"stack eksctl-epi-mine-cluster could not be made", "Hint: look at the reason above; what was made is removed again"},
		},
		"no eksctl, and none can be built": {
			func(t *testing.T, m *eksMachine) {
				if err := os.Remove(filepath.Join(m.bin, "eksctl")); err != nil {
					t.Fatal(err)
				}
			}, []string{"--yes"}, exitEnvironment, []string{"there is no eksctl on the PATH", "Hint: install eksctl"},
		},
		"an eksctl that is too old, and none can be built": {
			func(t *testing.T, m *eksMachine) { m.eksctl(t, "#!/bin/sh\necho 0.150.0\n") }, []string{"--yes"}, exitEnvironment,
			[]string{"is v0.150.0, and epi knows v0.205.0 to below v0.300.0", "Hint: install eksctl"},
		},
		"an eksctl that nobody has tried": {
			func(t *testing.T, m *eksMachine) { m.eksctl(t, "#!/bin/sh\necho 1.0.0\n") }, []string{"--yes"}, exitEnvironment,
			[]string{"is v1.0.0, and epi knows v0.205.0 to below v0.300.0", "Hint: install eksctl"},
		},
		"an eksctl that says nothing": {
			func(t *testing.T, m *eksMachine) { m.eksctl(t, "#!/bin/sh\nexit 1\n") }, []string{"--yes"}, exitEnvironment,
			[]string{"does not say its version", "Hint: install eksctl"},
		},
		"an eksctl that fails": {
			func(t *testing.T, m *eksMachine) {
				m.eksctl(t, "#!/bin/sh\n[ \"$1\" = version ] && { echo 0.215.0; exit; }\necho 'Error: something unheard of' >&2; exit 1\n")
			}, []string{"--yes"}, exitEnvironment, []string{"something unheard of", "Hint: eksctl's output is above"},
		},
		"an eksctl that says what is wrong, and then more": {
			func(t *testing.T, m *eksMachine) {
				m.eksctl(t, "#!/bin/sh\n[ \"$1\" = version ] && { echo 0.215.0; exit; }\necho '2026-11-28 10:00:30 [✖]  what is wrong' >&2\n"+
					"i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo \"2026-11-28 10:00:31 [!]  line $i\"; done; exit 1\n")
			}, []string{"--yes"}, exitEnvironment, []string{"line 40\n2026-11-28 10:00:30 [✖]  what is wrong\nHint: eksctl's output is above"},
		},
		"nobody can be asked": {nil, nil, exitUsage, []string{"nothing is made: it costs money, and nobody can be asked here; to go on, add --yes"}},
		"CI that is none":     {func(_ *testing.T, m *eksMachine) { m.variables["CI"] = "false" }, nil, exitUsage, []string{"nothing is made"}},
		"an unknown version":  {nil, []string{"--yes", "--kubernetes-version", "1.12"}, exitEnvironment, []string{"EKS does not offer 1.12", "Hint: choose one of"}},
		"no such cluster":     {nil, []string{"--yes", "--cluster-name", "none"}, exitEnvironment, []string{"has no cluster of that name", "Hint: aws eks list-clusters"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newEKSMachine(t)
			if row.before != nil {
				row.before(t, m)
			}
			code, text := m.epi(t, append(slices.Clone(upOnEKS), row.args...)...)
			if code != row.code {
				t.Errorf("exit code %d, want %d", code, row.code)
			}
			for _, want := range row.says {
				if !strings.Contains(text, want) {
					t.Errorf("it does not say %q", want)
				}
			}
			if strings.Contains(text, emulatortest.SecretAccessKey) {
				t.Error("it reveals a secret")
			}
			if err := m.Control.ClearFaults(t.Context()); err != nil {
				t.Fatal(err)
			}
			if left := m.left(t); len(left) != 0 {
				t.Errorf("left: %q", left)
			}
			if _, err := os.Stat(filepath.Join(m.state, "clusters", "mine")); !os.IsNotExist(err) {
				t.Errorf("the environment's folder is left: %v", err)
			}
			if t.Failed() {
				t.Log(text)
			}
		})
	}
}

// TestCredentialsThatExpireInTheMiddle: what was created cannot be removed then. epi says so, and names the command that
// removes it.
func TestCredentialsThatExpireInTheMiddle(t *testing.T) {
	m := newEKSMachine(t)
	m.atStack = func(n int64) {
		if n == 2 {
			m.refuse(t, "", "", "ExpiredTokenException", http.StatusForbidden)
		}
	}
	code, text := m.epi(t, append(slices.Clone(upOnEKS), "--yes")...)
	if code != exitEnvironment || !strings.Contains(text, "Hint: the AWS credentials have expired: log in again") || !strings.Contains(text, "epi down --name mine") {
		t.Errorf("up: exit code %d\n%s", code, text)
	}
	if code, text := m.epi(t, "down", "--name", "mine"); code != exitEnvironment || !strings.Contains(text, "then finish with: epi down --name mine") {
		t.Errorf("down without credentials: exit code %d\n%s", code, text)
	}
	if err := m.Control.ClearFaults(t.Context()); err != nil {
		t.Fatal(err)
	}
	if code, text := m.epi(t, "down", "--name", "mine"); code != exitHeld {
		t.Errorf("down: exit code %d\n%s", code, text)
	}
	if left := m.left(t); len(left) != 0 {
		t.Errorf("left: %q", left)
	}
}

// TestTheRegionIsGone: the content of a missing region is unknown. epi down nevertheless ends, and says what it could not
// see and what is left to do.
func TestTheRegionIsGone(t *testing.T) {
	for name, when := range map[string]func(m *eksMachine){
		"before":  func(m *eksMachine) { m.gone() },
		"halfway": func(m *eksMachine) { m.atDeletion = m.gone },
	} {
		t.Run(name, func(t *testing.T) {
			m := newEKSMachine(t)
			if code, text := m.epi(t, append(slices.Clone(upOnEKS), "--yes")...); code != exitHeld {
				t.Fatalf("up: exit code %d\n%s", code, text)
			}
			when(m)
			code, text := m.epi(t, "down", "--name", "mine")
			folder := filepath.Join(m.state, "clusters", "mine")
			if code != exitEnvironment {
				t.Errorf("exit code %d, want %d", code, exitEnvironment)
			}
			for _, want := range []string{
				"region us-west-2 at http://127.0.0.1", "does not answer: what is left there could not be seen", "2 CloudFormation stacks",
				"rm -r " + folder, "epi down --name mine", "epi janitor --older-than 0s --name mine --region us-west-2",
			} {
				if !strings.Contains(text, want) {
					t.Errorf("it does not say %q", want)
				}
			}
			if t.Failed() {
				t.Log(text)
			}
			if err := os.RemoveAll(folder); err != nil {
				t.Fatal(err)
			}
			if code, text := m.epi(t, "down", "--name", "mine"); code != exitHeld {
				t.Errorf("then: exit code %d\n%s", code, text)
			}
		})
	}
}

// TestConsentAtATerminal: without a typed yes nothing is created.
func TestConsentAtATerminal(t *testing.T) {
	m := newEKSMachine(t)
	p := install(t)
	for answer, code := range map[string]int{"no\n": exitUsage, "\n": exitUsage, "yess\n": exitUsage, "\x04": exitUsage} {
		command := exec.CommandContext(t.Context(), p.path, append(slices.Clone(upOnEKS), "--state-dir", m.state)...)
		command.Env = append(os.Environ(), p.variables...)
		got, text := typed(t, command, "Type yes: ", answer)
		if got != code || !strings.Contains(text, "nothing is made") {
			t.Errorf("%q: exit code %d\n%s", answer, got, text)
		}
	}
	if left := m.left(t); len(left) != 0 {
		t.Errorf("left: %q", left)
	}
}
