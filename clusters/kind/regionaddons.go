package kind

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/addons"
	"github.com/podidentity/epi/clusters/emulator/control"
)

// Codes of AddonIssue (https://docs.aws.amazon.com/eks/latest/APIReference/API_AddonIssue.html).
const (
	codeReplicas = "InsufficientNumberOfReplicas"
	codeMissing  = "K8sResourceNotFound"
	codeConflict = "ConfigurationConflict"
)

// Addon implements region.Backend.
func (c *RegionClusters) Addon(ctx context.Context, wanted control.WantedCluster, addon control.WantedAddon) (issues []control.Issue, settling bool, err error) {
	client, config, err := c.client(ctx, wanted.ID)
	if err != nil {
		return nil, false, err
	}
	if addon.Namespace != clusters.AgentNamespace && addon.Name == clusters.AgentName {
		return []control.Issue{{Code: codeConflict, Message: "this region has the add-on in the namespace kube-system only"}}, false, nil
	}
	switch addon.Name {
	case clusters.AgentName:
		installer, err := addons.New(config)
		if err != nil {
			return nil, false, err
		}
		if err := installer.ApplyAgent(ctx, c.agentOf(wanted.Name), addon.Configuration); err != nil {
			return []control.Issue{{Code: codeConflict, Message: err.Error()}}, false, nil //nolint:nilerr // the add-on reports it
		}
		waiting, stuck, err := installer.AgentState(ctx)
		if err != nil || waiting == "" {
			return nil, false, err
		}
		return []control.Issue{{Code: codeReplicas, Message: waiting}}, !stuck, nil
	case "coredns", "kube-proxy":
		return c.kubeadmAddon(ctx, client, wanted, addon.Name)
	case "vpc-cni":
		// Nodes have their network from the beginning, because without it they are not ready.
		return nil, false, nil
	}
	return []control.Issue{{Code: codeMissing, Message: "this region does not deploy the add-on " + addon.Name}}, false, nil
}

// agentOf returns the agent of a cluster: epi's own, or the user's.
func (c *RegionClusters) agentOf(clusterName string) addons.Agent {
	subject := addons.Subject{Image: c.own[0].Ref, Layout: clusters.LayoutEntrypoint, Args: c.record.Agent.Args, Env: c.record.Agent.Env}
	if c.agent != nil {
		subject.Image, subject.Layout = c.agent.Ref, layoutOf(c.record.Agent.Layout, c.agent)
	}
	return addons.Agent{Subject: subject, ClusterName: clusterName, Region: c.record.Region, Endpoint: "http://" + c.record.EmulatorIP + ":" + emulatorPort}
}

// kubeadmAddon adopts what kubeadm has installed, or lets kubeadm install it again. EKS and kubeadm have the same name for
// it.
func (c *RegionClusters) kubeadmAddon(ctx context.Context, client kubernetes.Interface, wanted control.WantedCluster, name string) ([]control.Issue, bool, error) {
	ready, want, err := replicas(ctx, client, name)
	if apierrors.IsNotFound(err) {
		c.log.Info("Deploying an add-on again", "cluster", wanted.Name, "addon", name)
		_, err = c.engine.Output(ctx, "exec", controlPlane(c.kindName(wanted.ID)), "kubeadm", "init", "phase", "addon", name, "--config", "/kind/kubeadm.conf")
		if err != nil {
			return nil, false, fmt.Errorf("deploy add-on %s: %w", name, err)
		}
		ready, want, err = replicas(ctx, client, name)
	}
	if err != nil {
		return nil, false, fmt.Errorf("look at add-on %s: %w", name, err)
	}
	if ready >= want {
		return nil, false, nil
	}
	return []control.Issue{{Code: codeReplicas, Message: fmt.Sprintf("The add-on is unhealthy because it doesn't have the desired number of replicas: %d of %d are ready.", ready, want)}}, true, nil
}

// replicas returns how many of a kubeadm add-on's replicas are ready, and how many are wanted.
func replicas(ctx context.Context, client kubernetes.Interface, name string) (ready, want int32, err error) {
	if name == "kube-proxy" {
		set, err := client.AppsV1().DaemonSets(clusters.AgentNamespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return 0, 0, err
		}
		return set.Status.NumberReady, set.Status.DesiredNumberScheduled, nil
	}
	deployment, err := client.AppsV1().Deployments(clusters.AgentNamespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return 0, 0, err
	}
	return deployment.Status.AvailableReplicas, *deployment.Spec.Replicas, nil
}

// RemoveAddon implements region.Backend.
func (c *RegionClusters) RemoveAddon(ctx context.Context, wanted control.WantedCluster, addon control.WantedAddon) error {
	client, _, err := c.client(ctx, wanted.ID)
	if err != nil {
		return err
	}
	apps := client.AppsV1()
	switch addon.Name {
	case clusters.AgentName, "kube-proxy":
		err = apps.DaemonSets(clusters.AgentNamespace).Delete(ctx, addon.Name, metav1.DeleteOptions{})
	case "coredns":
		err = apps.Deployments(clusters.AgentNamespace).Delete(ctx, addon.Name, metav1.DeleteOptions{})
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("remove add-on %s: %w", addon.Name, err)
	}
	return nil
}
