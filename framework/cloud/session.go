package cloud

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eksauth"
	eksauthtypes "github.com/aws/aws-sdk-go-v2/service/eksauth/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"sigs.k8s.io/e2e-framework/klient/wait"

	"github.com/podidentity/epi/framework"
)

// Session is a role session that the harness uses itself, to test without a pod what a pod's credentials may do.
type Session struct {
	*framework.Clients
	// ARN is arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION.
	ARN string
	// Expires is the end of the credentials by AWS's answer.
	Expires time.Time
	// PackedSize is the share of the space for tags and policies that it takes, in percent, if STS reported it.
	PackedSize int32
	env        *framework.Env
}

// AssumeForPod exchanges a pod's token, which is a secret, for a session of the associated role, as the agent does. The
// error is EKS Auth's.
func AssumeForPod(ctx context.Context, env *framework.Env, cluster, token string) (*Session, error) {
	answer, err := env.EKSAuth.AssumeRoleForPodIdentity(ctx, &eksauth.AssumeRoleForPodIdentityInput{ClusterName: &cluster, Token: &token})
	if err != nil {
		return nil, err
	}
	given := answer.Credentials
	return &Session{
		Clients: env.AsKey(aws.ToString(given.AccessKeyId), aws.ToString(given.SecretAccessKey), aws.ToString(given.SessionToken)),
		ARN:     aws.ToString(answer.AssumedRoleUser.Arn), Expires: aws.ToTime(given.Expiration), env: env,
	}, nil
}

// AwaitSession is AssumeForPod in the environment's cluster. It repeats the request while the association or the role may
// be too new. If EKS Auth keeps refusing, that is AWS's failure, and not the harness's.
func AwaitSession(ctx context.Context, env *framework.Env, token string) *Session {
	env.T.Helper()
	return AwaitSessionIn(ctx, env, env.ClusterName, token)
}

// AwaitSessionIn is AwaitSession in another cluster.
func AwaitSessionIn(ctx context.Context, env *framework.Env, cluster, token string) *Session {
	env.T.Helper()
	var session *Session
	var refused error
	// The spec's own context is used, and not the wait's: the wait bounds the repeats, and not an answer.
	_ = wait.For(func(context.Context) (bool, error) {
		session, refused = AssumeForPod(ctx, env, cluster, token)
		_, untrusted := errors.AsType[*eksauthtypes.AccessDeniedException](refused)
		_, unknown := errors.AsType[*eksauthtypes.ResourceNotFoundException](refused)
		return !untrusted && !unknown, nil
	}, wait.WithContext(ctx), wait.WithTimeout(env.Timeouts.RoleVisible), wait.WithInterval(200*time.Millisecond), wait.WithImmediate())
	if refused != nil {
		env.T.Blamef("EKS Auth gives no session for the token of an associated pod in cluster %s, last asked after %s: %v", cluster, env.Timeouts.RoleVisible, refused)
	}
	return session
}

// AssumeWithToken exchanges a service account's token, which is a secret, for a session with STS. The error is STS's.
func AssumeWithToken(ctx context.Context, env *framework.Env, role *Role, token string) (*Session, error) {
	answer, err := env.STS.AssumeRoleWithWebIdentity(ctx, &sts.AssumeRoleWithWebIdentityInput{
		RoleArn: &role.ARN, RoleSessionName: aws.String(sessionName), WebIdentityToken: &token,
	})
	if err != nil {
		return nil, err
	}
	//nolint:staticcheck // SessionTokenUtilization, which replaces it, counts more than tags and policies
	return newSession(env, answer.Credentials, answer.AssumedRoleUser, answer.PackedPolicySize), nil
}

// Assume assumes another role with the session, and passes tags. The error is STS's.
func (s *Session) Assume(ctx context.Context, role *Role, tags map[string]string) (*Session, error) {
	input := &sts.AssumeRoleInput{RoleArn: &role.ARN, RoleSessionName: aws.String(sessionName)}
	for key, value := range tags {
		input.Tags = append(input.Tags, ststypes.Tag{Key: &key, Value: &value})
	}
	answer, err := s.STS.AssumeRole(ctx, input)
	if err != nil {
		return nil, err
	}
	//nolint:staticcheck // SessionTokenUtilization, which replaces it, counts more than tags and policies
	return newSession(s.env, answer.Credentials, answer.AssumedRoleUser, answer.PackedPolicySize), nil
}

func newSession(env *framework.Env, given *ststypes.Credentials, user *ststypes.AssumedRoleUser, packed *int32) *Session {
	return &Session{
		Clients: env.AsKey(aws.ToString(given.AccessKeyId), aws.ToString(given.SecretAccessKey), aws.ToString(given.SessionToken)),
		ARN:     aws.ToString(user.Arn), Expires: aws.ToTime(given.Expiration), PackedSize: aws.ToInt32(packed), env: env,
	}
}

// Get reads an object. The error is S3's.
func (s *Session) Get(bucket *Bucket, key string) func(context.Context) error {
	return func(ctx context.Context) error {
		answer, err := s.S3.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket.Name, Key: &key})
		if err != nil {
			return err
		}
		defer func() { _ = answer.Body.Close() }()
		_, err = io.Copy(io.Discard, answer.Body)
		return err
	}
}

// Head reads an object's metadata. The error is S3's.
func (s *Session) Head(bucket *Bucket, key string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := s.S3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket.Name, Key: &key})
		return err
	}
}

// Put writes an object. The error is S3's.
func (s *Session) Put(bucket *Bucket, key string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := s.S3.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket.Name, Key: &key})
		return err
	}
}

// List lists the keys of a bucket under a prefix; a nil prefix is not sent. The error is S3's.
func (s *Session) List(ctx context.Context, bucket *Bucket, prefix *string) ([]string, error) {
	answer, err := s.S3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &bucket.Name, Prefix: prefix})
	if err != nil {
		return nil, err
	}
	var keys []string
	for _, object := range answer.Contents {
		keys = append(keys, aws.ToString(object.Key))
	}
	return keys, nil
}
