package cloud

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"sigs.k8s.io/e2e-framework/klient/wait"

	"github.com/podidentity/epi/framework"
)

// sessionName is the session name of every role that the harness assumes.
const sessionName = "epi"

// Elsewhere returns clients of the administrator of the second account. It needs clusters.SecondAccount.
func Elsewhere(env *framework.Env) *framework.Clients {
	env.T.Helper()
	if env.SecondAccount == nil {
		env.T.Fatalf("use second account: the environment has none, though it says so")
	}
	role := fmt.Sprintf("arn:aws:iam::%s:role/%s", env.SecondAccount.ID, env.SecondAccount.AdministratorRole)
	return env.AsOf(env.SecondAccount.ID, stscreds.NewAssumeRoleProvider(env.STS, role, func(o *stscreds.AssumeRoleOptions) { o.RoleSessionName = sessionName }))
}

// NewCaller creates a role with only the policies' permissions, and returns clients of a session of it.
func NewCaller(ctx context.Context, env *framework.Env, policies ...Document) *framework.Clients {
	env.T.Helper()
	return Assume(ctx, env, NewRoleTrusting(ctx, env, TrustAccount(env), policies...))
}

// Assume returns clients of a session of the role, which trusts the environment's account.
func Assume(ctx context.Context, env *framework.Env, role *Role) *framework.Clients {
	env.T.Helper()
	name := sessionName
	var answer *sts.AssumeRoleOutput
	var last error
	// For a moment a new role may not be assumed. The spec's own context is used, and not the wait's: the wait bounds the
	// repeats, and not an answer.
	err := wait.For(func(context.Context) (bool, error) {
		answer, last = env.STS.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: &role.ARN, RoleSessionName: &name})
		return last == nil, nil
	}, wait.WithContext(ctx), wait.WithTimeout(env.Timeouts.RoleVisible), wait.WithInterval(500*time.Millisecond), wait.WithImmediate())
	if err != nil {
		env.T.Fatalf("assume role %s: %v; last: %v", role.Name, err, last)
	}
	c := answer.Credentials
	return env.AsKey(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
}
