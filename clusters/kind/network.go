package kind

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
)

// environmentLabel marks everything of an environment in the container engine. Its value is the environment's name.
const environmentLabel = "epi.podidentity.dev/environment"

// networkName is the name of the environment's own network. No user's container is on it.
func networkName(environment string) string { return "epi-" + environment }

// createNetwork creates the environment's network, with IPv6 if the engine can.
func createNetwork(ctx context.Context, engine containerEngine, environment string) error {
	name := networkName(environment)
	args := []string{"network", "create", "--driver", "bridge", "--label", environmentLabel + "=" + environment,
		"--opt", "com.docker.network.bridge.enable_ip_masquerade=true"}
	if _, err := engine.Output(ctx, append(args, "--ipv6", "--subnet", uniqueLocalSubnet(name), name)...); err == nil {
		return nil
	} else if ctx.Err() != nil {
		return fmt.Errorf("create network %s: %w", name, err)
	}
	if _, err := engine.Output(ctx, append(args, name)...); err != nil {
		return fmt.Errorf("create network %s: %w", name, err)
	}
	return nil
}

// uniqueLocalSubnet derives an IPv6 subnet of fd00::/8 (RFC 4193) from a name. Two environments get different subnets, and
// the same environment always gets the same one.
func uniqueLocalSubnet(name string) string {
	sum := sha256.Sum256([]byte(name))
	return fmt.Sprintf("fd%02x:%02x%02x:%02x%02x:1::/64", sum[0], sum[1], sum[2], sum[3], sum[4])
}

// hasForeignNetwork says whether a network has the name of the environment's network and was not created by epi.
func hasForeignNetwork(ctx context.Context, engine containerEngine, environment string) (bool, error) {
	// The engine's filter matches any part of the name, and cannot select what lacks a label.
	listed, err := engine.Output(ctx, "network", "ls", "--filter", "name="+networkName(environment), "--format", `{{.Name}} {{.Label "`+environmentLabel+`"}}`)
	if err != nil {
		return false, fmt.Errorf("list networks of %s: %w", environment, err)
	}
	for line := range strings.Lines(listed) {
		name, label, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name == networkName(environment) && label != environment {
			return true, nil
		}
	}
	return false, nil
}
