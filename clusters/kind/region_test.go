package kind

import (
	"maps"
	"net/url"
	"regexp"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/podidentity/epi/clusters/emulator/control"
)

func TestParseJoin(t *testing.T) {
	const printed = "kubeadm join region-1a2b3c4d-control-plane:6443 --token abcdef.0123456789abcdef --discovery-token-ca-cert-hash sha256:00ff \n"
	if token, hash, err := parseJoin(printed); token != "abcdef.0123456789abcdef" || hash != "sha256:00ff" || err != nil {
		t.Errorf("got %q, %q, %v", token, hash, err)
	}
	for _, bad := range []string{"", "--token", "kubeadm join a --token b", "kubeadm join a --discovery-token-ca-cert-hash sha256:00", "x --token"} {
		if _, _, err := parseJoin(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestJoinConfig(t *testing.T) {
	settings := joinSettings{
		server: "a:6443", token: "t", hash: "sha256:00", name: "ip-10-0-0-2.ec2.internal", ip: "10.0.0.2", providerID: "aws:///us-east-1a/i-1",
		labels: map[string]string{"b": "2", "a": "1"}, taints: []control.Taint{{Key: "k", Value: "v", Effect: "NO_SCHEDULE"}},
	}
	text, err := joinConfig(settings)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		NodeRegistration struct {
			Name             string
			Taints           []corev1.Taint
			KubeletExtraArgs []struct{ Name, Value string }
		}
		Discovery struct {
			BootstrapToken struct{ CACertHashes []string }
		}
	}
	if err := yaml.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	node := got.NodeRegistration
	if node.Name != settings.name || len(node.Taints) != 1 || node.Taints[0].Effect != corev1.TaintEffectNoSchedule ||
		node.KubeletExtraArgs[2].Value != "a=1,b=2" || got.Discovery.BootstrapToken.CACertHashes[0] != "sha256:00" {
		t.Errorf("got %s", text)
	}
	settings.taints[0].Effect = "NoSchedule"
	if _, err := joinConfig(settings); err == nil {
		t.Error("an effect in the words of Kubernetes was taken")
	}
}

// TestConnectScript: a node has a route to the pods of each other node, and its pods reach instance metadata as the hop
// limit says.
func TestConnectScript(t *testing.T) {
	node := func(id, ip, cidr string) corev1.Node {
		return corev1.Node{
			Spec:   corev1.NodeSpec{ProviderID: "aws:///us-east-1a/" + id, PodCIDR: cidr},
			Status: corev1.NodeStatus{Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: ip}}},
		}
	}
	list := []corev1.Node{node("i-1", "10.0.0.2", "10.244.1.0/24"), node("i-2", "10.0.0.3", "10.244.2.0/24"), node("i-12", "10.0.0.4", "10.244.3.0/24"), node("i-4", "10.0.0.5", "")}
	for hopLimit, drops := range map[int]bool{0: false, 1: true, 2: false, 64: false} {
		script := connectScript("10.0.0.9", list, "i-2", hopLimit)
		for _, want := range []string{"169.254.169.254/32 via 10.0.0.9", "10.244.1.0/24 via 10.0.0.2", "10.244.3.0/24 via 10.0.0.4"} {
			if !strings.Contains(script, want) {
				t.Errorf("hop limit %d: no %s in\n%s", hopLimit, want, script)
			}
		}
		if strings.Contains(script, "10.244.2.0/24") || strings.Contains(script, "10.0.0.5") {
			t.Errorf("hop limit %d: routes to itself, or to a node without pods:\n%s", hopLimit, script)
		}
		if got := strings.Contains(script, "iptables -w -t mangle -I FORWARD"); got != drops || strings.Contains(script, "iptables -w -t mangle -D FORWARD") == drops {
			t.Errorf("hop limit %d:\n%s", hopLimit, script)
		}
	}
}

func TestHopLimits(t *testing.T) {
	c := &RegionClusters{record: regionRecord{Name: "region"}}
	node := func(group string, index int) string { return instanceID(c.workerName("cluster", group, index)) }
	got := c.hopLimits(control.WantedCluster{ID: "cluster", Nodegroups: []control.WantedNodegroup{
		{ID: "changed", Size: 2, HopLimit: 1, Instances: []control.WantedInstance{{ID: node("changed", 0), HopLimit: 1}, {ID: node("changed", 1), HopLimit: 2}}},
		{ID: "new", Size: 1, HopLimit: 1}, {ID: "empty", HopLimit: 2},
	}})
	want := map[string]int{node("changed", 0): 1, node("changed", 1): 2, node("new", 0): 1}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestNodeNames(t *testing.T) {
	// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/hostname-types.html
	for region, want := range map[string]string{"us-east-1": "ip-10-0-0-2.ec2.internal", "eu-west-1": "ip-10-0-0-2.eu-west-1.compute.internal"} {
		if got := privateDNS("10.0.0.2", region); got != want {
			t.Errorf("%s: %s", region, got)
		}
	}
	if id := instanceID("a"); !regexp.MustCompile(`^i-[0-9a-f]{17}$`).MatchString(id) || id == instanceID("b") || id != instanceID("a") {
		t.Errorf("got %s", id)
	}
	labels := nodeLabels(control.WantedNodegroup{Name: "ng", Spot: true, InstanceTypes: []string{"t3.medium", "t3.large"}, Labels: map[string]string{"a": "b"}}, "us-east-1", "i-1")
	for key, want := range map[string]string{
		"eks.amazonaws.com/nodegroup": "ng", "eks.amazonaws.com/capacityType": "SPOT", "node.kubernetes.io/instance-type": "t3.medium", "a": "b", "topology.kubernetes.io/zone": "us-east-1a",
	} {
		if labels[key] != want {
			t.Errorf("%s=%s", key, labels[key])
		}
	}
}

// TestTokenReviewConfig: the token is in a place where client-go keeps it.
func TestTokenReviewConfig(t *testing.T) {
	data, err := tokenReviewConfig(url.URL{Scheme: "http", Host: "10.0.0.9:4567", Path: "/v1/clusters/a/tokenreviews", User: url.UserPassword("api-server", "secret")})
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(data)
	if err != nil || config.Host != "http://api-server:secret@10.0.0.9:4567/v1/clusters/a/tokenreviews" {
		t.Errorf("got %+v, %v", config, err)
	}
}
