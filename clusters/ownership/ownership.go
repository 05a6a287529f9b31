// Package ownership has the marks of epi's own resources in AWS: three tags, and a path in IAM. Stamped clients set them on
// everything that they create, and write it to the journal before.
package ownership

import (
	"time"

	"github.com/podidentity/epi/clusters"
)

// Keys of the tags. The first two are also labels in Kubernetes.
const (
	TagEnvironment = "epi.podidentity.dev/environment"
	TagRun         = "epi.podidentity.dev/run"
	// TagExpires is the time from which a sweeper may remove the resource, in RFC 3339 and UTC.
	TagExpires = "epi.podidentity.dev/expires"
)

// Prefix is the beginning of all names that epi chooses.
const Prefix = "epi-"

// PathPrefix is the beginning of the IAM paths of epi's roles and policies.
const PathPrefix = "/epi/"

// Lifetime is the default lifetime of resources.
const Lifetime = 6 * time.Hour

// Owner is the environment and run that a resource was created for.
type Owner struct {
	// Environment and Run are names.
	Environment, Run string
	// Expires is zero if it is not known.
	Expires time.Time
}

// Tags are the tags of the owner's resources.
func (o Owner) Tags() map[string]string {
	tags := map[string]string{TagEnvironment: o.Environment, TagRun: o.Run}
	if !o.Expires.IsZero() {
		tags[TagExpires] = o.Expires.UTC().Format(time.RFC3339)
	}
	return tags
}

// Path is the IAM path of the owner's roles and policies.
func (o Owner) Path() string { return PathPrefix + o.Environment + "/" }

// FromTags returns the owner in tags; false if they do not say that something is epi's.
func FromTags(tags map[string]string) (Owner, bool) {
	owner := Owner{Environment: tags[TagEnvironment], Run: tags[TagRun]}
	if clusters.CheckName(owner.Environment) != nil || owner.Run == "" {
		return Owner{}, false
	}
	if text, there := tags[TagExpires]; there {
		expires, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return Owner{}, false // another use of the tag
		}
		owner.Expires = expires.UTC()
	}
	return owner, true
}
