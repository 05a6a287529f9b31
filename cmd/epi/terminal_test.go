//go:build unix

package main

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/reports"
)

// hangTime is how long a program may take that should have ended long before.
const hangTime = 2 * time.Minute

// The behaviour of these tests' provider, by variables of its program.
const (
	// variableEnvironment is a file with the environment that it brings up.
	variableEnvironment = "TEST_ENVIRONMENT"
	// variableBlock names the step at which it waits for the end of its context, and variablePanic the one at which it
	// panics.
	variableBlock, variablePanic = "TEST_BLOCK", "TEST_PANIC"
	// variableStuck, if set, makes removal wait forever.
	variableStuck = "TEST_STUCK"
)

// Steps of the provider of these tests.
const (
	stepEngine, stepImage, stepCluster = "Container engine", "Node image", "Cluster"
	stepRemove                         = "Remove cluster"
)

// beEpi makes this test binary run as epi with these tests' provider.
func beEpi() {
	a := newApp(newStream(os.Stdout), newStream(os.Stderr), os.LookupEnv)
	a.kind = func(dirs clusters.Dirs) clusters.Provider { return simulated{dirs} }
	start(a)
}

// simulated is a provider that shows the steps of a real one and creates only the folder of the environment.
type simulated struct{ dirs clusters.Dirs }

func (p simulated) Up(ctx context.Context, spec clusters.Spec, progress clusters.Progress) (*clusters.Environment, error) {
	if _, err := clusters.MakeEnvironmentDir(p.dirs, spec.Name, "simulated"); err != nil {
		return nil, err
	}
	if err := p.show(ctx, progress); err != nil {
		return nil, errors.Join(err, p.Down(context.WithoutCancel(ctx), spec.Name, progress))
	}
	var env clusters.Environment
	data, err := os.ReadFile(os.Getenv(variableEnvironment))
	if err == nil {
		err = json.Unmarshal(data, &env)
	}
	if err != nil {
		return nil, err
	}
	env.Name = spec.Name
	return &env, clusters.SaveEnvironment(p.dirs, &env)
}

// show shows two steps at the same time, with more words than fit into a line, and one after them.
func (p simulated) show(ctx context.Context, progress clusters.Progress) error {
	for _, names := range [][]string{{stepEngine}, {stepImage, "Images of emulator, agent, webhook and probe"}, {stepCluster}} {
		var tasks []clusters.Task
		for _, name := range names {
			task := progress.Start(name)
			task.Detail("%s", strings.Repeat("many words about what is done now; ", 10)+"\nand a second line")
			tasks = append(tasks, task)
		}
		switch names[0] {
		case os.Getenv(variablePanic):
			panic("on purpose")
		case os.Getenv(variableBlock):
			<-ctx.Done()
		}
		for _, task := range tasks {
			task.End(context.Cause(ctx))
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

func (p simulated) Down(_ context.Context, name string, progress clusters.Progress) error {
	task := progress.Start(stepRemove)
	if os.Getenv(variableStuck) != "" {
		select {}
	}
	err := clusters.RemoveEnvironmentDir(p.dirs, name)
	task.End(err)
	return err
}

// program is an installation of epi in its own folder, with a simulated cluster.
type program struct {
	dir, path string
	variables []string
}

// install puts epi, with its programs beside it, into a folder.
func install(t *testing.T) *program {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &program{dir: t.TempDir()}
	p.path = filepath.Join(p.dir, "bin", "epi")
	if err := os.Mkdir(filepath.Dir(p.path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(self, p.path); err != nil { // on another file system
		data, err := os.ReadFile(self)
		if err == nil {
			err = os.WriteFile(p.path, data, 0o700)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"epi-agent", "epi-webhook", "epi-emulator", "epi-probe", "epi-runc"} {
		if err := os.WriteFile(filepath.Join(filepath.Dir(p.path), name), nil, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	// There is no container engine, so nothing of this machine's is read.
	p.variables = []string{"PATH=" + filepath.Dir(p.path), "HOME=" + p.dir, beProgram + "=1"}
	return p
}

func (p *program) state() string { return filepath.Join(p.dir, "state") }

// environment is the folder of the environment that the program brings up.
func (p *program) environment() string {
	return filepath.Join(p.state(), "clusters", "epi")
}

// withCluster gives the program the environment of an API server that is ready. handle answers everything else.
func (p *program) withCluster(t *testing.T, handle http.HandlerFunc) *program {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, known := discovery[r.URL.Path]; known {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, body) // a client that is gone
			return
		}
		handle(w, r)
	}))
	t.Cleanup(func() {
		server.CloseClientConnections() // from a program that was stopped during a request
		server.Close()
	})
	kubeconfig, file := filepath.Join(p.dir, "kubeconfig"), filepath.Join(p.dir, "environment.json")
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	env := &clusters.Environment{
		Provider: "simulated", ClusterName: "epi", Kubeconfig: kubeconfig, Nodes: 1, Region: "us-west-2",
		AWS:      clusters.AWS{EndpointURL: server.URL, PodEndpointURL: server.URL, AccessKeyID: "AKIAEXAMPLE", SecretAccessKey: "secret"},
		Subjects: []clusters.Subject{{Role: "agent", Reference: true}, {Role: "webhook", Reference: true}},
	}
	for path, value := range map[string]any{
		file: env,
		kubeconfig: map[string]any{
			"apiVersion": "v1", "kind": "Config", "current-context": "c",
			"contexts": []any{map[string]any{"name": "c", "context": map[string]any{"cluster": "c", "user": "u"}}},
			"clusters": []any{map[string]any{"name": "c", "cluster": map[string]any{"server": server.URL, "certificate-authority-data": authority}}},
			"users":    []any{map[string]any{"name": "u", "user": map[string]any{"token": "t"}}},
		},
	} {
		data, err := json.Marshal(value)
		if err == nil {
			err = os.WriteFile(path, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	p.variables = append(p.variables, variableEnvironment+"="+file)
	env.Name = "up"
	if err := clusters.SaveEnvironment(clusters.Dirs{State: p.state()}, env); err != nil {
		t.Fatal(err)
	}
	return p
}

// discovery has the API server's answers that the first request of a spec needs.
var discovery = map[string]string{
	"/readyz": "ok",
	"/api":    `{"kind":"APIVersions","versions":["v1"]}`,
	"/apis":   `{"kind":"APIGroupList","apiVersion":"v1","groups":[]}`,
	"/api/v1": `{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"v1","resources":[
		{"name":"namespaces","singularName":"namespace","namespaced":false,"kind":"Namespace","verbs":["create","delete","get"]}]}`,
	"/api/v1/nodes": `{"kind":"NodeList","apiVersion":"v1","items":[]}`,
}

// refuse is an API server that refuses everything.
func refuse(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"on purpose"}`, http.StatusForbidden)
}

// atTerminal is a program at a terminal.
type atTerminal struct {
	t       *testing.T
	command *exec.Cmd
	master  *os.File
	ended   chan struct{} // closed when the program's output has ended

	mu   sync.Mutex
	seen strings.Builder
	more chan struct{}
}

// terminalKind is a kind of terminal.
type terminalKind struct {
	columns, rows uint16
	variables     []string
}

var usual = terminalKind{80, 24, []string{"TERM=xterm-256color"}}

func (p *program) command(args []string, variables ...string) *exec.Cmd {
	if !slices.Contains(args, "aws") {
		args = append(args, "--state-dir", p.state(), "--cache-dir", filepath.Join(p.dir, "cache"))
	}
	command := exec.Command(p.path, args...) // tests end it through the terminal
	command.Dir = p.dir
	command.Env = slices.Concat(p.variables, variables, []string{"EPI_STATE_DIR=" + p.state()})
	return command
}

// start starts the program at its own terminal, which controls it.
func (p *program) start(t *testing.T, look terminalKind, args ...string) *atTerminal {
	t.Helper()
	r := &atTerminal{t: t, command: p.command(args, look.variables...), ended: make(chan struct{}), more: make(chan struct{}, 1)}
	var err error
	r.master, err = pty.StartWithSize(r.command, &pty.Winsize{Cols: look.columns, Rows: look.rows})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(r.ended)
		buffer := make([]byte, 4096)
		for {
			n, err := r.master.Read(buffer)
			r.mu.Lock()
			r.seen.Write(buffer[:n])
			r.mu.Unlock()
			select {
			case r.more <- struct{}{}:
			default:
			}
			if err != nil { // the program has ended
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = r.command.Process.Kill() // it may have ended
		_ = r.master.Close()
	})
	return r
}

func (r *atTerminal) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen.String()
}

// await waits until the program has written text.
func (r *atTerminal) await(text string) {
	r.t.Helper()
	deadline := time.After(hangTime)
	for !strings.Contains(r.text(), text) {
		select {
		case <-r.more:
		case <-r.ended:
			if !strings.Contains(r.text(), text) {
				r.t.Fatalf("ended without %q:\n%s", text, r.text())
			}
		case <-deadline:
			r.t.Fatalf("does not write %q:\n%s", text, r.text())
		}
	}
}

// pressControlC types it.
func (r *atTerminal) pressControlC() {
	r.t.Helper()
	if _, err := io.WriteString(r.master, controlC); err != nil {
		r.t.Fatal(err)
	}
}

const controlC = "\x03"

// wait waits for the program's end and returns its exit code and what it wrote.
func (r *atTerminal) wait() (int, string) {
	r.t.Helper()
	code := waitFor(r.t, r.command, r.text)
	<-r.ended
	return code, r.text()
}

func waitFor(t *testing.T, command *exec.Cmd, text func() string) int {
	t.Helper()
	result := make(chan error, 1)
	go func() { result <- command.Wait() }()
	select {
	case err := <-result:
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
	case <-time.After(hangTime):
		_ = command.Process.Kill()
		t.Fatalf("epi %s does not end:\n%s", strings.Join(command.Args[1:], " "), text())
	}
	return command.ProcessState.ExitCode()
}

var colours = regexp.MustCompile(`\x1b\[([0-9;]*)m`)

// checkLeft reports what a program that has ended has left wrong with its terminal.
func checkLeft(t *testing.T, text string) {
	t.Helper()
	if strings.LastIndex(text, "\x1b[?25l") > strings.LastIndex(text, "\x1b[?25h") {
		t.Errorf("the cursor stays hidden:\n%q", text)
	}
	if strings.LastIndex(text, "\x1b[?1049h") > strings.LastIndex(text, "\x1b[?1049l") {
		t.Errorf("the other screen stays:\n%q", text)
	}
	if all := colours.FindAllStringSubmatch(text, -1); len(all) > 0 && all[len(all)-1][1] != "0" && all[len(all)-1][1] != "" {
		t.Errorf("a colour stays:\n%q", text)
	}
	if text != "" && !strings.HasSuffix(text, "\n") && !strings.HasSuffix(text, "A\x1b[J") {
		t.Errorf("the last line does not end:\n%q", text[max(0, len(text)-200):])
	}
}

// offline are flags of a run of one spec in a simulated cluster.
var offline = []string{"--label-filter", "INJ-05", "--focus", "of other service accounts", "--procs", "1"}

func TestEveryVerbEndsAtATerminal(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	anyVerdict := []int{exitFailed, exitEnvironment}
	for _, verb := range []struct {
		args  []string
		codes []int
		says  string
	}{
		{append([]string{"run", "--bench", "none"}, offline...), anyVerdict, "report.html"},
		{append([]string{"run", "--bench", "warm", "--keep"}, offline...), anyVerdict, "report.html"},
		{[]string{"up"}, []int{exitHeld}, "is up"},
		{append([]string{"test", "--name", "up"}, offline...), anyVerdict, "report.html"},
		{[]string{"test", "--name", "up", "--list"}, []int{exitHeld}, "INJ-05"},
		{[]string{"test", "--name", "nosuch"}, []int{exitEnvironment}, "epi up --name nosuch"},
		{[]string{"bench", "--name", "up", "--scenario", "warm"}, []int{exitEnvironment}, "report.html"},
		{[]string{"bench", "--url", server.URL, "--rate", "50", "--duration", "100ms", "--repeats", "1"}, []int{exitHeld}, "report.html"},
		{[]string{"bench", "--list"}, []int{exitHeld}, "warm"},
		{[]string{"down", "--name", "up"}, []int{exitHeld}, stepRemove},
		{[]string{"down", "--name", "nosuch"}, []int{exitHeld}, ""},
		{[]string{"down", "--all"}, []int{exitHeld}, ""},
		{[]string{"compare", "nosuch", "nosuch"}, []int{exitUsage}, "nosuch"},
		{[]string{"report", "nosuch"}, []int{exitUsage}, "nosuch"},
		{[]string{"aws", "--name", "up", "--", "epi", "version"}, []int{exitHeld}, "epi"},
		{[]string{"images", "--file", "images.tar"}, []int{exitHeld}, "epi-agent"},
		{[]string{"version"}, []int{exitHeld}, "epi"},
		{[]string{"help", "exit-codes"}, []int{exitHeld}, "130"},
		{[]string{"walkthrough"}, []int{exitHeld}, "epi"},
		{[]string{"upp"}, []int{exitUsage}, "upp"},
	} {
		t.Run(strings.Join(verb.args[:min(3, len(verb.args))], " "), func(t *testing.T) {
			t.Parallel()
			r := install(t).withCluster(t, refuse).start(t, usual, verb.args...)
			for _, size := range []pty.Winsize{{Cols: 40, Rows: 10}, {Cols: 200, Rows: 60}, {Cols: 3, Rows: 2}} {
				if err := pty.Setsize(r.master, &size); err != nil {
					t.Fatal(err)
				}
			}
			code, text := r.wait()
			if !slices.Contains(verb.codes, code) || !strings.Contains(text, verb.says) {
				t.Errorf("exit code %d, want %d and %q:\n%s", code, verb.codes, verb.says, text)
			}
			checkLeft(t, text)
		})
	}
}

// Commands without steps also end on each kind of terminal, and write only control sequences that it supports.
func TestVerbsWithoutStepsEndOnEveryTerminal(t *testing.T) {
	looks := []struct {
		terminalKind
		name string
	}{
		{usual, "usual"},
		{terminalKind{40, 24, usual.variables}, "40 columns"},
		{terminalKind{80, 24, []string{"TERM=dumb"}}, "dumb"},
		{terminalKind{80, 24, append([]string{"NO_COLOR=1"}, usual.variables...)}, "NO_COLOR"},
		{terminalKind{0, 0, usual.variables}, "no size"},
	}
	for i, verb := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"list"}, exitHeld, "up"},
		{[]string{"list", "-o", "json"}, exitHeld, "up"},
		{[]string{"status", "--name", "up"}, exitEnvironment, "up"},
		{[]string{"status", "nosuch"}, exitEnvironment, "epi up --name nosuch"},
		{[]string{"logs", "--name", "nosuch"}, exitEnvironment, "epi up --name nosuch"},
		{[]string{"logs", "agnet"}, exitUsage, "agent"},
		{[]string{"load", "my/app:dev", "--name", "nosuch"}, exitEnvironment, "epi up --name nosuch"},
		{[]string{"load"}, exitUsage, "no image"},
		{[]string{"cloud"}, exitHeld, "epi cloud up"},
		{[]string{"cloud", "env"}, exitEnvironment, "epi cloud up --name cloud"},
		{[]string{"cloud", "status"}, exitEnvironment, "epi cloud up --name cloud"},
		{[]string{"cloud", "down"}, exitHeld, ""},
		{[]string{"cloud", "up", "--region", "nowhere"}, exitUsage, "us-east-1"},
		{[]string{"janitor", "--account", "12"}, exitUsage, "twelve digits"},
		{[]string{"history", "add", "nosuch", "--store", "st"}, exitUsage, "nosuch"},
		{[]string{"history", "page", "--store", "nosuch", "--out", "p"}, exitUsage, "nosuch"},
		{[]string{"badge", "nosuch"}, exitUsage, "nosuch"},
		{[]string{"verify", "nosuch"}, exitUsage, "nosuch"},
		{[]string{"compare", "nosuch"}, exitUsage, "OLD"},
		{[]string{"completion", "bash"}, exitHeld, "__start_epi"},
	} {
		look := looks[i%len(looks)]
		t.Run(strings.Join(verb.args, " ")+", "+look.name, func(t *testing.T) {
			t.Parallel()
			code, text := install(t).withCluster(t, refuse).start(t, look.terminalKind, verb.args...).wait()
			if code != verb.code || !strings.Contains(text, verb.says) {
				t.Errorf("exit code %d, want %d and %q:\n%s", code, verb.code, verb.says, text)
			}
			if look.name == "dumb" && strings.Contains(text, "\x1b") || look.name == "NO_COLOR" && colours.MatchString(text) {
				t.Errorf("more than it knows:\n%q", text)
			}
			checkLeft(t, text)
		})
	}
}

func TestEveryTerminalGetsWhatItKnows(t *testing.T) {
	for _, row := range []struct {
		name                  string
		look                  terminalKind
		color                 string
		redrawn, coloured, at bool
	}{
		{"usual", usual, "auto", true, true, true},
		{"no size", terminalKind{0, 0, usual.variables}, "auto", false, true, true},
		{"narrow", terminalKind{5, 3, usual.variables}, "auto", true, true, true},
		{"one row", terminalKind{80, 1, usual.variables}, "auto", false, true, true},
		{"dumb", terminalKind{80, 24, []string{"TERM=dumb"}}, "auto", false, false, true},
		{"unnamed", terminalKind{80, 24, nil}, "auto", false, false, true},
		{"NO_COLOR", terminalKind{80, 24, append([]string{"NO_COLOR=1"}, usual.variables...)}, "auto", true, false, true},
		{"NO_COLOR empty", terminalKind{80, 24, append([]string{"NO_COLOR="}, usual.variables...)}, "auto", true, true, true},
		{"never", usual, "never", false, false, true},
		{"always", terminalKind{80, 24, append([]string{"NO_COLOR=1"}, usual.variables...)}, "always", true, true, true},
		{"piped", usual, "auto", false, false, false},
		{"piped, always", usual, "always", false, true, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			p := install(t).withCluster(t, refuse)
			args := append([]string{"run", "--bench", "none", "--color", row.color}, offline...)
			var text string
			var code int
			if row.at {
				p.variables = append(p.variables, variableBlock+"="+stepCluster)
				r := p.start(t, row.look, args...)
				if row.redrawn && row.look.columns > 20 {
					r.await(stepCluster + " (") // begins when the others have ended
				}
				r.await(" Images of emulator, agent, webhook and probe (")
				if row.redrawn {
					r.await("\x1b[J") // two drawings
				}
				r.pressControlC()
				code, text = r.wait()
				if code != exitInterrupted {
					t.Errorf("exit code %d, want %d", code, exitInterrupted)
				}
				checkLeft(t, text)
			} else {
				output, err := p.command(args, row.look.variables...).CombinedOutput()
				if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
					t.Fatal(err)
				}
				text = string(output)
			}
			if got := strings.Contains(text, "\x1b[J"); got != row.redrawn {
				t.Errorf("redrawn: %t, want %t:\n%q", got, row.redrawn, text)
			}
			if got := colours.MatchString(text); got != row.coloured {
				t.Errorf("coloured: %t, want %t:\n%q", got, row.coloured, text)
			}
			if !row.redrawn && !row.coloured && strings.Contains(text, "\x1b") {
				t.Errorf("escapes:\n%q", text)
			}
			for _, step := range []string{stepEngine, stepImage, "Images of emulator"} {
				if !strings.Contains(text, "✓ "+step) && !strings.Contains(text, "✓\x1b[0m "+step) {
					t.Errorf("does not mention %q:\n%s", step, text)
				}
			}
		})
	}
}

func TestControlCIsAnsweredAndCleanedUpAfterInEveryPhase(t *testing.T) {
	blocked := make(chan struct{})
	t.Cleanup(func() { close(blocked) })
	wait := func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost { // removal is refused at once
			_, _ = io.Copy(io.Discard, r.Body) // before that the server does not notice that the client is gone
			select {
			case <-blocked:
			case <-r.Context().Done():
			}
		}
		refuse(w, r)
	}
	for _, row := range []struct {
		name, block, at string
		args            []string
	}{
		{"engine", stepEngine, "many words", append([]string{"run"}, offline...)},
		{"node image", stepImage, "Images of emulator", append([]string{"run"}, offline...)},
		{"cluster", stepCluster, stepCluster, append([]string{"run"}, offline...)},
		{"up", stepCluster, stepCluster, []string{"up"}},
		{"suites", "", "now: ", append([]string{"run"}, offline...)},
		{"test", "", "now: ", append([]string{"test", "--name", "up"}, offline...)},
		{"bench", "", "making identities", []string{"bench", "--name", "up", "--scenario", "warm"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			p := install(t).withCluster(t, wait)
			if row.block != "" {
				p.variables = append(p.variables, variableBlock+"="+row.block)
			}
			r := p.start(t, terminalKind{80, 24, []string{"TERM=xterm", "NO_COLOR=1"}}, row.args...)
			r.await(row.at)
			r.pressControlC()
			r.await("Interrupted: removing what was made")
			code, text := r.wait()
			if code != exitInterrupted {
				t.Errorf("exit code %d, want %d:\n%s", code, exitInterrupted, text)
			}
			if _, err := os.Stat(p.environment()); !os.IsNotExist(err) {
				t.Errorf("the environment is left: %v", err)
			}
			if strings.Contains(text, "✗") {
				t.Errorf("what was stopped is reported as failed:\n%s", text)
			}
			checkLeft(t, text)
		})
	}
}

func TestASecondControlCSaysWhatIsLeft(t *testing.T) {
	t.Parallel()
	p := install(t)
	p.variables = append(p.variables, variableBlock+"="+stepCluster, variableStuck+"=1")
	r := p.start(t, usual, "up")
	r.await(stepCluster + " (")
	r.pressControlC()
	r.await("press Ctrl-C again")
	r.await(stepRemove)
	r.pressControlC()
	code, text := r.wait()
	if want := "epi down --name epi --state-dir " + p.state(); code != exitInterrupted || !strings.Contains(text, "Left: environment \"epi\"") || !strings.Contains(text, want) {
		t.Errorf("exit code %d, want %d and %q:\n%s", code, exitInterrupted, want, text)
	}
	checkLeft(t, text)
}

func TestControlCEndsAVerbThatMakesNothing(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	r := install(t).start(t, usual, "bench", "--url", server.URL, "--rate", "50", "--duration", "1m", "--repeats", "1")
	r.await("Calibrate")
	r.pressControlC()
	code, text := r.wait()
	if code != exitInterrupted || !strings.Contains(text, "Interrupted") {
		t.Errorf("exit code %d:\n%s", code, text)
	}
	checkLeft(t, text)
}

func TestOtherSignalsCleanUpToo(t *testing.T) {
	// A program started by nohup ignores SIGHUP, and so would its children. A caught signal is reset to the default in
	// them.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(hangups) })
	for _, row := range []struct {
		name string
		send func(*atTerminal) error
		code int
	}{
		{"SIGTERM", func(r *atTerminal) error { return r.command.Process.Signal(syscall.SIGTERM) }, 143},
		{"SIGTERM to the group as well", func(r *atTerminal) error {
			return errors.Join(r.command.Process.Signal(syscall.SIGTERM), syscall.Kill(-r.command.Process.Pid, syscall.SIGTERM))
		}, 143},
		{"SIGHUP", func(r *atTerminal) error { return r.command.Process.Signal(syscall.SIGHUP) }, 129},
		{"SIGHUP twice", func(r *atTerminal) error {
			return errors.Join(r.command.Process.Signal(syscall.SIGHUP), syscall.Kill(-r.command.Process.Pid, syscall.SIGHUP))
		}, 129},
		{"terminal closed", func(r *atTerminal) error { return r.master.Close() }, 129},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			p := install(t)
			p.variables = append(p.variables, variableBlock+"="+stepImage)
			r := p.start(t, usual, "run")
			r.await(stepImage + " (")
			if err := row.send(r); err != nil {
				t.Fatal(err)
			}
			if code := waitFor(t, r.command, r.text); code != row.code {
				t.Errorf("exit code %d, want %d:\n%s", code, row.code, r.text())
			}
			if _, err := os.Stat(p.environment()); !os.IsNotExist(err) {
				t.Errorf("the environment is left: %v", err)
			}
			if files, err := filepath.Glob(filepath.Join(p.dir, "_artifacts", "latest", "report.html")); err != nil || len(files) != 1 {
				t.Errorf("no report: %v", err)
			}
		})
	}
}

func TestOutputThatNobodyReadsEndsNothing(t *testing.T) {
	t.Parallel()
	p := install(t)
	p.variables = append(p.variables, variableBlock+"="+stepImage)
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	command := p.command([]string{"run"})
	command.Stdout, command.Stderr = writer, writer
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill() })
	_ = writer.Close()
	// A reader such as head, which ends after the first line.
	if _, err := reader.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	_ = reader.Close()
	if err := command.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if code := waitFor(t, command, func() string { return "" }); code != exitInterrupted {
		t.Errorf("exit code %d, want %d", code, exitInterrupted)
	}
	if _, err := os.Stat(p.environment()); !os.IsNotExist(err) {
		t.Errorf("the environment is left: %v", err)
	}
}

func TestATerminalThatDoesNotReadHoldsNoCleanUpUp(t *testing.T) {
	t.Parallel()
	p := install(t)
	p.variables = append(p.variables, variableBlock+"="+stepImage, "TERM=xterm")
	command := p.command([]string{"run"})
	master, err := pty.StartWithSize(command, &pty.Winsize{Cols: 80, Rows: 24})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = master.Close()
	})
	// Nothing reads from master, so after some drawings the program's write waits.
	deadline := time.Now().Add(hangTime)
	for _, there := range []bool{true, false} {
		for {
			if _, err := os.Stat(p.environment()); (err == nil) == there {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("the environment's folder is there: %t", !there)
			}
			time.Sleep(10 * time.Millisecond)
		}
		if _, err := io.WriteString(master, controlC); err != nil {
			t.Fatal(err)
		}
	}
	if code := waitFor(t, command, func() string { return "" }); code != exitInterrupted {
		t.Errorf("exit code %d, want %d", code, exitInterrupted)
	}
}

func TestAFullPipeThatNobodyReadsHoldsNoCleanUpUp(t *testing.T) {
	t.Parallel()
	p := install(t)
	p.variables = append(p.variables, variableBlock+"="+stepImage)
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = reader.Close() }) // open, and not read
	if err := writer.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := writer.Write(make([]byte, 8<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the pipe is not full: %v", err)
	}
	command := p.command([]string{"run"})
	command.Stdout, command.Stderr = writer, writer
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill() }) // it may have ended
	_ = writer.Close()
	deadline := time.Now().Add(hangTime)
	for _, there := range []bool{true, false} {
		for {
			if _, err := os.Stat(p.environment()); (err == nil) == there {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("the environment's folder is there: %t", !there)
			}
			time.Sleep(10 * time.Millisecond)
		}
		if err := command.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
	}
	if code := waitFor(t, command, func() string { return "" }); code != exitInterrupted {
		t.Errorf("exit code %d, want %d", code, exitInterrupted)
	}
}

func TestADefectOfEpiIsNoVerdictAndLeavesTheTerminalWell(t *testing.T) {
	t.Parallel()
	p := install(t)
	p.variables = append(p.variables, variablePanic+"="+stepCluster)
	code, text := p.start(t, usual, "up").wait()
	if code != exitEnvironment {
		t.Errorf("exit code %d, want %d", code, exitEnvironment)
	}
	for _, says := range []string{"on purpose", "terminal_test.go", "epi down --name epi"} {
		if !strings.Contains(text, says) {
			t.Errorf("does not say %q:\n%s", says, text)
		}
	}
	checkLeft(t, text)
}

func TestAnIgnoredSignalStaysIgnored(t *testing.T) {
	t.Parallel()
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no shell: ", err)
	}
	p := install(t)
	p.variables = append(p.variables, variableBlock+"="+stepCluster)
	command := exec.Command(shell, "-c", `trap "" HUP; exec "$@"`, "sh", p.path, "up", "--state-dir", p.state(), "--color", "always") // as above
	command.Dir, command.Env = p.dir, slices.Concat(p.variables, usual.variables)
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	command.Stderr = writer
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	_ = writer.Close()
	t.Cleanup(func() { _ = command.Process.Kill() })
	if _, err := reader.Read(make([]byte, 1)); err != nil { // the program has begun
		t.Fatal(err)
	}
	for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGTERM} {
		if err := command.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	rest, _ := io.ReadAll(reader) // ends with the program
	if code := waitFor(t, command, func() string { return string(rest) }); code != 143 {
		t.Errorf("exit code %d, want that of SIGTERM:\n%s", code, rest)
	}
}

func TestRunsThatShareArtifactsReportTheirOwn(t *testing.T) {
	t.Parallel()
	p := install(t).withCluster(t, refuse)
	var group sync.WaitGroup
	for n := range 3 {
		group.Go(func() {
			name := fmt.Sprintf("shared%d", n)
			output, err := p.command(append([]string{"run", "--name", name, "--bench", "none", "--artifacts", "shared"}, offline...)).Output()
			if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
				t.Errorf("run %d: %v", n, err)
				return
			}
			files := regexp.MustCompile(`shared/\S+/results\.json`).FindAllString(string(output), -1)
			if len(files) != 1 {
				t.Errorf("run %d names %q:\n%s", n, files, output)
				return
			}
			data, err := os.ReadFile(filepath.Join(p.dir, files[0]))
			if err != nil || !strings.Contains(string(data), `"name": "`+name+`"`) {
				t.Errorf("run %d names the results of another (%v)", n, err)
			}
		})
	}
	group.Wait()
}

// A second run says what changed since the first, at a terminal of any width and in a pipe.
func TestTheLastScreenSaysWhatChanged(t *testing.T) {
	t.Parallel()
	p := install(t).withCluster(t, refuse)
	args := append([]string{"test", "--name", "up"}, offline...)
	if _, text := p.start(t, usual, args...).wait(); strings.Contains(text, "Since ") {
		t.Errorf("there was no run before:\n%s", text)
	}
	// The first run's undecided spec is recorded as held, so that the second differs from it.
	files, err := filepath.Glob(filepath.Join(p.dir, "_artifacts", "2*", reports.ResultsFile))
	if err != nil || len(files) != 1 {
		t.Fatalf("%q, %v", files, err)
	}
	run, err := reports.Open(files[0])
	if err != nil || len(run.Specs) != 1 {
		t.Fatalf("%d specs, %v", len(run.Specs), err)
	}
	run.Specs[0].Outcome, run.Specs[0].Failure = reports.Fail, &reports.Failure{Message: "no"}
	if err := reports.WriteDir(filepath.Dir(files[0]), reports.NewFindings(run)); err != nil {
		t.Fatal(err)
	}
	for _, look := range []terminalKind{usual, {40, 12, usual.variables}, {80, 24, []string{"TERM=dumb"}}} {
		code, text := p.start(t, look, args...).wait()
		if code != exitEnvironment && code != exitFailed || !strings.Contains(text, "Since "+run.ID) {
			t.Errorf("%d columns, exit code %d:\n%s", look.columns, code, text)
		}
		checkLeft(t, text)
	}
	output, _ := p.command(args).CombinedOutput() // its code is that of the others
	if !strings.Contains(string(output), "Since "+run.ID) || strings.Contains(string(output), "\x1b") {
		t.Errorf("piped:\n%q", output)
	}
}
