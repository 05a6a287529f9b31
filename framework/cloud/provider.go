package cloud

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/podidentity/epi/framework"
)

// STSAudience is the audience of tokens for AssumeRoleWithWebIdentity:
// https://docs.aws.amazon.com/eks/latest/userguide/enable-iam-roles-for-service-accounts.html.
const STSAudience = "sts.amazonaws.com"

// Provider is the IAM OpenID Connect provider of a cluster.
type Provider struct {
	ARN string
	// Host is the issuer's URL without its scheme: the prefix of the provider's condition keys.
	Host string
}

// ClusterProvider returns the provider of the environment's cluster, with STSAudience among its client IDs. It creates the
// provider if there is none. An account can have one for an issuer, so simultaneous specs share it. No spec removes it. It
// is removed with the environment.
func ClusterProvider(ctx context.Context, env *framework.Env) *Provider {
	env.T.Helper()
	issuer := Issuer(ctx, env)
	host := strings.TrimPrefix(issuer, "https://")
	provider := &Provider{ARN: "arn:aws:iam::" + env.AccountID + ":oidc-provider/" + host, Host: host}
	_, err := env.IAM.CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{
		Url: &issuer, ClientIDList: []string{STSAudience},
	})
	if _, exists := errors.AsType[*iamtypes.EntityAlreadyExistsException](err); exists {
		_, err = env.IAM.AddClientIDToOpenIDConnectProvider(ctx, &iam.AddClientIDToOpenIDConnectProviderInput{
			OpenIDConnectProviderArn: &provider.ARN, ClientID: aws.String(STSAudience), // no error if it is there
		})
	}
	if err != nil {
		env.T.Fatalf("create OpenID Connect provider of %s: %v", issuer, err)
	}
	return provider
}

// TrustServiceAccount is the trust policy of a role for service accounts, for tokens of one service account for STS:
// https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html.
func TrustServiceAccount(provider *Provider, namespace, serviceAccount string) Document {
	return trust(map[string]string{"Federated": provider.ARN}, nil, []string{"sts:AssumeRoleWithWebIdentity"}).
		When("StringEquals", provider.Host+":sub", "system:serviceaccount:"+namespace+":"+serviceAccount).
		When("StringEquals", provider.Host+":aud", STSAudience)
}

// Issuer is the issuer of the cluster's service account tokens, from its API server:
// https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#service-account-issuer-discovery.
func Issuer(ctx context.Context, env *framework.Env) string {
	env.T.Helper()
	var configuration struct {
		Issuer string `json:"issuer"`
	}
	data := discover(ctx, env, "/.well-known/openid-configuration")
	if err := json.Unmarshal(data, &configuration); err != nil || configuration.Issuer == "" {
		env.T.Fatalf("read the cluster's OpenID configuration: no issuer in it (error %v)", err)
	}
	return configuration.Issuer
}

func discover(ctx context.Context, env *framework.Env, path string) []byte {
	env.T.Helper()
	data, err := env.Clientset.Discovery().RESTClient().Get().AbsPath(path).DoRaw(ctx)
	if err != nil {
		env.T.Fatalf("get %s of the cluster: %v", path, err)
	}
	return data
}
