// Package agent is epi's reference implementation of the EKS Pod Identity Agent: it trades the
// projected token of a pod for AWS credentials and keeps them until they are renewed.
//
// It answers as eks-pod-identity-agent 0.1.37 does, status by status and text by text, on its
// ports, with its metrics' names. It differs on purpose in this:
//   - A node without IPv6 is served over IPv4. Upstream's server ends if fd00:ec2::23 cannot be
//     bound. A host that is named with --bind-hosts must be there.
//   - All listeners share one cache, one rate limit and one set of renewals, where upstream's
//     have one each, so a pod that asks over both families costs EKS Auth one call.
//   - Requests that wait for another's call get its answer, credentials or error, when it comes;
//     see package cache.
//   - Refusals by the rate limit are counted as code 429 in pod_identity_http_response, and
//     requests served from the cache as state "served" in pod_identity_cache_state.
//   - What the instance metadata service answers the agent, or an answer of EKS Auth that cannot be
//     read, is 500 to a pod, never that answer's own status.
//
// Nothing here knows epi: a subject must not know its examiner.
package agent
