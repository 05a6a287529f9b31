package kind

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"

	"github.com/podidentity/epi/clusters"
)

func TestClusterConfigMountsTheNetworkOnTheControlPlaneOnly(t *testing.T) {
	config := clusterConfig(clusters.Spec{Name: "epi", Nodes: 3}, "node:1", []string{"patch"}, "/state/net.conflist")
	var roles []v1alpha4.NodeRole
	mounts := 0
	for _, node := range config.Nodes {
		roles = append(roles, node.Role)
		mounts += len(node.ExtraMounts)
		if node.Image != "node:1" {
			t.Errorf("node image %q, want node:1", node.Image)
		}
	}
	want := []v1alpha4.NodeRole{v1alpha4.ControlPlaneRole, v1alpha4.WorkerRole, v1alpha4.WorkerRole}
	if diff := cmp.Diff(want, roles); diff != "" {
		t.Errorf("roles (-want +got):\n%s", diff)
	}
	if mounts != 1 || config.Nodes[0].ExtraMounts[0].ContainerPath != "/etc/cni/net.d/10-epi.conflist" {
		t.Errorf("mounts %v: want one, of the network configuration, on the control plane", config.Nodes)
	}
	if !config.Networking.DisableDefaultCNI || config.Networking.PodSubnet != "10.244.0.0/16" {
		t.Errorf("networking %+v", config.Networking)
	}
}

func TestNetworkConfigNamesTheNodesOwnRange(t *testing.T) {
	data, err := networkConfig("10.244.7.0/24")
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Plugins []struct {
			Type string
			IPAM struct {
				Ranges [][]struct{ Subnet string }
			}
		}
	}
	if err := json.Unmarshal(data, &config); err != nil {
		t.Fatal(err)
	}
	if got := config.Plugins[0].IPAM.Ranges[0][0].Subnet; got != "10.244.7.0/24" {
		t.Errorf("subnet %q", got)
	}
	if config.Plugins[0].Type != "ptp" || config.Plugins[1].Type != "portmap" {
		t.Errorf("plugins %+v", config.Plugins)
	}
}

type recordedTask struct{ details []string }

func (r *recordedTask) Detail(format string, args ...any) {
	r.details = append(r.details, fmt.Sprintf(format, args...))
}
func (r *recordedTask) End(error) {}

func TestLoggerShowsKindsStepsWithoutPictograms(t *testing.T) {
	task := &recordedTask{}
	logger := taskLogger{task: task}
	logger.V(0).Infof(" • %s  ...\n", "Starting control-plane 🕹️")
	logger.V(1).Info("not for users")
	logger.V(0).Info(" ✓ Starting control-plane 🕹️")
	logger.V(0).Info("")
	if diff := cmp.Diff([]string{"Starting control-plane"}, task.details); diff != "" {
		t.Errorf("details (-want +got):\n%s", diff)
	}
}
