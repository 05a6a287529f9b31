//go:build linux

// Package ociruntime lets an OCI runtime start containers that ask for privileges which the machine lacks. A privileged
// container asks for every capability that the engine knows. If the machine's own bounding set is smaller, runc fails. The
// package reduces the request to what the machine has. It never adds to it.
//
// It runs before every container and every exec, so it imports little.
package ociruntime

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Limits are the most that a process of this machine can give a container.
type Limits struct {
	// Capabilities of the bounding set, by bit number (capabilities(7)).
	Capabilities uint64
	// OOMScoreAdj is the lowest /proc/PID/oom_score_adj that may be set (proc(5)).
	OOMScoreAdj int
	// HardRlimit returns the hard limit of a resource such as "RLIMIT_NOFILE"; false if it is not known.
	HardRlimit func(resource string) (uint64, bool)
}

// mayRaise says whether the process may exceed its resource limits and lower its OOM score.
func (l Limits) mayRaise() bool { return l.Capabilities&(1<<capSysResource) != 0 }

// missesNothing says that no request has to be reduced.
func (l Limits) missesNothing() bool {
	known := uint64(1)<<len(capabilityNames) - 1
	return l.Capabilities&known == known
}

// object is a JSON object. Fields that the package does not know stay as they are.
type object = map[string]json.RawMessage

// ReduceConfig reduces the process of an OCI runtime configuration (config.json of a bundle) to
// what limits allow. It returns nil if there is nothing to change.
func ReduceConfig(config []byte, limits Limits) ([]byte, error) {
	var fields object
	if err := json.Unmarshal(config, &fields); err != nil {
		return nil, fmt.Errorf("decode OCI configuration: %w", err)
	}
	if fields["process"] == nil {
		return nil, nil // optional until the container is started
	}
	process, err := ReduceProcess(fields["process"], limits)
	if err != nil || process == nil {
		return nil, err
	}
	fields["process"] = process
	return json.Marshal(fields)
}

// ReduceProcess reduces an OCI process, as `runc exec --process` takes it, to what limits allow.
// It returns nil if there is nothing to change.
func ReduceProcess(process []byte, limits Limits) ([]byte, error) {
	var fields object
	if err := json.Unmarshal(process, &fields); err != nil {
		return nil, fmt.Errorf("decode OCI process: %w", err)
	}
	changed := false
	for field, reduce := range map[string]func(json.RawMessage, Limits) (any, error){
		"capabilities": reduceCapabilities,
		"oomScoreAdj":  reduceOOMScoreAdj,
		"rlimits":      reduceRlimits,
	} {
		if fields[field] == nil {
			continue
		}
		reduced, err := reduce(fields[field], limits)
		if err != nil {
			return nil, fmt.Errorf("decode %s of OCI process: %w", field, err)
		}
		if reduced == nil {
			continue
		}
		if fields[field], err = json.Marshal(reduced); err != nil {
			return nil, fmt.Errorf("encode %s of OCI process: %w", field, err)
		}
		changed = true
	}
	if !changed {
		return nil, nil
	}
	return json.Marshal(fields)
}

// reduceCapabilities works on all sets: bounding, effective, inheritable, permitted and ambient.
func reduceCapabilities(data json.RawMessage, limits Limits) (any, error) {
	var sets map[string][]string
	if err := json.Unmarshal(data, &sets); err != nil {
		return nil, err
	}
	changed := false
	for name, set := range sets {
		reduced := slices.DeleteFunc(slices.Clone(set), func(capability string) bool {
			bit := slices.Index(capabilityNames, capability)
			// runc decides about an unknown name.
			return bit >= 0 && limits.Capabilities&(1<<bit) == 0
		})
		if len(reduced) != len(set) {
			sets[name] = reduced
			changed = true
		}
	}
	if !changed {
		return nil, nil
	}
	return sets, nil
}

func reduceOOMScoreAdj(data json.RawMessage, limits Limits) (any, error) {
	var score *int
	if err := json.Unmarshal(data, &score); err != nil {
		return nil, err
	}
	if score == nil || limits.mayRaise() || *score >= limits.OOMScoreAdj {
		return nil, nil
	}
	return limits.OOMScoreAdj, nil
}

type rlimit struct {
	Type string `json:"type"`
	Hard uint64 `json:"hard"`
	Soft uint64 `json:"soft"`
}

func reduceRlimits(data json.RawMessage, limits Limits) (any, error) {
	var rlimits []rlimit
	if err := json.Unmarshal(data, &rlimits); err != nil {
		return nil, err
	}
	changed := false
	for i := range rlimits {
		limit := &rlimits[i]
		hard, known := limits.HardRlimit(limit.Type)
		if !known || limits.mayRaise() || limit.Hard <= hard {
			continue
		}
		limit.Hard, limit.Soft = hard, min(limit.Soft, hard)
		changed = true
	}
	if !changed {
		return nil, nil
	}
	return rlimits, nil
}
