package framework

import (
	"time"

	"github.com/podidentity/epi/clusters"
)

// Timeouts are all the waits of specs. None is a sleep: each ends as soon as its condition holds.
type Timeouts struct {
	// PodRunning: from creating a pod until its containers run.
	PodRunning time.Duration
	// PodsMade: from creating a Deployment or a similar object until its pods exist.
	PodsMade time.Duration
	// ServiceAccountVisible: from creating a namespace until it has its default service account.
	ServiceAccountVisible time.Duration
	// RoleVisible: from creating a role until EKS accepts it in an association.
	RoleVisible time.Duration
	// PolicyVisible: from changing a policy or the trust of a role until it counts.
	PolicyVisible time.Duration
	// AssociationVisible: from creating an association until new pods get the variables, and from changing or deleting one
	// until EKS Auth uses the change.
	AssociationVisible time.Duration
	// AnnotationVisible: from annotating a service account until new pods get the effect.
	AnnotationVisible time.Duration
	// CredentialsWork: from a pod's start until its credentials do what the role's policies allow.
	CredentialsWork time.Duration
	// Exec: one command in a container.
	Exec time.Duration
	// MetadataAnswer: from setting the hop limit until pods see the change.
	MetadataAnswer time.Duration
}

// DefaultTimeouts are long enough for a busy machine, and on AWS for its eventual consistency: CreatePodIdentityAssociation
// is documented to take several seconds, and IAM takes longer.
func DefaultTimeouts(environment *clusters.Environment) Timeouts {
	timeouts := Timeouts{
		PodRunning:            time.Minute,
		PodsMade:              20 * time.Second,
		ServiceAccountVisible: 30 * time.Second,
		RoleVisible:           2 * time.Second,
		PolicyVisible:         2 * time.Second,
		AssociationVisible:    10 * time.Second,
		AnnotationVisible:     10 * time.Second,
		CredentialsWork:       10 * time.Second,
		Exec:                  30 * time.Second,
		MetadataAnswer:        10 * time.Second,
	}
	if !environment.Has(clusters.EmulatorControl) {
		timeouts.RoleVisible = 30 * time.Second
		timeouts.PolicyVisible = time.Minute
		timeouts.AssociationVisible = time.Minute
		timeouts.CredentialsWork = 2 * time.Minute
	}
	return timeouts
}
