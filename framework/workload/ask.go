package workload

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"sync"

	"github.com/podidentity/epi/framework/probe"
)

// AgentRequest asks the agent for credentials with a token, as an SDK does.
func AgentRequest(token Token) probe.Request {
	return probe.Request{URL: CredentialsURL, Token: string(token)}
}

// Ask makes requests from the pod, one after the other, and returns the answers to each. Their tokens
// travel on standard input.
func (p *Probe) Ask(ctx context.Context, requests ...probe.Request) [][]probe.Answer {
	p.env.T.Helper()
	return p.ask(ctx, probe.Batch{Requests: requests})
}

// AskTogether is Ask with all requests at the same time.
func (p *Probe) AskTogether(ctx context.Context, requests ...probe.Request) [][]probe.Answer {
	p.env.T.Helper()
	return p.ask(ctx, probe.Batch{Requests: requests, Together: true})
}

// AskOnce makes one request.
func (p *Probe) AskOnce(ctx context.Context, request probe.Request) probe.Answer {
	p.env.T.Helper()
	return p.Ask(ctx, request)[0][0]
}

func (p *Probe) ask(ctx context.Context, batch probe.Batch) [][]probe.Answer {
	p.env.T.Helper()
	var output bytes.Buffer
	answers, err := p.tryAsk(ctx, batch, bytes.NewReader(nil), &output, output.Bytes)
	if err != nil {
		p.env.T.Fatalf("make %d requests in pod %s/%s: %v", len(batch.Requests), p.Pod.Namespace, p.Pod.Name, err)
	}
	return answers
}

// tryAsk sends a batch, and then what else there is to read, and decodes what was written in the end.
func (p *Probe) tryAsk(ctx context.Context, batch probe.Batch, rest io.Reader, output io.Writer, written func() []byte) ([][]probe.Answer, error) {
	input, err := json.Marshal(batch)
	if err != nil {
		return nil, err
	}
	if err := p.stream(ctx, Main, io.MultiReader(bytes.NewReader(input), rest), output, probe.CommandAsk); err != nil {
		return nil, err
	}
	var answers [][]probe.Answer
	if err := json.Unmarshal(written(), &answers); err != nil {
		return nil, err
	}
	return answers, nil
}

// Traffic is requests that go on in the pod until Stop.
type Traffic struct {
	pod  *Probe
	stop io.Closer
	done chan struct{}

	answers [][]probe.Answer
	err     error
}

// StartTraffic begins requests that repeat, each as often as it says at most, and returns when the
// first was answered.
func (p *Probe) StartTraffic(ctx context.Context, requests ...probe.Request) *Traffic {
	p.env.T.Helper()
	reader, writer := io.Pipe()
	t := &Traffic{pod: p, stop: writer, done: make(chan struct{})}
	p.env.T.Cleanup("traffic", func(context.Context) error { return writer.Close() })
	output := &signalling{written: make(chan struct{})}
	go func() {
		defer close(t.done)
		t.answers, t.err = p.tryAsk(ctx, probe.Batch{Requests: requests, Together: true, UntilEOF: true}, reader, output, output.buffer.Bytes)
	}()
	select {
	case <-output.written:
	case <-t.done:
		t.fail()
	}
	return t
}

// Stop ends the traffic and returns the answers to each request.
func (t *Traffic) Stop() [][]probe.Answer {
	t.pod.env.T.Helper()
	_ = t.stop.Close() // of a pipe: never fails
	<-t.done
	t.fail()
	return t.answers
}

func (t *Traffic) fail() {
	t.pod.env.T.Helper()
	if t.err != nil {
		t.pod.env.T.Fatalf("make traffic in pod %s/%s: %v", t.pod.Pod.Namespace, t.pod.Pod.Name, t.err)
	}
}

// signalling is a buffer that tells when the first byte was written. It is no io.ReaderFrom, as the
// buffer itself is: that would be filled behind Write's back.
type signalling struct {
	buffer  bytes.Buffer
	written chan struct{}
	once    sync.Once
}

func (s *signalling) Write(data []byte) (int, error) {
	n, err := s.buffer.Write(data)
	s.once.Do(func() { close(s.written) })
	return n, err
}
