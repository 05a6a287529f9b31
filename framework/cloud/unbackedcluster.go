package cloud

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/framework"
)

// UnbackedCluster is a cluster that is registered in EKS and does not exist on any machine. The harness signs its tokens,
// also those that no API server would issue.
type UnbackedCluster struct {
	Name string
	// Association is that of its only service account.
	*Association

	issuer string
	key    *ecdsa.PrivateKey
}

// unbackedKey is the ID of the key that signs the tokens.
const unbackedKey = "unbacked"

// NewUnbackedCluster registers a cluster in EKS, and associates its only service account with the role. It needs
// clusters.EmulatorControl.
func NewUnbackedCluster(ctx context.Context, env *framework.Env, role *Role) *UnbackedCluster {
	env.T.Helper()
	if env.Control == nil {
		env.T.Fatalf("register a cluster: the environment has no control API, though it says so")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		env.T.Fatalf("make key of a cluster: %v", err)
	}
	name := env.NewName()
	cluster := &UnbackedCluster{Name: name, issuer: "https://" + name + ".example.com", key: key}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: unbackedKey, Algorithm: "ES256", Use: "sig"}}})
	if err != nil {
		env.T.Fatalf("encode key of cluster %s: %v", cluster.Name, err)
	}
	if err := env.Control.RegisterCluster(ctx, cluster.Name, control.Cluster{Issuer: cluster.issuer, JWKS: set}); err != nil {
		env.T.Fatalf("%v", err)
	}
	env.T.Cleanup("cluster "+cluster.Name, func(ctx context.Context) error { return env.Control.UnregisterCluster(ctx, cluster.Name) })
	cluster.Association = Associate(ctx, env, env.NewName(), "reader", role, InCluster(cluster.Name))
	return cluster
}

// Token signs a token like an API server's for a pod of the service account. Other claims replace its own; nil removes a
// claim. It is a secret.
func (c *UnbackedCluster) Token(env *framework.Env, changes map[string]any) string {
	env.T.Helper()
	now := time.Now()
	claims := jwt.MapClaims{
		"iss": c.issuer, "aud": []string{podIdentity}, "sub": fmt.Sprintf("system:serviceaccount:%s:%s", c.Namespace, c.ServiceAccount),
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		"kubernetes.io": map[string]any{
			"namespace": c.Namespace, "serviceaccount": map[string]string{"name": c.ServiceAccount, "uid": "1"},
			"pod": map[string]string{"name": "web", "uid": "2"},
		},
	}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	token := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
	token.Header["kid"] = unbackedKey
	signed, err := token.SignedString(c.key)
	if err != nil {
		env.T.Fatalf("sign token of cluster %s: %v", c.Name, err)
	}
	return signed
}
