// Package artifacts collects what explains a failed spec, before its fixtures are removed: its pods, their events, and the
// logs of agent, webhook and AWS.
package artifacts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/emulator/control"
)

const (
	tailLines = 200
	maxCalls  = 1000
)

// Collector writes evidence below Dir.
type Collector struct {
	// Dir is the folder of the run's artifacts.
	Dir string
	// Redact removes secrets from a text.
	Redact  func(string) string
	Cluster kubernetes.Interface
	// Control lists the calls that AWS received; nil without an emulator.
	Control *control.Client
}

// About says what a spec was about.
type About struct {
	// Namespaces are those that it created.
	Namespaces []string
	// Names of everything that it created. A line of a log that contains one is about the spec.
	Names []string
	// Admitted are pods that the API server only admitted in a dry run.
	Admitted []*corev1.Pod
	Began    time.Time
}

// Evidence is what was collected about a spec.
type Evidence struct {
	// Dir is the folder that holds all of it.
	Dir string
	// Excerpts are the most important parts, without secrets, each of at most excerptLimit bytes.
	Excerpts []Excerpt
}

// Excerpt is a short part of the evidence.
type Excerpt struct{ Title, Text string }

// subject is a program under test, with the place of its pods.
type subject struct{ title, file, namespace, selector string }

var subjects = []subject{
	{"Agent", "agent.log", clusters.AgentNamespace, "app.kubernetes.io/name=" + clusters.AgentName},
	{"Webhook", "webhook.log", clusters.WebhookNamespace, "app.kubernetes.io/name=" + clusters.WebhookName},
}

// Collect writes the evidence about a spec to specs/ID below Dir, and returns it with excerpts. It continues after errors
// and returns them joined.
func (c *Collector) Collect(ctx context.Context, id string, about About) (Evidence, error) {
	evidence := Evidence{Dir: filepath.Join(c.Dir, "specs", id)}
	if err := os.MkdirAll(evidence.Dir, 0o755); err != nil {
		return evidence, fmt.Errorf("collect evidence: %w", err)
	}
	var problems []error
	keep := func(file, text string, err error) string {
		text = c.Redact(text)
		if err == nil && text != "" {
			err = os.WriteFile(filepath.Join(evidence.Dir, file), []byte(text), 0o644)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("collect %s: %w", file, err))
		}
		return text
	}
	excerpt := func(title, text string) {
		if text != "" {
			evidence.Excerpts = append(evidence.Excerpts, Excerpt{title, text})
		}
	}
	names := append(slices.Clone(about.Names), about.Namespaces...)
	for _, namespace := range about.Namespaces {
		pods, err := c.pods(ctx, namespace)
		text, marshalled := manifest(pods)
		keep("pods-"+namespace+".yaml", text, errors.Join(err, marshalled))
		if dry := inNamespace(about.Admitted, namespace); len(dry) > 0 && err == nil && len(pods) == 0 {
			text, err := manifest(dry)
			keep("pods-admitted-"+namespace+".yaml", text, err)
			newest := dry[len(dry)-1]
			excerpt("Pod "+newest.Name+", as a dry run would admit it", c.brief(newest))
		}
		for i, pod := range pods {
			names = append(names, podNames(pod)...)
			if i < maxPods {
				excerpt("Pod "+pod.Name, c.brief(pod))
			}
		}
		text, err = c.events(ctx, namespace)
		excerpt("Events", lastLines(strings.FieldsFunc(keep("events-"+namespace+".txt", text, err), func(r rune) bool { return r == '\n' })))
	}
	for _, s := range subjects {
		text, err := c.logs(ctx, s, about.Began)
		excerpt(s.title, linesAbout(logLines(keep(s.file, text, err)), names))
	}
	if c.Control != nil {
		calls, err := c.calls(ctx, about.Began)
		text, encoded := jsonLines(calls)
		keep("aws-calls.jsonl", text, errors.Join(err, encoded))
		if err == nil {
			excerpt("AWS emulator", linesAbout(callLines(calls, c.Redact), names))
		}
	}
	return evidence, errors.Join(problems...)
}

// pods of the namespace, oldest first.
func (c *Collector) pods(ctx context.Context, namespace string) ([]*corev1.Pod, error) {
	list, err := c.Cluster.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	var pods []*corev1.Pod
	for i := range list.Items {
		list.Items[i].ManagedFields = nil
		pods = append(pods, &list.Items[i])
	}
	slices.SortStableFunc(pods, func(a, b *corev1.Pod) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	return pods, nil
}

// manifest returns the pods as YAML documents.
func manifest(pods []*corev1.Pod) (string, error) {
	var b strings.Builder
	for _, pod := range pods {
		text, err := yaml.Marshal(pod)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "---\n%s", text)
	}
	return b.String(), nil
}

func (c *Collector) events(ctx context.Context, namespace string) (string, error) {
	list, err := c.Cluster.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, event := range list.Items {
		at := event.LastTimestamp.Time
		if at.IsZero() {
			at = event.EventTime.Time
		}
		fmt.Fprintf(&b, "%s %s %s/%s %s: %s\n", at.UTC().Format(time.RFC3339), event.Type,
			event.InvolvedObject.Kind, event.InvolvedObject.Name, event.Reason, event.Message)
	}
	return b.String(), nil
}

func (c *Collector) logs(ctx context.Context, s subject, began time.Time) (string, error) {
	list, err := c.Cluster.CoreV1().Pods(s.namespace).List(ctx, metav1.ListOptions{LabelSelector: s.selector})
	if err != nil {
		return "", err
	}
	var b strings.Builder
	var problems []error
	lines, since := int64(tailLines), metav1.NewTime(began)
	for _, pod := range list.Items {
		for _, container := range append(pod.Spec.InitContainers, pod.Spec.Containers...) {
			fmt.Fprintf(&b, "==> pod %s, container %s, on node %s\n", pod.Name, container.Name, pod.Spec.NodeName)
			text, err := c.Cluster.CoreV1().Pods(s.namespace).GetLogs(pod.Name, &corev1.PodLogOptions{
				Container: container.Name, TailLines: &lines, SinceTime: &since,
			}).DoRaw(ctx)
			if err != nil {
				problems = append(problems, err)
				continue
			}
			b.Write(text)
		}
	}
	if len(list.Items) == 0 {
		fmt.Fprintf(&b, "no pod with labels %s in namespace %s\n", s.selector, s.namespace)
	}
	return b.String(), errors.Join(problems...)
}

// calls returns the newest calls since the time. The zero time means all calls.
func (c *Collector) calls(ctx context.Context, began time.Time) ([]control.Call, error) {
	calls, err := c.Control.Calls(ctx, 0)
	if err != nil {
		return nil, err
	}
	recent := slices.DeleteFunc(calls.Calls, func(call control.Call) bool { return call.Time.Before(began) })
	if !began.IsZero() {
		recent = recent[max(0, len(recent)-maxCalls):]
	}
	return recent, nil
}

// jsonLines returns the calls for programs.
func jsonLines(calls []control.Call) (string, error) {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	for _, call := range calls {
		if err := encoder.Encode(call); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}
