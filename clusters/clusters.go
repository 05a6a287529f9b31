// Package clusters has the types of what must run before the first spec: what a provider brings up (Environment), the
// request for it (Spec) and the report of the steps (Progress). Providers are in the folders below. This package imports
// none of them.
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
	// State holds what is running: the private container engine, and a folder for each cluster. `epi down --all` empties
	// it.
	State string
	// Cache holds what is expensive to make: node image archives, compiled binaries.
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
	// Compat makes the references behave like another implementation; empty means their own behaviour.
	Compat Compat
	// IMDSHopLimit is the HttpPutResponseHopLimit of the nodes' instance metadata: 1 or 2.
	IMDSHopLimit int
	// WithoutAgent and WithoutWebhook leave a subject out, so that the suites must fail.
	WithoutAgent, WithoutWebhook bool
	// RedirectAWS redirects requests of pods to AWS's host names to the environment's own AWS. It also sets its endpoint
	// for the AWS SDKs in pods, except in namespaces that opt out.
	RedirectAWS bool
	// Clients are the AWS clients for the client matrix, in the words of clients.Select.
	Clients []string
	// Binaries is the folder with the programs for epi's images.
	Binaries string
}

// Compat is an implementation that epi's reference agent and webhook can imitate, so that suites can be tested on it. A
// requirement that fails on the imitation and not on the implementation itself is tested wrongly.
type Compat string

// CompatUpstream is AWS's own agent, v0.1.37, and AWS's own webhook, of August 2026.
const CompatUpstream Compat = "upstream"

// Version is the version of a product.
type Version struct{ Product, Version string }

// Upstream are the versions that CompatUpstream imitates, by role.
func Upstream() map[string]Version {
	return map[string]Version{
		"agent":   {AgentProduct, "v0.1.37"},
		"webhook": {WebhookProduct, "3bf80a34"},
	}
}

// Given is a user's image in place of a reference implementation.
type Given struct {
	// Image is a name that the container engine has or can pull, or the path of an archive of `docker save`. Empty means
	// epi's reference.
	Image string
	// Layout says how to call the image's program; empty means LayoutAuto.
	Layout Layout
	// Args are added to the program's arguments, and Env, as KEY=value, to its variables.
	Args, Env []string
}

// Layout says how to call the program of an agent's or a webhook's image.
type Layout string

const (
	// LayoutAuto is LayoutEntrypoint for an image that has an entrypoint, and LayoutEKS for others.
	LayoutAuto Layout = "auto"
	// LayoutEntrypoint: the image's entrypoint is the program, and only arguments are set.
	LayoutEntrypoint Layout = "entrypoint"
	// LayoutEKS: the images of EKS itself. They have no entrypoint, their programs are /eks-pod-identity-agent and
	// /webhook, and the agent's init container is privileged (https://github.com/aws/eks-pod-identity-agent,
	// charts/eks-pod-identity-agent).
	LayoutEKS Layout = "eks"
)

// Layouts lists them.
func Layouts() []Layout { return []Layout{LayoutAuto, LayoutEntrypoint, LayoutEKS} }

// Provider brings environments up and down.
type Provider interface {
	// Up creates the environment or returns an *EnvironmentError. If ctx ends, it removes what it has created before it
	// returns.
	Up(ctx context.Context, spec Spec, progress Progress) (*Environment, error)
	// Down removes everything the named environment left, also after a crash. It is idempotent.
	Down(ctx context.Context, name string, progress Progress) error
}

// EnvironmentError says that an environment could not be brought up. It is never the subject's fault.
type EnvironmentError struct {
	// Doing is the step that failed, such as "start container engine".
	Doing string
	// Remedy says what the user can do about it, if anything.
	Remedy string
	Err    error
}

func (e *EnvironmentError) Error() string { return fmt.Sprintf("%s: %v", e.Doing, e.Err) }

func (e *EnvironmentError) Unwrap() error { return e.Err }

// Remedy returns the remedy of err or of an error that it wraps; "" if there is none.
func Remedy(err error) string {
	if envErr, ok := errors.AsType[*EnvironmentError](err); ok {
		if envErr.Remedy != "" {
			return envErr.Remedy
		}
		return Remedy(envErr.Err)
	}
	return ""
}
