// Package eksctltest runs the real eksctl against the emulator: clusters that nobody makes, whose API server
// is a small one of the test. It runs where package eksctl finds an eksctl; make eksctl builds one.
package eksctltest
