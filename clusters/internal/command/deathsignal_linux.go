package command

import "syscall"

// setDeathSignal makes the kernel send the signal to the program when this process ends.
func setDeathSignal(attributes *syscall.SysProcAttr, signal syscall.Signal) {
	attributes.Pdeathsig = signal
}
