package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
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
)

const (
	// programVariable has the test binary be the agent, with the arguments that it got.
	programVariable = "EPI_TEST_AS_AGENT"
	// profileVariable names the file of a CPU profile of the agent in the test binary.
	profileVariable = "EPI_BENCH_PROFILE"
	// programsVariable lists other agents to measure, such as that of another commit: command lines, separated by commas.
	programsVariable = "EPI_BENCH_PROGRAMS"
)

const (
	// burst is how many pods ask at once, each with a token that the agent does not know.
	burst = 500
	// answersAfter is how long EKS Auth takes.
	answersAfter = 200 * time.Millisecond
)

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

// BenchmarkBurst measures what 500 cold tokens at once take of the whole program, in a process of its own that is new
// for each burst: the latency of the median, of 99% and of the last pod, the largest resident set, and processor time.
// ns/op is dominated by starting the program.
//
// To compare with another commit, build both programs, name them in EPI_BENCH_PROGRAMS, and run this several times with
// -benchtime 1x: a run measures each program once, in turn.
func BenchmarkBurst(b *testing.B) {
	programs := []string{""}
	if list := os.Getenv(programsVariable); list != "" {
		programs = strings.Split(list, ",")
	}
	for _, program := range programs {
		b.Run("program="+strings.ReplaceAll(filepath.Base(program), " ", "_"), func(b *testing.B) {
			eksAuth := httptest.NewServer(http.HandlerFunc(grant))
			defer eksAuth.Close()
			measured := map[string][]float64{}
			for n := range b.N {
				for unit, value := range burstOnce(b, program, eksAuth.URL, n) {
					measured[unit] = append(measured[unit], value)
				}
			}
			for unit, values := range measured {
				slices.Sort(values)
				b.ReportMetric(values[len(values)/2], unit)
			}
		})
	}
}

// grant answers as EKS Auth does, with a session token of the usual length.
func grant(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	time.Sleep(answersAfter) // what is measured, not a synchronisation
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"credentials":{"accessKeyId":"ASIAEXAMPLE","secretAccessKey":"secret","sessionToken":"%s","expiration":%d},`+
		`"assumedRoleUser":{"arn":"arn:aws:sts::123456789012:assumed-role/reader/eks-epi-pod-1","assumeRoleId":"AROA:eks-epi-pod-1"},`+
		`"podIdentityAssociation":{"associationArn":"a","associationId":"b"},"audience":"pods.eks.amazonaws.com",`+
		`"subject":{"namespace":"a","serviceAccount":"b"}}`, strings.Repeat("t", 800), time.Now().Add(6*time.Hour).Unix())
}

// coldToken is of a service account's usual size.
func coldToken(n int) string {
	encode := base64.RawURLEncoding.EncodeToString
	now := time.Now()
	claims := fmt.Sprintf(`{"aud":["pods.eks.amazonaws.com"],"exp":%d,"iat":%d,"sub":"system:serviceaccount:default:account-%d","pad":"%s"}`,
		now.Add(24*time.Hour).Unix(), now.Unix(), n, strings.Repeat("x", 300))
	return encode([]byte(`{"alg":"RS256","kid":"x"}`)) + "." + encode([]byte(claims)) + "." + strings.Repeat("s", 342)
}

// burstOnce starts an agent, sends it a burst and returns what was measured, by unit.
func burstOnce(b *testing.B, program, eksAuth string, n int) map[string]float64 {
	b.Helper()
	address, process, stop := startAgent(b, program, eksAuth)
	defer stop()
	connections, requests := make([]net.Conn, burst), make([][]byte, burst)
	for i := range burst {
		var err error
		if connections[i], err = net.Dial("tcp", address); err != nil {
			b.Fatal(err)
		}
		defer func() { _ = connections[i].Close() }()
		requests[i] = []byte("GET /v1/credentials HTTP/1.1\r\nHost: 169.254.170.23\r\nAuthorization: " + coldToken(n*burst+i) + "\r\n\r\n")
	}
	before := cpu(b, process)
	latencies, failures := make([]time.Duration, burst), make([]error, burst)
	var group sync.WaitGroup
	start := make(chan struct{})
	var began time.Time
	for i := range burst {
		group.Go(func() {
			<-start
			failures[i] = ask(connections[i], requests[i])
			latencies[i] = time.Since(began)
		})
	}
	began = time.Now()
	close(start)
	group.Wait()
	used := cpu(b, process) - before
	for _, err := range failures {
		if err != nil {
			b.Fatal(err)
		}
	}
	slices.Sort(latencies)
	milliseconds := func(d time.Duration) float64 { return d.Seconds() * 1000 }
	return map[string]float64{
		"p50-ms": milliseconds(latencies[burst/2]), "p99-ms": milliseconds(latencies[burst*99/100]), "last-ms": milliseconds(latencies[burst-1]),
		"cpu-s": used.Seconds(), "peak-MB": peak(b, process),
	}
}

func ask(connection net.Conn, request []byte) error {
	if _, err := connection.Write(request); err != nil {
		return err
	}
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && !bytes.Contains(body, []byte("SecretAccessKey")) {
		err = fmt.Errorf("no credentials in the answer %s %s", response.Status, body)
	}
	return err
}

// startAgent starts a program, or this one for "", and returns the address of pods once it serves.
func startAgent(b *testing.B, program, eksAuth string) (address string, process int, stop func()) {
	b.Helper()
	environment := append(os.Environ(), "AWS_REGION=us-west-2", "AWS_ACCESS_KEY_ID=AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY=secret")
	words := strings.Fields(program)
	if len(words) == 0 {
		words, environment = []string{os.Args[0]}, append(environment, programVariable+"=1")
	}
	port := freePort(b)
	cmd := exec.CommandContext(context.WithoutCancel(b.Context()), words[0], append([]string{
		"server", "--cluster-name=epi", "--endpoint=" + eksAuth, "--bind-hosts=127.0.0.1", "--port=" + port,
		"--probe-port=" + freePort(b), "--metrics-address=127.0.0.1", "--metrics-port=" + freePort(b),
	}, words[1:]...)...)
	cmd.Env = environment
	log, err := os.Create(filepath.Join(b.TempDir(), "log"))
	if err != nil {
		b.Fatal(err)
	}
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	stop = func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			b.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			b.Errorf("the agent ended with %v", err)
		}
		_ = log.Close()
	}
	address = net.JoinHostPort("127.0.0.1", port)
	for begin := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		connection, err := net.Dial("tcp", address)
		if err == nil {
			_ = connection.Close()
			return address, cmd.Process.Pid, stop
		}
		if time.Since(begin) > 10*time.Second {
			stop()
			b.Fatalf("the agent does not listen: %v", err)
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

// cpu is the processor time of the process's threads until now. Those of Go seldom end.
func cpu(b *testing.B, process int) time.Duration {
	b.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", process))
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

// peak is the largest resident set that the process had, in MB.
func peak(b *testing.B, process int) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", process))
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
