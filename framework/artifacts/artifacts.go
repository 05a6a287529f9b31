// Package artifacts keeps what explains a failed spec, before its fixtures are removed: its pods,
// their events, and what agent, webhook and AWS had to say.
package artifacts

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"github.com/podidentity/epi/clusters/emulator/control"
)

const (
	tailLines = 200
	maxCalls  = 200
)

// Collector writes evidence below Dir.
type Collector struct {
	// Dir is the folder of the run's artifacts.
	Dir string
	// Redact takes secrets out of a text.
	Redact  func(string) string
	Cluster kubernetes.Interface
	// Control tells the calls that AWS got; nil without an emulator.
	Control *control.Client
}

// subject is a program under test and where its pods are.
type subject struct{ file, namespace, selector string }

var subjects = []subject{
	{"agent.log", "kube-system", "app.kubernetes.io/name=eks-pod-identity-agent"},
	{"webhook.log", "epi-system", "app.kubernetes.io/name=pod-identity-webhook"},
}

// Collect writes to specs/ID below Dir what there is about the namespaces of a spec that began at
// the time, and returns the folder. It goes on past errors and returns them joined.
func (c *Collector) Collect(ctx context.Context, id string, namespaces []string, began time.Time) (string, error) {
	dir := filepath.Join(c.Dir, "specs", id)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return dir, fmt.Errorf("collect evidence: %w", err)
	}
	var problems []error
	keep := func(file string, text []byte, err error) {
		if err == nil && len(text) > 0 {
			err = os.WriteFile(filepath.Join(dir, file), []byte(c.Redact(string(text))), 0o644)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("collect %s: %w", file, err))
		}
	}
	for _, namespace := range namespaces {
		text, err := c.pods(ctx, namespace)
		keep("pods-"+namespace+".yaml", text, err)
		text, err = c.events(ctx, namespace)
		keep("events-"+namespace+".txt", text, err)
	}
	for _, s := range subjects {
		text, err := c.logs(ctx, s, began)
		keep(s.file, text, err)
	}
	if c.Control != nil {
		text, err := c.calls(ctx, began)
		keep("aws-calls.jsonl", text, err)
	}
	return dir, errors.Join(problems...)
}

func (c *Collector) pods(ctx context.Context, namespace string) ([]byte, error) {
	list, err := c.Cluster.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	for _, pod := range list.Items {
		pod.ManagedFields = nil
		text, err := yaml.Marshal(pod)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "---\n%s", text)
	}
	return b.Bytes(), nil
}

func (c *Collector) events(ctx context.Context, namespace string) ([]byte, error) {
	list, err := c.Cluster.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	for _, event := range list.Items {
		at := event.LastTimestamp.Time
		if at.IsZero() {
			at = event.EventTime.Time
		}
		fmt.Fprintf(&b, "%s %s %s/%s %s: %s\n", at.UTC().Format(time.RFC3339), event.Type,
			event.InvolvedObject.Kind, event.InvolvedObject.Name, event.Reason, event.Message)
	}
	return b.Bytes(), nil
}

func (c *Collector) logs(ctx context.Context, s subject, began time.Time) ([]byte, error) {
	list, err := c.Cluster.CoreV1().Pods(s.namespace).List(ctx, metav1.ListOptions{LabelSelector: s.selector})
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
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
	return b.Bytes(), errors.Join(problems...)
}

// calls lists the calls since the time, the newest of them; all of them since the zero time.
func (c *Collector) calls(ctx context.Context, began time.Time) ([]byte, error) {
	calls, err := c.Control.Calls(ctx, 0)
	if err != nil {
		return nil, err
	}
	var recent []control.Call
	for _, call := range calls.Calls {
		if !call.Time.Before(began) {
			recent = append(recent, call)
		}
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	if !began.IsZero() {
		recent = recent[max(0, len(recent)-maxCalls):]
	}
	for _, call := range recent {
		if err := encoder.Encode(call); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}
