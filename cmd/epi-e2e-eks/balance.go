package main

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/podidentity/epi/clusters/emulator/control"
)

// pair counts how often something was created and removed.
type pair struct {
	service, what string
	made, removed uint64
}

// balanceOf pairs the successful calls: each Create with its Delete, by the name of their subject. It leaves out repeated
// calls, and calls for something that is removed with its parent.
func balanceOf(counts []control.Count) []pair {
	pairs := map[[2]string]*pair{}
	for _, count := range counts {
		what, made := strings.CutPrefix(count.Operation, "Create")
		if !made {
			var removed bool
			if what, removed = strings.CutPrefix(count.Operation, "Delete"); !removed {
				continue
			}
		}
		if count.ErrorCode != "" || slices.Contains(parts, count.Service+":"+what) {
			continue
		}
		key := [2]string{count.Service, what}
		if pairs[key] == nil {
			pairs[key] = &pair{service: count.Service, what: what}
		}
		if made {
			pairs[key].made += count.Calls - count.Repeats
		} else {
			pairs[key].removed += count.Calls - count.Repeats
		}
	}
	list := make([]pair, 0, len(pairs))
	for _, p := range slices.SortedFunc(maps.Values(pairs), func(a, b *pair) int {
		return cmp.Or(cmp.Compare(a.service, b.service), cmp.Compare(a.what, b.what))
	}) {
		if p.made > 0 {
			list = append(list, *p)
		}
	}
	return list
}

// parts are removed with their parent, without a call: an add-on with its cluster, a route with its table.
var parts = []string{"eks:Addon", "eks:AccessEntry", "ec2:Tags", "ec2:Route", "iam:PolicyVersion"}
