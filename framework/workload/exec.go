package workload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/util/exec"
	"k8s.io/streaming/pkg/httpstream"

	"github.com/podidentity/epi/framework/probe"
)

// run executes the probe in a container of the pod and returns its output. An error says that the command could not be run.
// The probe's findings are data.
func (p *Probe) run(ctx context.Context, container string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, p.env.Timeouts.Exec)
	defer cancel()
	var stdout bytes.Buffer
	err := p.stream(ctx, container, nil, &stdout, args...)
	return stdout.Bytes(), err
}

// stream is run with an input, nil for none, and an output, bounded by ctx only.
func (p *Probe) stream(ctx context.Context, container string, stdin io.Reader, stdout io.Writer, args ...string) error {
	executor, err := p.executor(container, stdin != nil, append([]string{probe.Program}, args...))
	if err != nil {
		return err
	}
	var stderr bytes.Buffer
	err = executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdin: stdin, Stdout: stdout, Stderr: &stderr})
	if ended, ok := errors.AsType[exec.ExitError](err); ok {
		return fmt.Errorf("epi-probe ended with code %d: %s", ended.ExitStatus(), lastLine(stderr.String()))
	}
	return err
}

// executor uses WebSocket, as kubectl does, and SPDY with API servers before 1.31.
func (p *Probe) executor(container string, stdin bool, command []string) (remotecommand.Executor, error) {
	request := p.env.Clientset.CoreV1().RESTClient().Post().
		Resource("pods").Namespace(p.Pod.Namespace).Name(p.Pod.Name).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Container: container, Command: command, Stdin: stdin, Stdout: true, Stderr: true}, scheme.ParameterCodec)
	websocket, err := remotecommand.NewWebSocketExecutor(p.env.Config, http.MethodGet, request.URL().String())
	if err != nil {
		return nil, err
	}
	spdy, err := remotecommand.NewSPDYExecutor(p.env.Config, http.MethodPost, request.URL())
	if err != nil {
		return nil, err
	}
	return remotecommand.NewFallbackExecutor(websocket, spdy, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
}

// lastLine returns a program's message about its end, in one line and without secrets. The text after a blank line is help
// for interactive users.
func lastLine(stderr string) string {
	said, _, _ := strings.Cut(strings.TrimSpace(stderr), "\n\n")
	return probe.Redact(strings.Join(strings.Fields(said), " "))
}
