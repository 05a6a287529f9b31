// Package quota holds the limits of sessions that several of the emulated services check. Sources:
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html and
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html.
package quota

const (
	// SessionNameMin and SessionNameMax are the lengths of a session's name and of its source identity.
	SessionNameMin = 2
	SessionNameMax = 64
	// SessionTags is how many tags a session may be given.
	SessionTags = 50
	// SessionPolicyARNs is how many managed policies may limit a session.
	SessionPolicyARNs = 10
	// SessionPolicySize is how many characters the inline policies of a session may have together.
	SessionPolicySize = 2048
)
