package kind

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/cert"
	"k8s.io/utils/ptr"

	"github.com/podidentity/epi/clusters/emulator/control"
)

const (
	tokenReviewFile = "tokenreviews.kubeconfig"
	// hostedWebhookURL is the address of EKS's webhook beside the API server.
	hostedWebhookURL = "https://127.0.0.1:23443/mutate"
)

// hostedFiles are files for the API server and for the webhook beside it.
type hostedFiles struct {
	// folder is on this machine. certificate is the webhook's, in PEM.
	folder      string
	certificate []byte
}

// writeHosted writes the files to a folder below a cluster's. The API server reads them as root.
func (c *RegionClusters) writeHosted(folder string, wanted control.WantedCluster) (hostedFiles, error) {
	files := hostedFiles{folder: filepath.Join(folder, "hosted")}
	if err := os.MkdirAll(files.folder, 0o700); err != nil {
		return files, fmt.Errorf("make folder of control plane: %w", err)
	}
	certificate, key, err := cert.GenerateSelfSignedCertKey("pod-identity-webhook", []net.IP{net.IPv4(127, 0, 0, 1)}, nil)
	if err != nil {
		return files, fmt.Errorf("make certificate of webhook: %w", err)
	}
	files.certificate = certificate
	reviews, err := tokenReviewConfig(url.URL{
		Scheme: "http", Host: net.JoinHostPort(c.record.EmulatorIP, emulatorControlPort), User: url.UserPassword("api-server", c.record.SyncToken),
		Path: "/v1/clusters/" + wanted.Name + "/tokenreviews",
	})
	if err != nil {
		return files, err
	}
	for name, content := range map[string][]byte{
		"tls.crt": certificate, "tls.key": key, tokenReviewFile: reviews, "sync.env": []byte("EPI_EMULATOR_SYNC_TOKEN=" + c.record.SyncToken + "\n"),
		"association-sync.service":     []byte(c.syncUnit(wanted.Name)),
		"pod-identity-webhook.service": []byte(c.webhookUnit()),
	} {
		if err := os.WriteFile(filepath.Join(files.folder, name), content, 0o600); err != nil {
			return files, fmt.Errorf("write files of control plane: %w", err)
		}
	}
	return files, nil
}

// tokenReviewConfig is the kubeconfig with which the API server asks the emulator for the user of a token
// (https://kubernetes.io/docs/reference/access-authn-authz/authentication/#webhook-token-authentication). The token of the
// control API is in the URL, because a client with a kubeconfig sends a user's credentials over TLS only.
func tokenReviewConfig(server url.URL) ([]byte, error) {
	config := clientcmdapi.NewConfig()
	config.Clusters["eks"] = &clientcmdapi.Cluster{Server: server.String()}
	config.AuthInfos["api-server"] = &clientcmdapi.AuthInfo{}
	config.Contexts["eks"] = &clientcmdapi.Context{Cluster: "eks", AuthInfo: "api-server"}
	config.CurrentContext = "eks"
	data, err := clientcmd.Write(*config)
	if err != nil {
		return nil, fmt.Errorf("encode configuration of token reviews: %w", err)
	}
	return data, nil
}

// syncUnit is the service that keeps the webhook's list of service accounts with associations up to date.
func (c *RegionClusters) syncUnit(clusterName string) string {
	return `[Unit]
Description=Associations of the EKS cluster

[Service]
EnvironmentFile=` + hostedFolder + `/sync.env
RuntimeDirectory=container-credentials
RuntimeDirectoryPreserve=yes
ExecStart=/usr/local/bin/epi-emulator sync --control http://` + net.JoinHostPort(c.record.EmulatorIP, emulatorControlPort) + ` --cluster ` + clusterName + ` --file /run/container-credentials/config.json
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
`
}

// webhookUnit is the service of EKS's webhook, beside the API server.
func (c *RegionClusters) webhookUnit() string {
	return `[Unit]
Description=EKS Pod Identity webhook
After=association-sync.service

[Service]
RuntimeDirectory=container-credentials
RuntimeDirectoryPreserve=yes
ExecStart=/usr/local/bin/epi-webhook --kubeconfig /etc/kubernetes/admin.conf --in-cluster=false --port 23443 --metrics-port 23999 --tls-cert ` + hostedFolder + `/tls.crt --tls-key ` + hostedFolder + `/tls.key --watch-container-credentials-config /run/container-credentials/config.json --sts-regional-endpoint --aws-default-region ` + c.record.Region + `
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
`
}

// startHosted starts the services beside the API server.
func (c *RegionClusters) startHosted(ctx context.Context, name string) error {
	for _, program := range []string{webhookProgram, emulatorProgram} {
		if _, err := c.engine.Output(ctx, "cp", filepath.Join(c.record.Binaries, program), name+":/usr/local/bin/"+program); err != nil {
			return fmt.Errorf("put %s into the control plane: %w", program, err)
		}
	}
	script := "set -e\ncp " + hostedFolder + "/*.service /etc/systemd/system/\nsystemctl daemon-reload\nsystemctl enable --now association-sync.service pod-identity-webhook.service"
	if _, err := c.engine.Output(ctx, "exec", name, "sh", "-c", script); err != nil {
		return fmt.Errorf("start the webhook of the control plane: %w", err)
	}
	return nil
}

// accessPolicies are EKS's policies of access entries, with the role of Kubernetes that allows the same, or nearly so
// (https://docs.aws.amazon.com/eks/latest/userguide/access-policy-permissions.html). The emulator's webhook turns a policy
// into a group. That of AmazonEKSClusterAdminPolicy is system:masters.
var accessPolicies = map[string]string{
	"AmazonEKSAdminPolicy": "admin", "AmazonEKSEditPolicy": "edit", "AmazonEKSViewPolicy": "view", "AmazonEKSAdminViewPolicy": "epi:admin-view",
}

// bindAccessPolicies gives the groups of access policies the permissions of the policies.
func bindAccessPolicies(ctx context.Context, client kubernetes.Interface) error {
	everything := &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: accessPolicies["AmazonEKSAdminViewPolicy"]},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"get", "list", "watch"}}},
	}
	if _, err := client.RbacV1().ClusterRoles().Create(ctx, everything, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("bind access policies: %w", err)
	}
	for policy, role := range accessPolicies {
		binding := &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "eks:" + strings.ToLower(policy)},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: "eks-access-policy:" + policy}},
		}
		if _, err := client.RbacV1().ClusterRoleBindings().Create(ctx, binding, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("bind access policies: %w", err)
		}
	}
	return nil
}

// deleteNow deletes without a grace period.
func deleteNow() metav1.DeleteOptions {
	return metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)}
}
