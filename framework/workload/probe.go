package workload

import (
	"context"
	"encoding/json"

	corev1 "k8s.io/api/core/v1"

	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/identity"
	"github.com/podidentity/epi/framework/probe"
)

// Probe is a running pod of epi-probe. Its methods do one check in the pod. If the check cannot be made at all, that is the
// harness's fault. The spec judges what it finds.
type Probe struct {
	Pod *corev1.Pod
	env *framework.Env
}

// do runs one operation in a container and decodes its result.
func do[T any](ctx context.Context, p *Probe, container string, args ...string) T {
	p.env.T.Helper()
	var result T
	output, err := p.run(ctx, container, append([]string{"do"}, args...)...)
	if err == nil {
		err = json.Unmarshal(output, &result)
	}
	if err != nil {
		p.env.T.Fatalf("run epi-probe %v in container %s of pod %s/%s: %v", args, container, p.Pod.Namespace, p.Pod.Name, err)
	}
	return result
}

// Caller returns the pod's identity in the SDK's default chain.
func (p *Probe) Caller(ctx context.Context) identity.Caller {
	p.env.T.Helper()
	return identity.Of(do[probe.Identity](ctx, p, Main, probe.OpIdentity), p.env.NodeRole)
}

// CallerIn is Caller in another container.
func (p *Probe) CallerIn(ctx context.Context, container string) identity.Caller {
	p.env.T.Helper()
	return identity.Of(do[probe.Identity](ctx, p, container, probe.OpIdentity), p.env.NodeRole)
}

// Download does what `aws s3 cp s3://bucket/key -` does, HeadObject and then GetObject.
func (p *Probe) Download(bucket, key string) func(context.Context) probe.Object {
	return func(ctx context.Context) probe.Object {
		p.env.T.Helper()
		return do[probe.Object](ctx, p, Main, "--body", probe.OpCopy, bucket, key)
	}
}

// Token returns the claims of the projected token, and never the token, as a container reads it.
func (p *Probe) Token(ctx context.Context, container string) probe.Token {
	p.env.T.Helper()
	return do[probe.Token](ctx, p, container, probe.OpToken)
}

// InitToken is Token for an init container that was created to read it (WithInit, probe.OpToken).
func (p *Probe) InitToken(container string) probe.Token {
	p.env.T.Helper()
	var token probe.Token
	for _, status := range p.Pod.Status.InitContainerStatuses {
		if status.Name != container || status.State.Terminated == nil {
			continue
		}
		if err := json.Unmarshal([]byte(status.State.Terminated.Message), &token); err != nil {
			p.env.T.Fatalf("read what init container %s left: %v", container, err)
		}
		return token
	}
	p.env.T.Fatalf("init container %s of pod %s/%s did not end", container, p.Pod.Namespace, p.Pod.Name)
	return token
}

// Metadata asks the instance metadata service.
func (p *Probe) Metadata(ctx context.Context) probe.Metadata {
	p.env.T.Helper()
	return do[probe.Metadata](ctx, p, Main, probe.OpMetadata)
}

// Links returns the links of the pod's network.
func (p *Probe) Links(ctx context.Context) []probe.Link {
	p.env.T.Helper()
	return p.links(ctx, probe.OpLinks)
}

// RemoveAddress removes an address from the pod's network. The probe must have the permission (MayAdministerNetwork).
func (p *Probe) RemoveAddress(ctx context.Context, address string) {
	p.env.T.Helper()
	p.links(ctx, probe.OpRemoveAddress, address)
}

func (p *Probe) links(ctx context.Context, args ...string) []probe.Link {
	p.env.T.Helper()
	found := do[probe.Links](ctx, p, Main, args...)
	if found.Failure != nil {
		p.env.T.Fatalf("administer the network of pod %s/%s: %s", p.Pod.Namespace, p.Pod.Name, found.Failure)
	}
	return found.Links
}
