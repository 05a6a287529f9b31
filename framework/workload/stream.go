package workload

import (
	"context"
	"io"

	corev1 "k8s.io/api/core/v1"

	"github.com/podidentity/epi/framework"
)

// ProbeIn returns the probe of a running pod, such as one of a Job's.
func ProbeIn(env *framework.Env, pod *corev1.Pod) *Probe { return &Probe{Pod: pod, env: env} }

// Stream runs the probe's program in the main container with both streams, either of which may be nil, until it or ctx
// ends. The error has the program's last message, without secrets.
func (p *Probe) Stream(ctx context.Context, stdin io.Reader, stdout io.Writer, args ...string) error {
	if stdout == nil {
		stdout = io.Discard
	}
	return p.stream(ctx, Main, stdin, stdout, args...)
}
