// Package load makes open-loop load: requests begin on a schedule, independently of the answers, and every latency counts
// from the intended start. If a server stalls for a second, the result shows a second of late answers, and not one slow
// request (coordinated omission, https://www.azul.com/files/HowNotToMeasureLatency_LLSummit_NYC_12Nov2013.pdf).
//
// vegeta would be the library for this. It counts from the moment when a worker begins a request, and so hides the wait for
// a worker. Its client, net/http's, also reaches less than half of wrk's rate on the same handler. The rest comes from
// libraries: the histogram (hdrhistogram-go) and the reading of answers (fasthttp).
package load
