package workload

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/e2e-framework/klient/wait"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/probe"
)

// AskWebhook sends a request to the webhook itself, through the API server's proxy: body to /mutate of its Service, like
// the API server's reviews. It needs clusters.WebhookInCluster. An answer of any status is data.
func AskWebhook(ctx context.Context, env *framework.Env, contentType string, body []byte) probe.Response {
	env.T.Helper()
	return proxied(ctx, clusters.WebhookNamespace, env.Clientset.CoreV1().RESTClient().Post().Resource("services").Name("https:"+clusters.WebhookName+":https").
		SubResource("proxy").Suffix("mutate").SetHeader("Content-Type", contentType).Body(body))
}

// WebhookMetrics are the webhook's metrics in the text format of Prometheus. It needs clusters.WebhookInCluster.
func WebhookMetrics(ctx context.Context, env *framework.Env) probe.Response {
	env.T.Helper()
	return proxied(ctx, clusters.WebhookNamespace, env.Clientset.CoreV1().RESTClient().Get().Resource("pods").Name("http:"+webhookPod(ctx, env)+":9999").
		SubResource("proxy").Suffix("metrics"))
}

// WebhookHealth is the answer to GET /healthz of the webhook's Service. It needs
// clusters.WebhookInCluster.
func WebhookHealth(ctx context.Context, env *framework.Env) probe.Response {
	env.T.Helper()
	return proxied(ctx, clusters.WebhookNamespace, env.Clientset.CoreV1().RESTClient().Get().Resource("services").Name("https:"+clusters.WebhookName+":https").
		SubResource("proxy").Suffix("healthz"))
}

// WebhookRegistrations returns the cluster's admission webhooks with the name that Pod Identity's has on EKS,
// iam-for-pods.amazonaws.com.
func WebhookRegistrations(ctx context.Context, env *framework.Env) []admissionregistrationv1.MutatingWebhook {
	env.T.Helper()
	var list admissionregistrationv1.MutatingWebhookConfigurationList
	if err := env.Resources.List(ctx, &list); err != nil {
		env.T.Fatalf("list registrations of webhooks: %v", err)
	}
	var found []admissionregistrationv1.MutatingWebhook
	for _, configuration := range list.Items {
		for _, webhook := range configuration.Webhooks {
			if webhook.Name == "iam-for-pods.amazonaws.com" {
				found = append(found, webhook)
			}
		}
	}
	return found
}

// WebhookEndpoint returns the address to which the API server sends reviews, and the certificate authorities (PEM) that it
// trusts there, by the webhook's registration. It needs clusters.WebhookInCluster.
func WebhookEndpoint(ctx context.Context, env *framework.Env) (url, authorities string) {
	env.T.Helper()
	for _, webhook := range WebhookRegistrations(ctx, env) {
		if url, ok := serviceURL(webhook.ClientConfig); ok {
			return url, string(webhook.ClientConfig.CABundle)
		}
	}
	env.T.Blamef("there is no webhook: none is registered that has a Service")
	return "", ""
}

// serviceURL is the URL of a webhook's Service, with the default port:
// https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#service-reference.
func serviceURL(config admissionregistrationv1.WebhookClientConfig) (string, bool) {
	service := config.Service
	if service == nil {
		return "", false
	}
	port, path := int32(443), "/"
	if service.Port != nil {
		port = *service.Port
	}
	if service.Path != nil {
		path = *service.Path
	}
	return fmt.Sprintf("https://%s.%s.svc:%d%s", service.Name, service.Namespace, port, path), true
}

func webhookPod(ctx context.Context, env *framework.Env) string {
	env.T.Helper()
	var pods corev1.PodList
	if err := env.Resources.WithNamespace(clusters.WebhookNamespace).List(ctx, &pods); err != nil {
		env.T.Fatalf("find the webhook's pod: %v", err)
	}
	for _, pod := range pods.Items {
		if pod.Labels["app.kubernetes.io/name"] == clusters.WebhookName && pod.DeletionTimestamp == nil && Running(&pod) {
			return pod.Name
		}
	}
	env.T.Blamef("there is no webhook: of %d pods in namespace %s none runs it", len(pods.Items), clusters.WebhookNamespace)
	return ""
}

// unreached is how long the API server may fail to reach a subject. That is not the subject's fault: on a busy node a
// connection or a probe of the kubelet can take too long.
const unreached = 10 * time.Second

// proxied sends a request to a subject through the API server's proxy. It repeats the request while the proxy answers that
// it cannot reach the subject.
func proxied(ctx context.Context, namespace string, request *rest.Request) probe.Response {
	request = request.Namespace(namespace)
	return reached(ctx, func(ctx context.Context) probe.Response { return ask(ctx, request) })
}

// reached repeats a request until the answer is no server error. If the errors continue, it returns the last answer.
func reached(ctx context.Context, ask func(context.Context) probe.Response) (last probe.Response) {
	_ = wait.For(func(ctx context.Context) (bool, error) { // if it continues, the answer shows it
		last = ask(ctx)
		return last.Failure == nil && last.Status < http.StatusInternalServerError, nil
	}, wait.WithContext(ctx), wait.WithTimeout(unreached), wait.WithInterval(250*time.Millisecond), wait.WithImmediate())
	return last
}

// ask returns an answer of any status as data.
func ask(ctx context.Context, request *rest.Request) probe.Response {
	var status int
	result := request.Do(ctx).StatusCode(&status)
	body, err := result.Raw()
	// If the client does not know the answer's Content-Type, only the error has the status.
	if known, ok := errors.AsType[*apierrors.StatusError](err); ok && status == 0 {
		status, body = int(known.ErrStatus.Code), []byte(known.ErrStatus.Message)
	}
	if status == 0 {
		return probe.Response{Failure: &probe.Failure{Class: probe.NetworkError, Operation: "ask the webhook", Message: probe.Redact(err.Error())}}
	}
	return probe.Response{Status: status, Body: probe.Redact(string(body))}
}
