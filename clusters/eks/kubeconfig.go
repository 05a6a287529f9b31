package eks

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awseks "github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

const (
	// tokenPrefix is the beginning of tokens for EKS. clusterHeader is part of their signature. EKS accepts a token for
	// tokenLife from the time of its signature
	// (https://github.com/kubernetes-sigs/aws-iam-authenticator/blob/master/pkg/token/token.go).
	tokenPrefix   = "k8s-aws-v1."
	clusterHeader = "x-k8s-aws-id"
	tokenLife     = 15 * time.Minute
	// renewal is how long before its end a token is no longer used.
	renewal = time.Minute
)

// Token returns a bearer token for the API server of an EKS cluster, and the time to make a new one.
func Token(ctx context.Context, cfg aws.Config, cluster string) (token string, expires time.Time, err error) {
	// The time is read before the signature, so that the token's end is not estimated too late.
	expires = time.Now().Add(tokenLife - renewal)
	presigned, err := sts.NewPresignClient(sts.NewFromConfig(cfg)).PresignGetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}, func(o *sts.PresignOptions) {
		o.Presigner = presigner{o.Presigner, cluster}
	})
	if err != nil {
		return "", time.Time{}, fmt.Errorf("sign a token for cluster %s: %w", cluster, err)
	}
	return tokenPrefix + base64.RawURLEncoding.EncodeToString([]byte(presigned.URL)), expires, nil
}

// presigner adds what EKS requires in the signature. X-Amz-Expires goes into the URL, and the cluster stays a header.
type presigner struct {
	sts.HTTPPresignerV4
	cluster string
}

func (p presigner) PresignHTTP(
	ctx context.Context, credentials aws.Credentials, r *http.Request, payloadHash, service, region string, at time.Time, options ...func(*v4.SignerOptions),
) (string, http.Header, error) {
	r.Header.Set(clusterHeader, p.cluster)
	r.Header.Set("X-Amz-Expires", "60")
	return p.HTTPPresignerV4.PresignHTTP(ctx, credentials, r, payloadHash, service, region, at, options...)
}

// writeKubeconfig writes a kubeconfig whose user is a command that makes tokens.
func writeKubeconfig(file string, cluster *ekstypes.Cluster, command []string) error {
	name := aws.ToString(cluster.Name)
	if aws.ToString(cluster.Endpoint) == "" || cluster.CertificateAuthority == nil {
		return errors.New("EKS reports no endpoint of the cluster")
	}
	authority, err := base64.StdEncoding.DecodeString(aws.ToString(cluster.CertificateAuthority.Data))
	if err != nil {
		return fmt.Errorf("read the certificate authority of the cluster: %w", err)
	}
	config := api.Config{
		Clusters: map[string]*api.Cluster{name: {Server: aws.ToString(cluster.Endpoint), CertificateAuthorityData: authority}},
		AuthInfos: map[string]*api.AuthInfo{name: {Exec: &api.ExecConfig{
			APIVersion: "client.authentication.k8s.io/v1", InteractiveMode: api.NeverExecInteractiveMode, Command: command[0], Args: command[1:],
		}}},
		Contexts:       map[string]*api.Context{name: {Cluster: name, AuthInfo: name}},
		CurrentContext: name,
	}
	if err := clientcmd.WriteToFile(config, file); err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	return nil
}

// describe returns the cluster as EKS describes it; nil if there is none.
func describe(ctx context.Context, client *awseks.Client, name string) (*ekstypes.Cluster, error) {
	out, err := client.DescribeCluster(ctx, &awseks.DescribeClusterInput{Name: &name})
	if _, none := errors.AsType[*ekstypes.ResourceNotFoundException](err); none {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("describe cluster %s: %w", name, err)
	}
	return out.Cluster, nil
}
