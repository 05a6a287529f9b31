package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/podidentity/epi/framework/probe"
)

// ask makes a batch of requests and prints the answers to each in the order of their beginning. It ends when the caller has
// closed stdin, because the last output of a command in a container can be lost when it ends.
func ask(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	var batch probe.Batch
	decoder := json.NewDecoder(stdin)
	if err := decoder.Decode(&batch); err != nil {
		return fmt.Errorf("%w: read the requests: %w", errUsage, err)
	}
	stdin = io.MultiReader(decoder.Buffered(), stdin)
	for i, request := range batch.Requests {
		if request.Times < 0 || request.Times > probe.MaxTimes || request.AtOnce < 0 || request.AtOnce > probe.MaxAtOnce {
			return fmt.Errorf("%w: request %d: at most %d times, %d at once", errUsage, i+1, probe.MaxTimes, probe.MaxAtOnce)
		}
	}
	ended, closed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(closed)
		if batch.UntilStopped {
			_, _ = io.ReadFull(stdin, make([]byte, 1)) // a byte and the end mean the same
			close(ended)
		}
		_, _ = io.Copy(io.Discard, stdin) // the kind of its end does not matter
	}()
	// A reader that waits for the first answers reads an empty line before the JSON.
	report := sync.OnceFunc(func() {
		if batch.UntilStopped {
			_, _ = io.WriteString(stdout, "\n") // a failed write shows at the end
		}
	})
	start := time.Now()
	answers := make([][]probe.Answer, len(batch.Requests))
	var group sync.WaitGroup
	for i, request := range batch.Requests {
		a := &asker{request: request, start: start, ended: ended, report: report}
		if !batch.Together {
			answers[i] = a.all(ctx)
			continue
		}
		group.Go(func() { answers[i] = a.all(ctx) })
	}
	group.Wait()
	if err := json.NewEncoder(stdout).Encode(answers); err != nil {
		return fmt.Errorf("write the answers: %w", err)
	}
	select {
	case <-closed:
	case <-ctx.Done():
	}
	return nil
}

// asker makes one request of a batch as often as it says.
type asker struct {
	request probe.Request
	start   time.Time
	ended   <-chan struct{}
	// report is called when there is an answer.
	report func()
}

func (a *asker) all(ctx context.Context) []probe.Answer {
	transport := &http.Transport{DisableKeepAlives: !a.request.KeepAlive, MaxIdleConnsPerHost: probe.MaxAtOnce}
	defer transport.CloseIdleConnections()
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	times, atOnce := max(a.request.Times, 1), max(a.request.AtOnce, 1)
	answers := make([]probe.Answer, times)
	for begun := 0; begun < times; begun += atOnce {
		if begun > 0 && !a.wait(ctx) {
			return answers[:begun]
		}
		var group sync.WaitGroup
		for i := begun; i < min(begun+atOnce, times); i++ {
			group.Go(func() { answers[i] = a.one(ctx, client) })
		}
		group.Wait()
		a.report()
	}
	return answers
}

// wait is the pause between two requests; false if no other follows.
func (a *asker) wait(ctx context.Context) bool {
	timer := time.NewTimer(a.request.Every)
	defer timer.Stop()
	select {
	case <-a.ended:
		return false
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (a *asker) one(ctx context.Context, client *http.Client) probe.Answer {
	timeout := a.request.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	began := time.Now()
	answer := probe.Answer{At: began.Sub(a.start)}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { answer.Reused = info.Reused }})
	status, header, body, err := a.exchange(ctx, client)
	answer.Took = time.Since(began)
	if err != nil {
		answer.Failure = &probe.Failure{Class: probe.NetworkError, Operation: a.method(), Message: probe.Redact(err.Error())}
		return answer
	}
	answer.Status, answer.Header, answer.Body = status, map[string]string{}, probe.Redact(body)
	answer.RepeatsToken = probe.PiecesOf(a.request.Token).In(body)
	for name := range header {
		answer.Header[name] = header.Get(name)
	}
	var found struct {
		AccessKeyID     string    `json:"AccessKeyId"`
		SecretAccessKey string    `json:"SecretAccessKey"`
		Token           string    `json:"Token"`
		AccountID       string    `json:"AccountId"`
		Expiration      time.Time `json:"Expiration"`
	}
	if json.Unmarshal([]byte(body), &found) != nil || found.AccessKeyID == "" {
		return answer
	}
	answer.Credentials = &probe.Credentials{
		AccessKeyID: probe.Fingerprint(found.AccessKeyID), SecretAccessKey: probe.Fingerprint(found.SecretAccessKey),
		Token: probe.Fingerprint(found.Token), Pieces: probe.PiecesOf(found.SecretAccessKey, found.Token),
		AccountID: found.AccountID, Expiration: found.Expiration,
		Left: found.Expiration.Sub(began.Add(answer.Took)),
	}
	if a.request.Identify {
		identity := identify(ctx, found.AccessKeyID, found.SecretAccessKey, found.Token)
		answer.Identity = &identity
	}
	return answer
}

func (a *asker) method() string {
	if a.request.Method == "" {
		return http.MethodGet
	}
	return a.request.Method
}

func (a *asker) exchange(ctx context.Context, client *http.Client) (int, http.Header, string, error) {
	request, err := http.NewRequestWithContext(ctx, a.method(), a.request.URL, strings.NewReader(a.request.Body))
	if err != nil {
		return 0, nil, "", err
	}
	for name, value := range a.request.Header {
		if name == "Host" {
			request.Host = value
			continue
		}
		request.Header.Set(name, value)
	}
	token := a.request.Token
	if a.request.TokenFile != "" {
		data, err := os.ReadFile(a.request.TokenFile)
		if err != nil {
			return 0, nil, "", err
		}
		token = string(data)
	}
	if token != "" {
		request.Header.Set("Authorization", token)
	}
	send := client.Do
	if a.request.WithoutHost {
		send = sendWithoutHost
	}
	response, err := send(request)
	if err != nil {
		return 0, nil, "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxResponse+1))
	if err == nil && len(body) > maxResponse {
		err = errors.New("answer is too large to be redacted")
	}
	return response.StatusCode, response.Header, string(body), err
}

// sendWithoutHost sends a request as HTTP/1.0, which needs no Host header:
// https://www.rfc-editor.org/rfc/rfc1945#section-5. The answer's body ends with the connection.
func sendWithoutHost(request *http.Request) (*http.Response, error) {
	address := request.URL.Host
	if request.URL.Port() == "" {
		address = net.JoinHostPort(request.URL.Hostname(), "80")
	}
	connection, err := (&net.Dialer{}).DialContext(request.Context(), "tcp", address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = connection.Close() }()
	stop := context.AfterFunc(request.Context(), func() { _ = connection.Close() })
	defer stop()
	var head bytes.Buffer
	fmt.Fprintf(&head, "%s %s HTTP/1.0\r\n", request.Method, request.URL.RequestURI())
	if err := request.Header.Write(&head); err != nil {
		return nil, err
	}
	head.WriteString("\r\n")
	if _, err := connection.Write(head.Bytes()); err != nil {
		return nil, err
	}
	response, err := http.ReadResponse(bufio.NewReader(connection), request)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxResponse+1))
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

// identify asks AWS for the identity of these credentials.
func identify(ctx context.Context, accessKeyID, secretAccessKey, token string) probe.Identity {
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRetryMaxAttempts(1),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(accessKeyID, secretAccessKey, token)))
	if err != nil {
		return probe.Identity{Failure: classify(err)}
	}
	identity := probe.Identity{AccessKeyID: probe.Shorten(accessKeyID)}
	callerIdentity(ctx, cfg, &identity)
	return identity
}
