package imds

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// Credentials of the instance's role.
type Credentials struct {
	AccessKeyID, SecretAccessKey, SessionToken string
	Expiration                                 time.Time
}

// ErrNotTrusted is what a Role returns if EC2 may not assume it, or if it no longer exists.
var ErrNotTrusted = errors.New("EC2 may not assume the role")

const (
	credentialsFolder = "meta-data/iam/security-credentials"
	infoPath          = "meta-data/iam/info"
	// renewBefore is how long before the end an instance gets new credentials. It is longer than the five minutes that EC2
	// promises, because SDKs and the agent renew early too
	// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html).
	renewBefore = time.Hour
)

// roleCredentials are issued on the first request, and again before they expire. If that fails, the old ones are returned
// while they are valid. After that the answer is the one of
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_iam-ec2.html.
func (s *Service) roleCredentials(ctx context.Context, i *instance, v1 bool) (string, *refusal) {
	i.mu.Lock()
	defer i.mu.Unlock()
	now, to, has := s.options.Now(), i.delivery, &i.withToken
	if v1 {
		to.V1, has = true, &i.without
	}
	if has.Expiration.Sub(now) < renewBefore {
		made, err := s.options.Role.InstanceCredentials(ctx, to)
		switch {
		case err == nil:
			*has = given{made, now}
		case has.Expiration.After(now):
			s.options.Log.WarnContext(ctx, "renew instance credentials", "instance", i.id, "error", err)
		case errors.Is(err, ErrNotTrusted):
			return encode(struct{ Code, Message, LastUpdated string }{
				"AssumeRoleUnauthorizedAccess",
				"EC2 cannot assume the role " + i.role +
					". Please see documentation at https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_iam-ec2.html#troubleshoot_iam-ec2_errors-info-doc.",
				stamp(now),
			}), nil
		default:
			s.options.Log.ErrorContext(ctx, "make instance credentials", "instance", i.id, "error", err)
			return "", &refusal{status: http.StatusInternalServerError}
		}
	}
	return encode(struct {
		Code, LastUpdated, Type string
		AccessKeyID             string `json:"AccessKeyId"`
		SecretAccessKey         string
		Token, Expiration       string
	}{
		"Success", stamp(has.updated), "AWS-HMAC",
		has.AccessKeyID, has.SecretAccessKey, has.SessionToken, stamp(has.Expiration),
	}), nil
}

// profile is the instance profile.
func (s *Service) profile(i *instance) string {
	i.mu.Lock()
	updated := i.withToken.updated
	if i.without.updated.After(updated) {
		updated = i.without.updated
	}
	i.mu.Unlock()
	if updated.IsZero() {
		updated = s.started
	}
	return encode(struct {
		Code, LastUpdated string
		ARN               string `json:"InstanceProfileArn"`
		ID                string `json:"InstanceProfileId"`
	}{
		"Success", stamp(updated),
		i.profileARN, i.profileID,
	})
}
