package workload

import (
	"context"
	"encoding/json"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/identity"
	"github.com/podidentity/epi/framework/probe"
)

// Client is an AWS client in a running pod. Each check starts its program anew with epi-probe client. A crash or a hang of
// the program is a failure of the client, which the spec judges.
type Client struct {
	*Probe
	client clusters.Client
}

// StartClient starts a pod of the environment's client of that name under a service account; "" for none.
func StartClient(ctx context.Context, env *framework.Env, name, namespace, serviceAccount string, options ...Option) *Client {
	env.T.Helper()
	i := slices.IndexFunc(env.Environment.Clients, func(c clusters.Client) bool { return c.Name == name })
	if i < 0 {
		env.T.Fatalf("the environment has no AWS client %s", name)
	}
	client := env.Environment.Clients[i]
	options = append([]Option{func(pod *corev1.Pod) {
		pod.Name = "client"
		if client.Image != "" {
			pod.Spec.Containers[0].Image = client.Image
		}
	}}, options...)
	return &Client{Probe: Start(ctx, env, NewPod(env, namespace, serviceAccount, options...)), client: client}
}

// Terms of a check: flags of epi-probe client.
type Terms []string

// WithVariable sets a variable of the client.
func WithVariable(name, value string) Terms { return Terms{"--set", name + "=" + value} }

// WithoutVariables removes variables from the client.
func WithoutVariables(names ...string) Terms {
	var terms Terms
	for _, name := range names {
		terms = append(terms, "--unset", name)
	}
	return terms
}

// AtEndpoint gives the client its own credentials endpoint in place of the agent, at one of package probe's places. It
// answers with the statuses in turn, and then always with the last one. "200" stands for credentials.
func AtEndpoint(where, statuses string) Terms {
	return Terms{"--endpoint", where, "--answers", statuses}
}

// RenewedAtOnce makes the credentials of AtEndpoint expire so soon that a client renews them each time.
func RenewedAtOnce() Terms { return Terms{"--life", "10s"} }

// WithTokenVariable also sets AWS_CONTAINER_AUTHORIZATION_TOKEN, beside the file of AtEndpoint.
func WithTokenVariable() Terms { return Terms{"--variable"} }

// Caller returns the pod's identity in the client's default chain.
func (c *Client) Caller(ctx context.Context) identity.Caller {
	c.env.T.Helper()
	seen, _ := c.Identity(ctx)
	return identity.Of(seen, c.env.NodeRole)
}

// Identity returns the pod's identity in the client's default chain, with terms.
func (c *Client) Identity(ctx context.Context, terms ...Terms) (probe.Identity, probe.ClientRun) {
	c.env.T.Helper()
	var result probe.Identity
	run := c.run(ctx, &result, &result.Failure, terms, probe.OpIdentity)
	return result, run
}

// Head does HeadObject.
func (c *Client) Head(ctx context.Context, bucket, key string) probe.Object {
	c.env.T.Helper()
	var result probe.Object
	c.run(ctx, &result, &result.Failure, nil, probe.OpHead, bucket, key)
	return result
}

// Get does GetObject.
func (c *Client) Get(bucket, key string) func(context.Context) probe.Object {
	return func(ctx context.Context) probe.Object {
		c.env.T.Helper()
		var result probe.Object
		c.run(ctx, &result, &result.Failure, nil, probe.OpGet, bucket, key)
		return result
	}
}

// Refresh gets credentials three times with one client, with terms.
func (c *Client) Refresh(ctx context.Context, terms ...Terms) (probe.Refresh, probe.ClientRun) {
	c.env.T.Helper()
	var result probe.Refresh
	run := c.run(ctx, &result, &result.Failure, terms, probe.OpRefresh, "3")
	return result, run
}

// Fetch gets a URL without an AWS client.
func (c *Client) Fetch(ctx context.Context, url string) probe.Response {
	c.env.T.Helper()
	return do[probe.Response](ctx, c.Probe, Main, probe.OpHTTP, "GET", url)
}

// run runs the client's program and decodes its output. A program without output has failed.
func (c *Client) run(ctx context.Context, result any, failure **probe.Failure, terms []Terms, operation ...string) probe.ClientRun {
	c.env.T.Helper()
	args := []string{"client"}
	for _, term := range terms {
		args = append(args, term...)
	}
	args = slices.Concat(args, []string{"--"}, c.client.Program, operation)
	output, err := c.Probe.run(ctx, Main, args...)
	var run probe.ClientRun
	if err == nil {
		err = json.Unmarshal(output, &run)
	}
	if err == nil && run.Broken == "" {
		err = json.Unmarshal(run.Output, result)
	}
	if err != nil {
		c.env.T.Fatalf("run AWS client %s %v in pod %s/%s: %v", c.client.Name, operation, c.Pod.Namespace, c.Pod.Name, err)
	}
	if run.Broken != "" {
		*failure = &probe.Failure{Class: probe.ClientBroken, Operation: operation[0], Message: run.Broken}
	}
	return run
}
