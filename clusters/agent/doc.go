// Package agent is epi's reference implementation of the EKS Pod Identity Agent: it trades the
// projected token of a pod for AWS credentials and keeps them until they are renewed.
//
// It answers as eks-pod-identity-agent 0.1.37 does, status by status and text by text, on its
// ports, with its metrics' names. It differs on purpose in this:
//   - A node without IPv6 is served over IPv4. Upstream's server ends if fd00:ec2::23 cannot be
//     bound. A host that is named with --bind-hosts must be there.
//   - All listeners share one cache, one bound and one set of renewals, where upstream's have one
//     each, so a pod that asks over both families costs EKS Auth one call.
//   - No rate limits requests: upstream answers 429 above 1000 a second, whoever asks. What costs
//     memory is bounded instead. More than 750 requests that wait for EKS Auth (--max-waiting; no
//     node has as many pods) get 429 at once, and at most 512 calls are under way (--max-calls; with
//     half as many 500 pods that start at once take two of EKS Auth's latencies). What is cached is
//     always served.
//   - Requests that wait for another's call get its answer, credentials or error, when it comes;
//     see package cache. So do those that come within 20 ms of an error, or 200 ms as long as others
//     keep coming, which is held back so long: a herd that EKS Auth refuses costs one call.
//   - An attempt at EKS Auth may take 4 s where upstream's takes 1 s: giving up on a slow EKS Auth
//     and asking again doubles its work. One that is throttled is repeated up to nine times in 11 s,
//     two in upstream, with random backoffs.
//   - Credentials are renewed each at a time of its own: a tenth earlier than they have to be at
//     most, at random. Upstream looks once a minute for what is due by then.
//   - Credentials of pods that are gone are dropped instead of renewed, where the node's routes show
//     it; see package neighbors.
//   - Requests that were too many are counted as code 429 in pod_identity_http_response, and
//     requests served from the cache as state "served" in pod_identity_cache_state.
//   - What the instance metadata service answers the agent, or an answer of EKS Auth that cannot be
//     read, is 500 to a pod, never that answer's own status.
//
// What a burst of fetches took of memory is returned to the node a second after it. During a burst
// garbage is collected earlier, and a call that waits for EKS Auth is on no stack of the SDK's.
//
// Nothing here knows epi: a subject must not know its examiner.
package agent
