// Package clusters is whatever must be running before the first spec: it names what a
// provider brings up (Environment), what it is asked for (Spec) and how it reports the steps
// in between (Progress). Providers live in the folders below; this package imports none of them.
package clusters

import (
	"context"
	"errors"
	"fmt"
)

// Progress receives the steps of long work, in the order in which they start. Steps may overlap.
type Progress interface {
	// Start announces a step, such as "Node image v1.36.3". The caller must End the task.
	Start(step string) Task
}

// Task is one announced step.
type Task interface {
	// Detail replaces the one-line description of what the step is doing now.
	Detail(format string, args ...any)
	// End closes the step: nil for success.
	End(err error)
}

// Dirs are the two places on this machine that epi writes to outside the project's artifacts.
type Dirs struct {
	// State holds what is running: the private container engine, a folder a cluster.
	// `epi down --all` empties it.
	State string
	// Cache holds what is expensive to make again: node image archives, compiled binaries.
	Cache string
}

// Spec asks a provider for an environment.
type Spec struct {
	// Name of the environment: a DNS label of at most 32 characters.
	Name string
	// Nodes is the number of nodes, the control plane's included; at least 1.
	Nodes int
	// KubernetesVersion such as "v1.36.3"; empty means the provider's default.
	KubernetesVersion string
	// NodeImage overrides the node image; empty means the provider decides.
	NodeImage string
	// Agent and Webhook are the subjects under test; zero means epi's reference.
	Agent, Webhook Given
	// Compat tells the references to have the ways of another implementation; empty means their own.
	Compat Compat
	// IMDSHopLimit is the HttpPutResponseHopLimit of the nodes' instance metadata: 1 or 2.
	IMDSHopLimit int
	// WithoutAgent and WithoutWebhook leave a subject out, to see that the suites notice.
	WithoutAgent, WithoutWebhook bool
	// RedirectAWS leads what pods address to AWS's host names to the environment's own AWS, and reports the
	// AWS SDKs in pods of namespaces that do not say otherwise where that is.
	RedirectAWS bool
	// Clients are the AWS clients to have for the client matrix, in the words of clients.Select.
	Clients []string
	// Binaries is the folder with the programs that go into epi's images.
	Binaries string
}

// Compat is an implementation whose ways epi's reference agent and webhook can have, so that suites can be
// tried on them: a requirement that fails there and not on the implementation itself is asked wrongly.
type Compat string

// CompatUpstream is AWS's own agent, v0.1.37, and webhook, of August 2026.
const CompatUpstream Compat = "upstream"

// Version is one of a product.
type Version struct{ Product, Version string }

// Upstream are the versions that CompatUpstream is like, by role.
func Upstream() map[string]Version {
	return map[string]Version{
		"agent":   {AgentProduct, "v0.1.37"},
		"webhook": {WebhookProduct, "3bf80a34"},
	}
}

// Given is an image that the user brings in place of a reference implementation.
type Given struct {
	// Image is a name that the container engine has or can pull, or the path of an archive as
	// `docker save` writes it. Empty means epi's reference.
	Image string
	// Layout says how the image's program is called; empty means LayoutAuto.
	Layout Layout
	// Args are added to the arguments that the program serves with, Env, as KEY=value, to its variables.
	Args, Env []string
}

// Layout is how the program of an agent's or a webhook's image is called.
type Layout string

const (
	// LayoutAuto is LayoutEntrypoint for an image that has an entrypoint, and LayoutEKS for others.
	LayoutAuto Layout = "auto"
	// LayoutEntrypoint: the image's entrypoint is the program; arguments alone are given.
	LayoutEntrypoint Layout = "entrypoint"
	// LayoutEKS: the images of EKS itself. They name no entrypoint, their programs are
	// /eks-pod-identity-agent and /webhook, and the agent's init container is privileged
	// (https://github.com/aws/eks-pod-identity-agent, charts/eks-pod-identity-agent).
	LayoutEKS Layout = "eks"
)

// Layouts lists them.
func Layouts() []Layout { return []Layout{LayoutAuto, LayoutEntrypoint, LayoutEKS} }

// Provider brings environments up and down.
type Provider interface {
	// Up creates the environment or returns an *EnvironmentError. When ctx ends it removes
	// what it made before it returns.
	Up(ctx context.Context, spec Spec, progress Progress) (*Environment, error)
	// Down removes everything the named environment left, also after a crash. It is idempotent.
	Down(ctx context.Context, name string, progress Progress) error
}

// EnvironmentError says that an environment could not be brought up: never the subject's fault.
type EnvironmentError struct {
	// Doing is what was being done, such as "start container engine".
	Doing string
	// Remedy tells the user what to do about it, when there is something to do.
	Remedy string
	Err    error
}

func (e *EnvironmentError) Error() string { return fmt.Sprintf("%s: %v", e.Doing, e.Err) }

func (e *EnvironmentError) Unwrap() error { return e.Err }

// Remedy returns the remedy that err or anything it wraps carries, or "".
func Remedy(err error) string {
	if envErr, ok := errors.AsType[*EnvironmentError](err); ok {
		if envErr.Remedy != "" {
			return envErr.Remedy
		}
		return Remedy(envErr.Err)
	}
	return ""
}
