package store

// Table keeps records by key. A service holds its state in memory, reads its table at a start, and
// writes each change to the table before it counts.
type Table interface {
	// Put writes a record in place of the one under key. The key has 1 to 32768 bytes.
	Put(key string, value []byte) error
	// Delete removes the record under key, if there is one.
	Delete(key string) error
	// Each visits all records. The value may be kept. An error of visit ends it and is returned.
	Each(visit func(key string, value []byte) error) error
}

// Nowhere is the Table of a service that lives in memory only.
type Nowhere struct{}

// Put implements Table.
func (Nowhere) Put(string, []byte) error { return nil }

// Delete implements Table.
func (Nowhere) Delete(string) error { return nil }

// Each implements Table.
func (Nowhere) Each(func(key string, value []byte) error) error { return nil }

// OrNowhere is table, or Nowhere for nil.
func OrNowhere(table Table) Table {
	if table == nil {
		return Nowhere{}
	}
	return table
}
