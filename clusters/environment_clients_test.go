package clusters

import "testing"

func TestLacksSaysHowToGetAClient(t *testing.T) {
	env := &Environment{
		Capabilities: []Capability{IMDS, ClientCapability("new"), OldClientCapability("old")},
		Clients: []Client{
			{Name: "new", Version: "3.0.0", Floor: "2.0.0"}, {Name: "old", SDK: "AWS CLI v2", Version: "2.9.19", Floor: "2.15.0", TooOld: true},
			{Name: "lost", Missing: "npm is not in the path"},
		},
	}
	for want, list := range map[string][]Capability{
		"": {IMDS, ClientCapability("new"), OldClientCapability("old")},
		"the environment has no emulator-control":                                                               {EmulatorControl, IMDS},
		"unsupported client: AWS CLI v2 2.9.19 is older than 2.15.0, the first that knows Pod Identity":         {ClientCapability("old")},
		"client new is not too old: it is 3.0.0, and 2.0.0 is the first that knows Pod Identity":                {OldClientCapability("new")},
		"client lost could not be made here: npm is not in the path":                                            {ClientCapability("lost")},
		"the environment has no imds2; the client is not in the environment; to have all: epi up --clients all": {ClientCapability("other"), "imds2"},
	} {
		if got := env.Lacks(list...); got != want {
			t.Errorf("%v: %q, want %q", list, got, want)
		}
	}
}
