package workload

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/podidentity/epi/framework/probe"
)

// AgentRequest returns an SDK's request to the agent for credentials with a token.
func AgentRequest(token Token) probe.Request {
	return probe.Request{URL: CredentialsURL, Token: string(token)}
}

// Ask makes requests from the pod, one after the other, and returns the answers to each. Their tokens are sent on standard
// input.
func (p *Probe) Ask(ctx context.Context, requests ...probe.Request) [][]probe.Answer {
	p.env.T.Helper()
	return p.ask(ctx, probe.Batch{Requests: requests})
}

// AskTogether is Ask with simultaneous requests.
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
	reader, writer := io.Pipe()
	answers, err := p.tryAsk(ctx, batch, reader, writer, func() {})
	if err != nil {
		p.env.T.Fatalf("make %d requests in pod %s/%s: %v", len(batch.Requests), p.Pod.Namespace, p.Pod.Name, err)
	}
	return answers
}

// tryAsk sends a batch and then the rest of the input, and decodes the output. It calls began on the first byte, and closes
// writer, the other end of rest, when the output is complete. The probe ends only then, because the last output of a
// command in a container can be lost when it ends.
func (p *Probe) tryAsk(ctx context.Context, batch probe.Batch, rest io.Reader, writer io.Closer, began func()) ([][]probe.Answer, error) {
	defer func() { _ = writer.Close() }() // of a pipe: never fails
	input, err := json.Marshal(batch)
	if err != nil {
		return nil, err
	}
	output := &document{began: began, whole: func() { _ = writer.Close() }}
	if err := p.stream(ctx, Main, io.MultiReader(bytes.NewReader(input), rest), output, probe.CommandAsk); err != nil {
		return nil, err
	}
	var answers [][]probe.Answer
	if err := json.Unmarshal(output.buffer.Bytes(), &answers); err != nil {
		return nil, fmt.Errorf("read %d bytes of answers: %w", output.buffer.Len(), err)
	}
	return answers, nil
}

// Traffic consists of requests that continue in the pod until Stop.
type Traffic struct {
	pod  *Probe
	stop *io.PipeWriter
	done chan struct{}

	answers [][]probe.Answer
	err     error
}

// StartTraffic starts repeating requests, each at most as often as it says, and returns after the first answer.
func (p *Probe) StartTraffic(ctx context.Context, requests ...probe.Request) *Traffic {
	p.env.T.Helper()
	reader, writer := io.Pipe()
	t := &Traffic{pod: p, stop: writer, done: make(chan struct{})}
	p.env.T.Cleanup("traffic", func(context.Context) error { return writer.Close() })
	began := make(chan struct{})
	go func() {
		defer close(t.done)
		t.answers, t.err = p.tryAsk(ctx, probe.Batch{Requests: requests, Together: true, UntilStopped: true}, reader, writer, func() { close(began) })
		_ = reader.Close() // so that Stop does not wait for a reader
	}()
	select {
	case <-began:
	case <-t.done:
		t.fail()
	}
	return t
}

// Stop ends the traffic and returns the answers to each request.
func (t *Traffic) Stop() [][]probe.Answer {
	t.pod.env.T.Helper()
	_, _ = t.stop.Write([]byte{'\n'}) // fails if the traffic has ended, which is reported
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

// document is a line of JSON in transfer. An empty line may precede it.
type document struct {
	buffer       bytes.Buffer
	began, whole func()
}

func (d *document) Write(data []byte) (int, error) {
	if d.buffer.Len() == 0 && len(data) > 0 {
		d.began()
	}
	n, err := d.buffer.Write(data)
	if bytes.HasSuffix(data, []byte{'\n'}) && len(bytes.TrimSpace(d.buffer.Bytes())) > 0 {
		d.whole()
	}
	return n, err
}
