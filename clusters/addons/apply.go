package addons

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/yaml"
)

// configuredAnnotation names the agent and configuration that a DaemonSet was made from.
const configuredAnnotation = "epi.podidentity.dev/configured"

// agentConfiguration has the configuration values of the agent's EKS add-on.
type agentConfiguration struct {
	Affinity *corev1.Affinity `json:"affinity"`
	Agent    struct {
		AdditionalArgs map[string]any `json:"additionalArgs"`
	} `json:"agent"`
	PodAnnotations    map[string]string               `json:"podAnnotations"`
	PodLabels         map[string]string               `json:"podLabels"`
	PriorityClassName string                          `json:"priorityClassName"`
	Resources         *corev1.ResourceRequirements    `json:"resources"`
	Tolerations       []corev1.Toleration             `json:"tolerations"`
	UpdateStrategy    *appsv1.DaemonSetUpdateStrategy `json:"updateStrategy"`
}

// configure changes a DaemonSet of the agent by configuration values in JSON or YAML.
func configure(set *appsv1.DaemonSet, values string) error {
	if strings.TrimSpace(values) == "" {
		return nil
	}
	var c agentConfiguration
	if err := yaml.UnmarshalStrict([]byte(values), &c); err != nil {
		return fmt.Errorf("read configuration values: %w", err)
	}
	template := &set.Spec.Template
	if c.Affinity != nil {
		template.Spec.Affinity = c.Affinity
	}
	if c.Tolerations != nil {
		template.Spec.Tolerations = c.Tolerations
	}
	if c.PriorityClassName != "" {
		template.Spec.PriorityClassName = c.PriorityClassName
	}
	if c.UpdateStrategy != nil {
		set.Spec.UpdateStrategy = *c.UpdateStrategy
	}
	if len(c.PodAnnotations) > 0 {
		template.Annotations = merged(template.Annotations, c.PodAnnotations)
	}
	if len(c.PodLabels) > 0 {
		// The labels of the DaemonSet's selector stay.
		template.Labels = merged(c.PodLabels, template.Labels)
	}
	for n := range template.Spec.Containers {
		container := &template.Spec.Containers[n]
		if c.Resources != nil {
			container.Resources = *c.Resources
		}
		for _, name := range slices.Sorted(maps.Keys(c.Agent.AdditionalArgs)) {
			container.Args = append(container.Args, name, fmt.Sprint(c.Agent.AdditionalArgs[name]))
		}
	}
	return nil
}

func merged(below, above map[string]string) map[string]string {
	all := maps.Clone(below)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, above)
	return all
}

// ApplyAgent creates or changes the agent's DaemonSet, as an EKS add-on with these configuration values does. It does
// nothing if nothing differs.
func (i *Installer) ApplyAgent(ctx context.Context, agent Agent, values string) error {
	wanted, err := agent.daemonSet(ctx, values)
	if err != nil {
		return err
	}
	installed := agentSet()
	err = i.resources.Get(ctx, installed.Name, installed.Namespace, installed)
	switch {
	case apierrors.IsNotFound(err):
		return i.create(ctx, wanted)
	case err != nil:
		return fmt.Errorf("get %s/%s: %w", installed.Namespace, installed.Name, err)
	case installed.Annotations[configuredAnnotation] == wanted.Annotations[configuredAnnotation]:
		return nil
	}
	return i.change(ctx, installed, func() {
		installed.Annotations = merged(installed.Annotations, wanted.Annotations)
		installed.Spec.Template, installed.Spec.UpdateStrategy = wanted.Spec.Template, wanted.Spec.UpdateStrategy
	})
}

// daemonSet returns the agent's DaemonSet with configuration values.
func (a Agent) daemonSet(ctx context.Context, values string) (*appsv1.DaemonSet, error) {
	set, err := a.installed(ctx)
	if err != nil {
		return nil, err
	}
	if err := configure(set, values); err != nil {
		return nil, err
	}
	data, err := json.Marshal(set.Spec)
	if err != nil {
		return nil, fmt.Errorf("encode the agent's DaemonSet: %w", err)
	}
	sum := sha256.Sum256(data)
	set.Annotations = merged(set.Annotations, map[string]string{configuredAnnotation: hex.EncodeToString(sum[:8])})
	return set, nil
}

// AgentState says what the installed agent waits for; "" if it is ready on each of its nodes, or if there is no agent.
// stuck says that it will not become ready by itself, for example without its image.
func (i *Installer) AgentState(ctx context.Context) (waiting string, stuck bool, err error) {
	set := agentSet()
	if err := i.resources.Get(ctx, set.Name, set.Namespace, set); err != nil {
		return "", false, fmt.Errorf("get %s/%s: %w", set.Namespace, set.Name, err)
	}
	status := set.Status
	if status.ObservedGeneration >= set.Generation && status.UpdatedNumberScheduled == status.DesiredNumberScheduled && status.NumberReady == status.DesiredNumberScheduled {
		return "", false, nil
	}
	waiting = fmt.Sprintf("ready on %d of %d nodes", status.NumberReady, status.DesiredNumberScheduled)
	if why := i.podFailure(ctx, set.Namespace, set.Name); why != "" {
		return waiting + "; " + why, true, nil
	}
	return waiting, false, nil
}
