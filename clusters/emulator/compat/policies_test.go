package compat

import "github.com/podidentity/epi/clusters/emulator/emulatortest"

const (
	trustPods    = emulatortest.TrustPods
	trustAccount = emulatortest.TrustAccount
	allowAll     = emulatortest.AllowAll
)

func roleARN(name string) string { return "arn:aws:iam::" + emulatortest.Account + ":role/" + name }

func policyARN(name string) string { return "arn:aws:iam::" + emulatortest.Account + ":policy/" + name }
