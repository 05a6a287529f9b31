package eks

import (
	"maps"
	"slices"
)

// requestTags are the condition keys of tags that a request gives.
func requestTags(tags map[string]string) map[string][]string {
	keys := map[string][]string{}
	for key, value := range tags {
		keys["aws:RequestTag/"+key] = []string{value}
	}
	if len(tags) > 0 {
		keys["aws:TagKeys"] = slices.Sorted(maps.Keys(tags))
	}
	return keys
}

func addResourceTags(keys map[string][]string, tags map[string]string) {
	for key, value := range tags {
		keys["aws:ResourceTag/"+key] = []string{value}
	}
}

// clusterTags are keys with the condition keys of the cluster's tags. The caller does not hold mu.
func (s *Service) clusterTags(name string, keys map[string][]string) map[string][]string {
	all := maps.Clone(keys)
	if all == nil {
		all = map[string][]string{}
	}
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	if c, ok := s.state.clusters[name]; ok {
		addResourceTags(all, c.tags)
	}
	return all
}
