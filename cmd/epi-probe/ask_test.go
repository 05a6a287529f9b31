package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/podidentity/epi/framework/probe"
)

func askProbe(t *testing.T, batch probe.Batch) [][]probe.Answer {
	t.Helper()
	input, err := json.Marshal(batch)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := ask(t.Context(), bytes.NewReader(input), &out); err != nil {
		t.Fatal(err)
	}
	var answers [][]probe.Answer
	if err := json.Unmarshal(out.Bytes(), &answers); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	return answers
}

func TestAskSendsTheRequestAsGiven(t *testing.T) {
	var seen *http.Request
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = r
		body, _ = io.ReadAll(r.Body)
		http.Error(w, "no", http.StatusTeapot)
	}))
	defer server.Close()
	answers := askProbe(t, probe.Batch{Requests: []probe.Request{{
		Method: "PUT", URL: server.URL + "/a?b=c", Token: "raw", Body: "text",
		Header: map[string]string{"Host": "evil.example", "X-Forwarded-For": "10.0.0.1"},
	}}})
	if seen.Method != "PUT" || seen.Host != "evil.example" || seen.URL.String() != "/a?b=c" || string(body) != "text" ||
		seen.Header.Get("Authorization") != "raw" || seen.Header.Get("X-Forwarded-For") != "10.0.0.1" {
		t.Errorf("the server saw %s %s of %s with %v and %q", seen.Method, seen.URL, seen.Host, seen.Header, body)
	}
	if a := answers[0][0]; a.Status != http.StatusTeapot || a.Body != "no\n" || a.Header["Content-Type"] != "text/plain; charset=utf-8" || a.Took <= 0 {
		t.Errorf("answer %+v", a)
	}
}

func TestAskReadsTheTokenFileEachTime(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header.Get("Authorization"))
		if err := os.WriteFile(file, []byte("newer"), 0o600); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	if err := os.WriteFile(file, []byte("older"), 0o600); err != nil {
		t.Fatal(err)
	}
	askProbe(t, probe.Batch{Requests: []probe.Request{{URL: server.URL, TokenFile: file, Times: 2}}})
	if strings.Join(seen, " ") != "older newer" {
		t.Errorf("the server saw %q", seen)
	}
	answers := askProbe(t, probe.Batch{Requests: []probe.Request{{URL: server.URL, TokenFile: file + ".gone"}}})
	if f := answers[0][0].Failure; f == nil || !strings.Contains(f.Message, "no such file") {
		t.Errorf("without the file: %+v", answers[0][0])
	}
}

func TestAskDistinguishesCredentialsWithoutShowingThem(t *testing.T) {
	workload(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost { // STS
			_, _ = io.WriteString(w, `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:sts::1:assumed-role/a/b</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>`)
			return
		}
		_, _ = io.WriteString(w, `{"AccessKeyId":"ASIA-`+r.URL.Query().Get("key")+`","SecretAccessKey":"s3cr3t","Token":"t0ken","AccountId":"123456789012","Expiration":"2026-01-02T03:04:05Z"}`)
	}))
	endpoint := os.Getenv("AWS_ENDPOINT_URL")
	answers := askProbe(t, probe.Batch{Requests: []probe.Request{
		{URL: endpoint + "/?key=one", Times: 2, Identify: true}, {URL: endpoint + "/?key=two"},
	}})
	one, two := answers[0][0].Credentials, answers[1][0].Credentials
	if one == nil || two == nil || one.AccessKeyID == two.AccessKeyID || one.AccessKeyID != answers[0][1].Credentials.AccessKeyID || one.SecretAccessKey != two.SecretAccessKey {
		t.Fatalf("answers %+v", answers)
	}
	if one.AccountID != "123456789012" || !one.Expiration.Equal(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)) {
		t.Errorf("credentials %+v", one)
	}
	if identity := answers[0][0].Identity; identity == nil || identity.ARN != "arn:aws:sts::1:assumed-role/a/b" {
		t.Errorf("identity %+v", identity)
	}
	text, err := json.Marshal(answers)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"ASIA-one", "s3cr3t", "t0ken"} {
		if bytes.Contains(text, []byte(secret)) {
			t.Errorf("the answers have %s: %s", secret, text)
		}
	}
}

func TestAskReusesConnectionsOnlyIfAsked(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	answers := askProbe(t, probe.Batch{Requests: []probe.Request{{URL: server.URL, Times: 3, KeepAlive: true}, {URL: server.URL, Times: 3}}})
	if kept := answers[0]; kept[0].Reused || !kept[1].Reused || !kept[2].Reused {
		t.Errorf("kept alive: %+v", kept)
	}
	if fresh := answers[1]; fresh[0].Reused || fresh[1].Reused || fresh[2].Reused {
		t.Errorf("not kept alive: %+v", fresh)
	}
}

func TestAskAtOnce(t *testing.T) {
	var inside atomic.Int32
	all := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if inside.Add(1) == 6 {
			close(all)
		}
		select {
		case <-all:
		case <-r.Context().Done():
		}
	}))
	defer server.Close()
	answers := askProbe(t, probe.Batch{Together: true, Requests: []probe.Request{{URL: server.URL, Times: 3, AtOnce: 3}, {URL: server.URL, Times: 3, AtOnce: 3}}})
	for _, answer := range append(answers[0], answers[1]...) {
		if answer.Status != http.StatusOK {
			t.Errorf("not all six were under way at once: %+v", answer)
		}
	}
}

func TestAskUntilStopped(t *testing.T) {
	for name, tell := range map[string]func(io.WriteCloser){
		"by a byte":           func(w io.WriteCloser) { _, _ = w.Write([]byte{'\n'}) },
		"by the end of input": func(w io.WriteCloser) { _ = w.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			asked := make(chan struct{}, 100)
			server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked <- struct{}{} }))
			defer server.Close()
			input, err := json.Marshal(probe.Batch{UntilStopped: true, Requests: []probe.Request{{URL: server.URL, Times: 10_000, Every: time.Millisecond}}})
			if err != nil {
				t.Fatal(err)
			}
			reader, writer := io.Pipe()
			go func() {
				_, _ = writer.Write(input)
				<-asked
				<-asked
				tell(writer)
			}()
			var out bytes.Buffer
			if err := ask(t.Context(), reader, closing{&out, writer}); err != nil {
				t.Fatal(err)
			}
			var answers [][]probe.Answer
			if err := json.Unmarshal(out.Bytes(), &answers); err != nil || out.Bytes()[0] != '\n' || len(answers[0]) < 2 || len(answers[0]) == 10_000 {
				t.Errorf("%v: %d answers", err, len(answers[0]))
			}
		})
	}
}

// closing closes the input when the answers are there.
type closing struct {
	io.Writer
	input io.Closer
}

func (c closing) Write(data []byte) (int, error) {
	if len(data) > 1 {
		_ = c.input.Close()
	}
	return c.Writer.Write(data)
}

// The probe's last output could be lost if it ended before everything was read.
func TestAskEndsWhenTheCallerHasTheAnswers(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	input, err := json.Marshal(probe.Batch{Requests: []probe.Request{{URL: server.URL}}})
	if err != nil {
		t.Fatal(err)
	}
	stdin, stdout := newPipe(), newPipe()
	ended := make(chan error, 1)
	go func() { ended <- ask(t.Context(), stdin.reader, stdout.writer) }()
	if _, err := stdin.writer.Write(input); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout.reader).ReadString('\n'); err != nil || !strings.HasPrefix(line, "[[{") {
		t.Fatalf("%v: read %q", err, line)
	}
	select {
	case err := <-ended:
		t.Fatalf("it ended (%v) before its input did", err)
	default:
	}
	_ = stdin.writer.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

type pipe struct {
	reader *io.PipeReader
	writer *io.PipeWriter
}

func newPipe() pipe {
	reader, writer := io.Pipe()
	return pipe{reader, writer}
}

func TestAskSaysWhyThereIsNoAnswer(t *testing.T) {
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer silent.Close()
	answers := askProbe(t, probe.Batch{Requests: []probe.Request{{URL: closedAddress(t)}, {URL: silent.URL, Timeout: 20 * time.Millisecond}}})
	for i, says := range []string{"connection refused", "deadline exceeded"} {
		if f := answers[i][0].Failure; f == nil || f.Class != probe.NetworkError || !strings.Contains(f.Message, says) {
			t.Errorf("%s: %+v", says, f)
		}
	}
}

func TestAskRefusesWhatItCannotDo(t *testing.T) {
	for _, input := range []string{"", "[]", `{"requests":[{"times":-1}]}`, `{"requests":[{"atOnce":100000}]}`} {
		if err := ask(t.Context(), strings.NewReader(input), io.Discard); err == nil {
			t.Errorf("%q was accepted", input)
		}
	}
}

func TestAskWithoutHost(t *testing.T) {
	var seen *http.Request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = r
		http.Error(w, "no host", http.StatusForbidden)
	}))
	defer server.Close()
	answer := askProbe(t, probe.Batch{Requests: []probe.Request{{URL: server.URL + "/v1?a=b", Token: "raw", WithoutHost: true}}})[0][0]
	if seen == nil || seen.Proto != "HTTP/1.0" || seen.Host != "" || seen.URL.String() != "/v1?a=b" || seen.Header.Get("Authorization") != "raw" {
		t.Errorf("the server saw %+v", seen)
	}
	if answer.Status != http.StatusForbidden || answer.Body != "no host\n" {
		t.Errorf("answer %+v", answer)
	}
}

// A refusal that repeats its token reveals it to readers of the client's log.
func TestAskReportsWhetherTheAnswerRepeatsTheToken(t *testing.T) {
	const token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"
	for text, want := range map[string]bool{
		"cannot be parsed": false, "cannot be parsed: " + token: true, "signature c2lnbmF0dXJlLW9mLXRoZS10b2tlbg": true,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, text, http.StatusBadRequest) }))
		answer := askProbe(t, probe.Batch{Requests: []probe.Request{{URL: server.URL, Token: token}}})[0][0]
		server.Close()
		if answer.RepeatsToken != want {
			t.Errorf("%q: repeats the token: %t", text, answer.RepeatsToken)
		}
	}
}
