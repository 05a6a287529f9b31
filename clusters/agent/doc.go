// Package agent is epi's reference implementation of the EKS Pod Identity Agent. It exchanges the projected token of a pod
// for AWS credentials and keeps them until they are renewed.
//
// It has the statuses, texts, ports and names of metrics of eks-pod-identity-agent 0.1.37. These are its intended
// differences:
//   - A node without IPv6 is served over IPv4. Upstream's server ends if it cannot bind fd00:ec2::23. An address that
//     --bind-hosts names must exist.
//   - All listeners share one cache, one limit and one set of renewals. In upstream each listener has its own. So a pod
//     that asks over both families costs one call to EKS Auth.
//   - Requests are not limited by a rate. Upstream answers 429 above 1000 a second, to every client. This agent limits
//     memory instead. More than 750 requests that wait for EKS Auth (--max-waiting; no node has as many pods) get 429 at
//     once. At most 512 calls are in progress (--max-calls; with half as many, 500 pods that start together take two of
//     EKS Auth's latencies). Cached credentials are always served.
//   - Requests that wait for another request's call get its answer, credentials or error, when it comes: see package
//     cache. An error is held back for 20 ms, and for up to 200 ms while more requests come. They get it too, so a herd
//     that EKS Auth refuses costs one call.
//   - An attempt at EKS Auth may take 4 s, and upstream's may take 1 s. Giving up on a slow EKS Auth and asking again
//     doubles its work. A throttled call is repeated up to nine times in 11 s, and twice in upstream, with random
//     backoffs.
//   - Each entry is renewed at its own time, at random up to a tenth earlier than necessary. Upstream renews the due
//     entries once a minute.
//   - Credentials of pods that are gone are dropped instead of renewed, if the node's routes show it: see package
//     neighbors.
//   - Refused requests are counted as code 429 in pod_identity_http_response. Requests that the cache answers are counted
//     as state "served" in pod_identity_cache_state.
//   - An error of the instance metadata service, or an answer of EKS Auth that cannot be read, is 500 for the pod, and
//     never that answer's own status.
//
// The memory of a burst of fetches is returned to the node one second after it. During a burst garbage is collected
// earlier, and a call that waits for EKS Auth does not use the SDK's stack.
//
// This package imports nothing of epi's tests: a subject must not depend on what tests it.
package agent
