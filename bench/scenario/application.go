package scenario

import (
	"bytes"
	"context"
	"path"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/e2e-framework/klient/wait"

	"github.com/podidentity/epi/bench/measure"
	"github.com/podidentity/epi/framework/cloud"
	"github.com/podidentity/epi/framework/workload"
)

// objectSize is the size of the object: small, so that latency and not throughput is measured.
const objectSize = 1024

// application is a service account whose pods may read one object, below the prefix of their own cluster and
// namespace, as in the walkthrough.
type application struct {
	namespace, serviceAccount string
	bucket                    *cloud.Bucket
	// own is the key of the object that its pods may read, foreign of one that they must not read.
	own, foreign string
}

// newApplication makes an application in a namespace of its own, and waits until webhook, EKS Auth and S3
// apply its permissions. The scenario's clean-up removes it.
func newApplication(ctx context.Context, s *measure.Setup) application {
	s.T.Helper()
	s.Progress("making an association, a role and a bucket")
	bucket := cloud.NewBucket(ctx, s.Env)
	a := application{namespace: workload.NewNamespace(ctx, s.Env), bucket: bucket}
	a.own, a.foreign = path.Join(s.ClusterName, a.namespace, "object"), path.Join(s.ClusterName, "another", "object")
	for _, key := range []string{a.own, a.foreign} {
		bucket.Put(ctx, key, bytes.Repeat([]byte("x"), objectSize))
	}
	tenant := workload.NewTenant(ctx, s.Env, a.namespace, cloud.NewRole(ctx, s.Env, cloud.OwnPrefix(bucket)))
	a.serviceAccount = tenant.Association.ServiceAccount
	workload.AwaitAssociation(ctx, s.Env, tenant.Association)

	read := workload.NewSession(ctx, s.Env, tenant.Pod).Get(bucket, a.own)
	var refused error
	err := wait.For(func(context.Context) (bool, error) {
		refused = read(ctx)
		return refused == nil, nil
	}, wait.WithContext(ctx), wait.WithTimeout(s.Timeouts.PolicyVisible), wait.WithInterval(200*time.Millisecond), wait.WithImmediate())
	if err != nil {
		s.T.Fatalf("wait until a session may read s3://%s/%s: %v; last: %v", bucket.Name, a.own, err, refused)
	}
	return a
}

// pod of the application: of epi-probe, with these arguments.
func newPod(s *measure.Setup, a application, name string, args ...string) *corev1.Pod {
	pod := workload.NewPod(s.Env, a.namespace, a.serviceAccount)
	pod.Name = name
	pod.Spec.Containers[0].Args = args
	return pod
}
