package cloud

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/eks"

	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/framework"
)

// InCluster associates in another cluster than the environment's.
func InCluster(name string) AssociationOption {
	return func(in *eks.CreatePodIdentityAssociationInput) { in.ClusterName = &name }
}

// SecondCluster registers the environment's cluster in EKS under a second name too, and returns that name. Tokens of the
// cluster are valid for both names, so only the name distinguishes their sessions. It is not removed, because it has no
// content. It needs clusters.EmulatorControl.
func SecondCluster(ctx context.Context, env *framework.Env) string {
	env.T.Helper()
	if env.Control == nil {
		env.T.Fatalf("register a second cluster: the environment has no control API, though it says so")
	}
	name := env.ClusterName + "-second"
	err := env.Control.RegisterCluster(ctx, name, control.Cluster{Issuer: Issuer(ctx, env), JWKS: discover(ctx, env, "/openid/v1/jwks")})
	if err != nil {
		env.T.Fatalf("%v", err)
	}
	return name
}
