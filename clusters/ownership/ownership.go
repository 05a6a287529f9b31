// Package ownership is what shows that something in AWS is epi's own: three tags, and a path in IAM. Clients
// that are stamped give them to all that they create, and write it down before.
package ownership

import (
	"time"

	"github.com/podidentity/epi/clusters"
)

// Keys of the tags. The first two are also labels in Kubernetes.
const (
	TagEnvironment = "epi.podidentity.dev/environment"
	TagRun         = "epi.podidentity.dev/run"
	// TagExpires is when a sweeper may remove the resource: a time of RFC 3339 in UTC.
	TagExpires = "epi.podidentity.dev/expires"
)

// Prefix begins the names of all that is named by epi.
const Prefix = "epi-"

// PathPrefix begins the IAM paths of epi's roles and policies.
const PathPrefix = "/epi/"

// Lifetime is how long what is made may be used, unless somebody says otherwise.
const Lifetime = 6 * time.Hour

// Owner is who something in AWS was made for.
type Owner struct {
	// Environment and Run are names.
	Environment, Run string
	// Expires is zero if it is not known.
	Expires time.Time
}

// Tags of what the owner has.
func (o Owner) Tags() map[string]string {
	tags := map[string]string{TagEnvironment: o.Environment, TagRun: o.Run}
	if !o.Expires.IsZero() {
		tags[TagExpires] = o.Expires.UTC().Format(time.RFC3339)
	}
	return tags
}

// Path is the IAM path of the owner's roles and policies.
func (o Owner) Path() string { return PathPrefix + o.Environment + "/" }

// FromTags returns the owner that tags tell; false if they do not say that something is epi's.
func FromTags(tags map[string]string) (Owner, bool) {
	owner := Owner{Environment: tags[TagEnvironment], Run: tags[TagRun]}
	if clusters.CheckName(owner.Environment) != nil || owner.Run == "" {
		return Owner{}, false
	}
	if text, there := tags[TagExpires]; there {
		expires, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return Owner{}, false // somebody else's idea of the tag
		}
		owner.Expires = expires.UTC()
	}
	return owner, true
}
