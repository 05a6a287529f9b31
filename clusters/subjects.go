package clusters

// Where the subjects run. The EKS add-on and manifests/agent have the agent in the same place:
// https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html.
const (
	// AgentNamespace and AgentName are those of the agent's DaemonSet.
	AgentNamespace = "kube-system"
	AgentName      = "eks-pod-identity-agent"
	// WebhookNamespace and WebhookName are those of the webhook's Deployment and Service, which an
	// environment with WebhookInCluster has (manifests/webhook). Its MutatingWebhookConfiguration
	// has the same name.
	WebhookNamespace = "epi-system"
	WebhookName      = "pod-identity-webhook"
)

// AWS's own subjects, by the names of their repositories and images.
const (
	AgentProduct   = "eks-pod-identity-agent"
	WebhookProduct = "amazon-eks-pod-identity-webhook"
)
