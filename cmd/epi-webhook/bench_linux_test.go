package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/util/cert"
)

const (
	// programVariable has the test binary be the webhook, with the arguments that it got.
	programVariable = "EPI_TEST_AS_WEBHOOK"
	// profileVariable names the file of a CPU profile of the webhook in the test binary.
	profileVariable = "EPI_BENCH_PROFILE"
	// programsVariable lists other webhooks to measure, such as that of another commit: paths, separated by commas.
	programsVariable = "EPI_BENCH_PROGRAMS"
)

// reviewsPerSecond is the rate of the requirement: 0.25 CPU-seconds for 1,000 reviews at 500 a second.
const reviewsPerSecond = 500

// connections of HTTP/1.1 at most. A handshake costs as much as ten reviews, so a moment in which the machine does
// something else must not open one for each review that is due.
const connections = 16

// review is the API server's review of a pod with two containers and an init container: with the pod's defaults and
// the volume of the token for the API server.
//
//go:embed testdata/review.json
var review []byte

func TestMain(m *testing.M) {
	if os.Getenv(programVariable) == "" {
		os.Exit(m.Run())
	}
	if file := os.Getenv(profileVariable); file != "" {
		profile(file)
	}
	main()
	pprof.StopCPUProfile()
}

func profile(file string) {
	f, err := os.Create(file)
	if err == nil {
		err = pprof.StartCPUProfile(f)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "CPU profile:", err)
		os.Exit(1)
	}
}

// BenchmarkReviews measures what a review takes of the whole program, in a process of its own: TLS, HTTP, the decision,
// the patch, the log and the metrics. The API server uses HTTP/1.1 for webhooks (k8s.io/apiserver/pkg/util/webhook
// client.go: issue 75791), other clients HTTP/2. The rate is fixed, so ns/op says nothing.
//
// To compare with another commit, build both programs, name them in EPI_BENCH_PROGRAMS, and run this several times:
// a run measures each program once, in turn.
func BenchmarkReviews(b *testing.B) {
	programs := []string{""}
	if list := os.Getenv(programsVariable); list != "" {
		programs = strings.Split(list, ",")
	}
	for _, http2 := range []bool{false, true} {
		for _, program := range programs {
			b.Run(fmt.Sprintf("http2=%t/program=%s", http2, filepath.Base(program)), func(b *testing.B) {
				w := startWebhook(b, program, http2)
				w.load(b, reviewsPerSecond) // after a second there are connections and buffers
				before := w.cpu(b)
				latencies := w.load(b, b.N)
				used := w.cpu(b) - before
				slices.Sort(latencies)
				b.ReportMetric(used.Seconds()/float64(b.N)*1000, "cpu-s/1000reviews")
				b.ReportMetric(latencies[b.N/2].Seconds()*1000, "p50-ms")
				b.ReportMetric(latencies[b.N*99/100].Seconds()*1000, "p99-ms")
				b.ReportMetric(w.peak(b), "peak-MB")
			})
		}
	}
}

// subject is a webhook that runs.
type subject struct {
	process *os.Process
	client  *http.Client
	url     string
}

// startWebhook starts a program, or this one for "", until the benchmark ends.
func startWebhook(b *testing.B, program string, http2 bool) *subject {
	b.Helper()
	certificate, key, err := cert.GenerateSelfSignedCertKey("127.0.0.1", nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	folder := b.TempDir()
	file := func(name string, content []byte) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			b.Fatal(err)
		}
		return path
	}
	port := freePort(b)
	environment := os.Environ()
	if program == "" {
		program, environment = os.Args[0], append(environment, programVariable+"=1")
	}
	cmd := exec.CommandContext(context.WithoutCancel(b.Context()), program, "--in-cluster=false", "--port="+port, "--metrics-port="+freePort(b),
		"--tls-cert="+file("tls.crt", certificate), "--tls-key="+file("tls.key", key),
		"--watch-container-credentials-config="+file("config.json", []byte(`{"identities":[{"namespace":"n","serviceAccount":"acc-7"}]}`)))
	cmd.Env = environment
	log, err := os.Create(filepath.Join(folder, "log"))
	if err != nil {
		b.Fatal(err)
	}
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certificate)
	protocols := &http.Protocols{}
	protocols.SetHTTP1(!http2)
	protocols.SetHTTP2(http2)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, MaxConnsPerHost: connections, MaxIdleConnsPerHost: connections, Protocols: protocols}
	b.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			b.Error(err)
		}
		if err := errors.Join(cmd.Wait(), log.Close()); err != nil {
			b.Errorf("the webhook ended with %v", err)
		}
	})
	w := &subject{process: cmd.Process, client: &http.Client{Transport: transport, Timeout: 10 * time.Second}, url: "https://127.0.0.1:" + port + "/mutate"}
	for begin := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		err := w.ask()
		if err == nil {
			return w
		}
		if time.Since(begin) > 10*time.Second {
			b.Fatalf("the webhook does not answer: %v", err)
		}
	}
}

func freePort(b *testing.B) string {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
}

func (w *subject) ask() error {
	response, err := w.client.Post(w.url, "application/json", bytes.NewReader(review))
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err == nil && !bytes.Contains(answer, []byte(`"patch":`)) {
		err = fmt.Errorf("no patch in the answer %s %s", response.Status, answer)
	}
	return err
}

// load sends n reviews at the rate, however long the answers take, and returns how long each took from when it was due.
func (w *subject) load(b *testing.B, n int) []time.Duration {
	b.Helper()
	latencies, failures := make([]time.Duration, n), make([]error, n)
	var group sync.WaitGroup
	begin := time.Now()
	for i := range n {
		due := begin.Add(time.Duration(i) * time.Second / reviewsPerSecond)
		time.Sleep(time.Until(due))
		group.Go(func() {
			failures[i] = w.ask()
			latencies[i] = time.Since(due)
		})
	}
	group.Wait()
	if err := errors.Join(failures...); err != nil {
		b.Fatal(err)
	}
	return latencies
}

// cpu is the processor time of the webhook's threads until now. Those of Go seldom end.
func (w *subject) cpu(b *testing.B) time.Duration {
	b.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", w.process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	var sum time.Duration
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		onCPU, _, _ := strings.Cut(string(text), " ")
		nanoseconds, err := strconv.ParseInt(onCPU, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(nanoseconds)
	}
	return sum
}

// peak is the largest resident set that the webhook had, in MB.
func (w *subject) peak(b *testing.B) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	var kB float64
	if _, err := fmt.Sscan(rest, &kB); err != nil {
		b.Fatal(err)
	}
	return kB / 1024
}
