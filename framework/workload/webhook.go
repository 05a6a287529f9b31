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

// AskWebhook sends a request to the webhook itself, through the API server's proxy: body to /mutate of
// its Service, as the API server does with a review. It needs clusters.WebhookInCluster. An answer
// of any status is data.
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

// WebhookRegistrations are the admission webhooks of the cluster that give pods their identity, by the
// name that they have on EKS, iam-for-pods.amazonaws.com.
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

// WebhookEndpoint is where the API server sends reviews, and the certificate authorities (PEM) that it
// trusts there, as the webhook is registered. It needs clusters.WebhookInCluster.
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

// serviceURL is how a webhook's Service is reached, with the port that it has by default:
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

// unreached is how long the API server may fail to reach a subject, which is not the subject's doing: on a busy
// node a connection or a probe of the kubelet can take too long.
const unreached = 10 * time.Second

// proxied asks a subject by the API server's proxy, and again while that answers that it cannot reach it.
func proxied(ctx context.Context, namespace string, request *rest.Request) probe.Response {
	request = request.Namespace(namespace)
	return reached(ctx, func(ctx context.Context) probe.Response { return ask(ctx, request) })
}

// reached asks until the answer is no failure of a server. The last one is told when that goes on.
func reached(ctx context.Context, ask func(context.Context) probe.Response) (last probe.Response) {
	_ = wait.For(func(ctx context.Context) (bool, error) { // that it goes on is in the answer
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
	// If the client does not know the answer's Content-Type only the error has the status.
	if known, ok := errors.AsType[*apierrors.StatusError](err); ok && status == 0 {
		status, body = int(known.ErrStatus.Code), []byte(known.ErrStatus.Message)
	}
	if status == 0 {
		return probe.Response{Failure: &probe.Failure{Class: probe.NetworkError, Operation: "ask the webhook", Message: probe.Redact(err.Error())}}
	}
	return probe.Response{Status: status, Body: probe.Redact(string(body))}
}
