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

// SecondCluster makes the environment's cluster known to EKS under a second name too, and returns
// that name: tokens of the one cluster are good for both, so that nothing but the name reports their
// sessions apart. It stays, as there is nothing in it. It needs clusters.EmulatorControl.
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
