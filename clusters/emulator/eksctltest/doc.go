// Package eksctltest runs the real eksctl against the emulator. No program creates the clusters, and a small API server of
// the test answers for them. It takes minutes, most of which eksctl sleeps. make eksctl builds an eksctl and runs it.
package eksctltest
