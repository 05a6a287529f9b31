package kind

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/e2e-framework/klient/k8s/resources"

	"github.com/podidentity/epi/clusters"
)

// Instances returns the URL of a port of each running copy of a program, by name, and a client for them. Requests to pods
// go through the API server.
func (r *Replacer) Instances(ctx context.Context, program string, port int) (map[string]string, *http.Client, error) {
	namespace, name := clusters.AgentNamespace, clusters.AgentName
	switch program {
	case emulatorProgram:
		endpoint, err := url.Parse(r.env.AWS.PodEndpointURL)
		if err != nil {
			return nil, nil, fmt.Errorf("find %s: %w", program, err)
		}
		return map[string]string{emulatorName(r.env.Name): fmt.Sprintf("http://%s:%d", endpoint.Hostname(), port)}, http.DefaultClient, nil
	case webhookProgram:
		namespace, name = clusters.WebhookNamespace, clusters.WebhookName
	}
	client, err := rest.HTTPClientFor(r.kube)
	if err != nil {
		return nil, nil, fmt.Errorf("find pods of %s: %w", program, err)
	}
	found, err := resources.New(r.kube)
	if err != nil {
		return nil, nil, fmt.Errorf("find pods of %s: %w", program, err)
	}
	var pods corev1.PodList
	if err := found.WithNamespace(namespace).List(ctx, &pods, resources.WithLabelSelector("app.kubernetes.io/name="+name)); err != nil {
		return nil, nil, fmt.Errorf("find pods of %s: %w", program, err)
	}
	list := map[string]string{}
	for i := range pods.Items {
		pod := pods.Items[i].Name
		list[pod] = fmt.Sprintf("%s/api/v1/namespaces/%s/pods/%s:%d/proxy", r.kube.Host, namespace, pod, port)
	}
	return list, client, nil
}
