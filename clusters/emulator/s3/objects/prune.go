package objects

import (
	"encoding/json"
	"fmt"

	"github.com/podidentity/epi/clusters/emulator/store"
)

// Prune deletes the unusable records of tables that were recovered from a damaged file. These are versions and parts whose bucket
// or content is gone, and records that cannot be read. It returns how many.
func Prune(tables Tables) (dropped int, err error) {
	tables = tables.complete()
	contents, buckets := map[string]bool{}, map[string]bool{}
	if err := tables.Contents.Each(func(name string, _ []byte) error { contents[name] = true; return nil }); err != nil {
		return 0, fmt.Errorf("prune contents: %w", err)
	}
	if err := tables.Buckets.Each(func(name string, _ []byte) error { buckets[name] = true; return nil }); err != nil {
		return 0, fmt.Errorf("prune buckets: %w", err)
	}
	usable := func(value []byte) bool {
		var record struct{ Bucket, Content string }
		return json.Unmarshal(value, &record) == nil && buckets[record.Bucket] && (record.Content == "" || contents[record.Content])
	}
	for _, table := range []store.Table{tables.Objects, tables.Uploads} {
		var gone []string
		if err := table.Each(func(key string, value []byte) error {
			if !usable(value) {
				gone = append(gone, key)
			}
			return nil
		}); err != nil {
			return dropped, fmt.Errorf("prune objects: %w", err)
		}
		for _, key := range gone {
			if err := table.Delete(key); err != nil {
				return dropped, fmt.Errorf("prune objects: %w", err)
			}
			dropped++
		}
	}
	return dropped, nil
}
