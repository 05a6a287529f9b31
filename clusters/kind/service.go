package kind

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/e2e-framework/klient/wait"
	"sigs.k8s.io/kind/pkg/cluster/nodes"

	"github.com/podidentity/epi/clusters"
)

// timeoutService is how long kube-proxy may take to apply a change of a Service.
const timeoutService = 30 * time.Second

// webhookPort is kube-proxy's name for the port of the webhook's Service.
const webhookPort = clusters.WebhookNamespace + "/" + clusters.WebhookName + ":https"

// waitService waits until every node sends the requests to a Service's port to these pods and to no others. A node that
// still knows an old pod would lose requests.
func waitService(ctx context.Context, list []nodes.Node, port string, addresses []string, task clusters.Task) error {
	slices.Sort(addresses)
	seen := "nothing"
	err := wait.For(func(ctx context.Context) (bool, error) {
		for _, node := range list {
			var rules bytes.Buffer
			if err := node.CommandContext(ctx, "iptables-save", "-t", "nat").SetStdout(&rules).Run(); err != nil {
				seen = err.Error()
				return false, nil //nolint:nilerr // reported with the timeout, if it lasts
			}
			if to := destinations(rules.String(), port); !slices.Equal(to, addresses) {
				seen = fmt.Sprintf("node %s sends to %q, not to %q", node, to, addresses)
				task.Detail("%s", seen)
				return false, nil
			}
		}
		return true, nil
	}, pollOften(ctx, timeoutService)...)
	if err != nil {
		return fmt.Errorf("wait for Service port %s: %w; last seen: %s", port, err, seen)
	}
	return nil
}

// destinations returns the addresses to which kube-proxy's rules, in the form of iptables-save, send the requests to a
// Service's port, sorted.
func destinations(rules, port string) []string {
	var list []string
	for line := range strings.Lines(rules) {
		rule, to, ok := strings.Cut(strings.TrimSpace(line), "--to-destination ")
		if !ok || !strings.HasPrefix(rule, "-A KUBE-SEP-") || !strings.Contains(rule, `"`+port+`"`) {
			continue
		}
		if host, _, err := net.SplitHostPort(to); err == nil {
			list = append(list, host)
		}
	}
	slices.Sort(list)
	return list
}
