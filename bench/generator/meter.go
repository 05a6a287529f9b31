package generator

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/podidentity/epi/bench/meter"
	"github.com/podidentity/epi/framework/workload"
	"github.com/podidentity/epi/reports"
)

// Container is a container of a subject, on a node.
type Container struct {
	Node string
	// ID is the container runtime's ID.
	ID string
}

// ContainerOf is the first container of a running pod.
func ContainerOf(pod *corev1.Pod) Container {
	c := Container{Node: pod.Spec.NodeName}
	for _, status := range pod.Status.ContainerStatuses {
		if status.Name == pod.Spec.Containers[0].Name {
			_, c.ID, _ = strings.Cut(status.ContainerID, "://") // containerd://ID
		}
	}
	return c
}

// Meter reads the usage of containers from the control groups and processes of their nodes.
func (f *Fleet) Meter(ctx context.Context, containers []Container) (map[string]meter.Usage, error) {
	byNode := map[string][]string{}
	for _, c := range containers {
		byNode[c.Node] = append(byNode[c.Node], c.ID)
	}
	usage := map[string]meter.Usage{}
	for node, ids := range byNode {
		pod, ok := f.observers[node]
		if !ok {
			return nil, fmt.Errorf("meter containers: there is no observer on node %s", node)
		}
		used := map[string]meter.Usage{}
		if err := ask(ctx, pod, &used, append([]string{"meter"}, ids...)...); err != nil {
			return nil, fmt.Errorf("meter containers on node %s: %w", node, err)
		}
		maps.Copy(usage, used)
	}
	return usage, nil
}

// Machines are the nodes of the generators.
func (f *Fleet) Machines(ctx context.Context) ([]reports.Machine, error) {
	var list []reports.Machine
	for _, node := range slices.Sorted(maps.Keys(f.observers)) {
		var machine meter.Machine
		if err := ask(ctx, f.observers[node], &machine, "machine"); err != nil {
			return nil, fmt.Errorf("ask node %s what it is: %w", node, err)
		}
		list = append(list, reports.Machine{Name: node, CPU: machine.CPU, Cores: machine.Cores, Memory: machine.MemoryBytes, Kernel: machine.Kernel})
	}
	return list, nil
}

// ask runs a command of the probe and decodes its output.
func ask(ctx context.Context, pod *workload.Probe, answer any, args ...string) error {
	var out bytes.Buffer
	if err := pod.Stream(ctx, nil, &out, args...); err != nil {
		return err
	}
	if err := json.Unmarshal(out.Bytes(), answer); err != nil {
		return fmt.Errorf("read answer of epi-probe %s: %w", args[0], err)
	}
	return nil
}
