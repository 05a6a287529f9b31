//go:build linux

package ociruntime

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// everything is the limits of a machine with all privileges.
func everything() Limits {
	return Limits{
		Capabilities: 1<<len(capabilityNames) - 1,
		HardRlimit:   func(string) (uint64, bool) { return 1 << 20, true },
	}
}

// withoutSysResource is the machine of the design's FACTS: no CAP_SYS_RESOURCE, 20000 open files.
func withoutSysResource() Limits {
	return Limits{
		Capabilities: (1<<len(capabilityNames) - 1) &^ (1 << unix.CAP_SYS_RESOURCE),
		OOMScoreAdj:  0,
		HardRlimit: func(resource string) (uint64, bool) {
			return 20000, resource == "RLIMIT_NOFILE"
		},
	}
}

func TestReduceProcess(t *testing.T) {
	tests := []struct {
		name    string
		limits  Limits
		process string
		want    string // "" for no change
	}{
		{
			name:    "a machine that lacks nothing changes nothing",
			limits:  everything(),
			process: `{"capabilities":{"bounding":["CAP_SYS_RESOURCE"]},"oomScoreAdj":-999,"rlimits":[{"type":"RLIMIT_NOFILE","hard":9999999,"soft":9999999}]}`,
		},
		{
			name:    "a missing capability goes from all five sets",
			limits:  withoutSysResource(),
			process: `{"capabilities":{"bounding":["CAP_CHOWN","CAP_SYS_RESOURCE"],"effective":["CAP_SYS_RESOURCE","CAP_CHOWN"],"inheritable":["CAP_SYS_RESOURCE"],"permitted":["CAP_CHOWN","CAP_SYS_RESOURCE"],"ambient":["CAP_SYS_RESOURCE"]}}`,
			want:    `{"capabilities":{"bounding":["CAP_CHOWN"],"effective":["CAP_CHOWN"],"inheritable":[],"permitted":["CAP_CHOWN"],"ambient":[]}}`,
		},
		{
			name:    "nothing is added",
			limits:  withoutSysResource(),
			process: `{"capabilities":{"bounding":["CAP_CHOWN"]}}`,
		},
		{
			name:    "a capability that is not known is left to runc",
			limits:  withoutSysResource(),
			process: `{"capabilities":{"bounding":["CAP_OF_TOMORROW"]}}`,
		},
		{
			name:    "fields of others stay as they are, also large numbers",
			limits:  withoutSysResource(),
			process: `{"args":["a b","\u00e9"],"x":18446744073709551615,"capabilities":{"bounding":["CAP_SYS_RESOURCE"]},"user":{"uid":7}}`,
			want:    `{"args":["a b","\u00e9"],"x":18446744073709551615,"capabilities":{"bounding":[]},"user":{"uid":7}}`,
		},
		{
			name:    "an OOM score below one's own is raised to it",
			limits:  withoutSysResource(),
			process: `{"oomScoreAdj":-998}`,
			want:    `{"oomScoreAdj":0}`,
		},
		{
			name:    "an OOM score that may be set stays",
			limits:  withoutSysResource(),
			process: `{"oomScoreAdj":1000}`,
		},
		{
			name:    "a hard limit above one's own is lowered, and the soft one with it",
			limits:  withoutSysResource(),
			process: `{"rlimits":[{"type":"RLIMIT_NOFILE","hard":1048576,"soft":1048576},{"type":"RLIMIT_CORE","hard":18446744073709551615,"soft":0}]}`,
			want:    `{"rlimits":[{"type":"RLIMIT_NOFILE","hard":20000,"soft":20000},{"type":"RLIMIT_CORE","hard":18446744073709551615,"soft":0}]}`,
		},
		{
			name:    "a low soft limit stays",
			limits:  withoutSysResource(),
			process: `{"rlimits":[{"type":"RLIMIT_NOFILE","hard":1048576,"soft":1024}]}`,
			want:    `{"rlimits":[{"type":"RLIMIT_NOFILE","hard":20000,"soft":1024}]}`,
		},
		{
			name:    "null stands for absent",
			limits:  withoutSysResource(),
			process: `{"capabilities":null,"oomScoreAdj":null,"rlimits":null}`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := ReduceProcess([]byte(test.process), test.limits)
			if err != nil {
				t.Fatal(err)
			}
			if test.want == "" {
				if got != nil {
					t.Fatalf("changed to %s", got)
				}
				return
			}
			if diff := cmp.Diff(fields(t, test.want), fields(t, string(got))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// fields decodes an object one level deep. Numbers are compared as text.
func fields(t *testing.T, text string) map[string]any {
	t.Helper()
	var raw map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	object := map[string]any{}
	for name, value := range raw {
		if value[0] != '{' && value[0] != '[' {
			object[name] = string(value)
			continue
		}
		var decoded any
		if err := json.Unmarshal(value, &decoded); err != nil {
			t.Fatal(err)
		}
		object[name] = decoded
	}
	return object
}

func TestReduceConfig(t *testing.T) {
	config := `{"ociVersion":"1.2.0","process":{"capabilities":{"bounding":["CAP_SYS_RESOURCE"]}},"linux":{"resources":{"memory":{"limit":9223372036854775807}}}}`
	got, err := ReduceConfig([]byte(config), withoutSysResource())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"linux":{"resources":{"memory":{"limit":9223372036854775807}}},"ociVersion":"1.2.0","process":{"capabilities":{"bounding":[]}}}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, err := ReduceConfig([]byte(`{"ociVersion":"1.2.0"}`), withoutSysResource()); err != nil || got != nil {
		t.Errorf("without a process: %s, %v; want no change", got, err)
	}
	if _, err := ReduceConfig([]byte(`{"process":{"capabilities":7}}`), withoutSysResource()); err == nil {
		t.Error("capabilities that are a number are no error")
	}
}

// FuzzReduceProcess: the result asks for nothing that the machine lacks, and reducing it again changes nothing.
func FuzzReduceProcess(f *testing.F) {
	f.Add([]byte(`{"capabilities":{"bounding":["CAP_SYS_RESOURCE","CAP_CHOWN"]},"oomScoreAdj":-5,"rlimits":[{"type":"RLIMIT_NOFILE","hard":99999,"soft":1}]}`))
	f.Add([]byte(`{"rlimits":[{}]}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		reduced, err := ReduceProcess(data, withoutSysResource())
		if err != nil || reduced == nil {
			return
		}
		again, err := ReduceProcess(reduced, withoutSysResource())
		if err != nil || again != nil {
			t.Errorf("reduced twice: %s, %v", again, err)
		}
		// The decoder matches the exact name of a field, as engines write it. Go's own decoder ignores case.
		var process map[string]json.RawMessage
		if err := json.Unmarshal(reduced, &process); err != nil {
			t.Fatal(err)
		}
		var sets map[string][]string
		if process["capabilities"] == nil {
			return
		}
		if err := json.Unmarshal(process["capabilities"], &sets); err != nil {
			t.Fatal(err)
		}
		for set, names := range sets {
			for _, name := range names {
				if name == "CAP_SYS_RESOURCE" {
					t.Errorf("%s still has it", set)
				}
			}
		}
	})
}
