package store

// Table keeps records by key. A service holds its state in memory, reads its table at a start, and writes each change to
// the table before the change counts.
type Table interface {
	// Put writes a record under key, and replaces an older one. The key has 1 to 32768 bytes.
	Put(key string, value []byte) error
	// Delete removes the record under key, if there is one.
	Delete(key string) error
	// Each visits all records. visit may keep the value. If visit returns an error, Each ends and returns it.
	Each(visit func(key string, value []byte) error) error
}

// Nowhere is the Table of a service that keeps its state in memory only.
type Nowhere struct{}

// Put implements Table.
func (Nowhere) Put(string, []byte) error { return nil }

// Delete implements Table.
func (Nowhere) Delete(string) error { return nil }

// Each implements Table.
func (Nowhere) Each(func(key string, value []byte) error) error { return nil }

// OrNowhere returns table, or Nowhere if it is nil.
func OrNowhere(table Table) Table {
	if table == nil {
		return Nowhere{}
	}
	return table
}
