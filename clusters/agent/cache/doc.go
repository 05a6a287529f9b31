// Package cache keeps pods' credentials, one entry per service account token, and renews them in
// the background. It is one for all listeners of an agent.
//
// What is cached, for how long, and what ends it follows eks-pod-identity-agent 0.1.37. It does
// better in what costs calls and time: requests that wait for another's call go on as soon as it
// ends, also when it fails; a token that has ended is dropped without asking EKS Auth; a renewal
// takes one permit of the rate limit and comes ahead of the credentials' end, those that end first
// going first; a renewal does not make an entry look recently used; what a pod asked for that has
// gone since is not renewed.
//
// No lock is held while anything is waited for.
package cache
