// Package cache keeps pods' credentials, one entry for each service account token, and renews them in the background. All
// listeners of an agent share one cache.
//
// What is cached, for how long, and what ends it follows eks-pod-identity-agent 0.1.37. The cache makes fewer calls and
// answers sooner. Requests that wait for another request's call continue as soon as it ends, also if it fails. An expired
// token is dropped without a call to EKS Auth. A renewal takes one permit of the rate limit and comes before the
// credentials' end; those that end first are renewed first. A renewal does not count as a use of an entry. Entries of pods
// that are gone are not renewed.
//
// No lock is held during a wait.
package cache
