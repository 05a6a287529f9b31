// Package eksctltest runs the real eksctl against the emulator: clusters that nobody makes, whose API server
// is a small one of the test. It takes minutes, in which eksctl sleeps: make eksctl builds an eksctl and runs it.
package eksctltest
