// Package load makes open-loop load: requests begin when a schedule says so, however slow the answers
// are, and every latency counts from the intended start. A server that stalls for a second therefore
// shows a second of late answers, not one slow request (coordinated omission,
// https://www.azul.com/files/HowNotToMeasureLatency_LLSummit_NYC_12Nov2013.pdf).
//
// vegeta, which would be the library for this, counts from the moment a worker takes a request up and
// so hides the time that a request waits for one; its client, net/http's, also reaches less than half
// of what wrk does on the same handler. What is taken from libraries is the rest: the histogram
// (hdrhistogram-go) and the reading of answers (fasthttp).
package load
