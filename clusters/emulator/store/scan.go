package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
)

// The layout of a bbolt file, in the byte order of the machine, which is little-endian on all supported ones
// (https://pkg.go.dev/go.etcd.io/bbolt/internal/common: Page, Meta, InBucket and the elements of pages).
const (
	pageHead    = 16
	elementSize = 16
	inBucket    = 16
	metaSize    = 64

	flagBranch = 0x01
	flagLeaf   = 0x02
	flagMeta   = 0x04

	metaMagic   = 0xED0CDAED
	metaVersion = 2
	noFreelist  = math.MaxUint64

	maxPageSize = 64 << 10
	// maxDepth bounds the depth of a tree: each level has two pages at least.
	maxDepth = 64
)

// damage is a problem of a file.
type damage struct{ problems []string }

func (d *damage) add(format string, args ...any) {
	d.problems = append(d.problems, fmt.Sprintf(format, args...))
}

// scanner reads a bbolt file without trusting it. bbolt itself reads beyond the end of a cut file, and panics on invalid
// pages.
type scanner struct {
	data     []byte
	pageSize uint64
	// end is the first page that the file does not use.
	end   uint64
	seen  map[uint64]bool
	wrong damage
	// visit gets each table, and then each of its records. The slices are part of the file.
	table  func(name string, sequence uint64)
	record func(table string, key, value []byte)
}

// meta is one of the two roots of the file.
type meta struct {
	pageSize             uint32
	root, freelist, high uint64
	transaction          uint64
}

// readMeta reads a meta page's content.
func readMeta(data []byte) (meta, error) {
	if len(data) < pageHead+metaSize {
		return meta{}, fmt.Errorf("is cut")
	}
	flags := binary.LittleEndian.Uint16(data[8:])
	m := data[pageHead:]
	sum := fnv.New64a()
	_, _ = sum.Write(m[:metaSize-8]) // a hash's Write returns no error
	switch {
	case flags != flagMeta || binary.LittleEndian.Uint32(m) != metaMagic:
		return meta{}, fmt.Errorf("is none")
	case binary.LittleEndian.Uint32(m[4:]) != metaVersion:
		return meta{}, fmt.Errorf("is of another version")
	case binary.LittleEndian.Uint64(m[metaSize-8:]) != sum.Sum64():
		return meta{}, fmt.Errorf("has a wrong checksum")
	}
	return meta{
		pageSize: binary.LittleEndian.Uint32(m[8:]), root: binary.LittleEndian.Uint64(m[16:]), freelist: binary.LittleEndian.Uint64(m[32:]),
		high: binary.LittleEndian.Uint64(m[40:]), transaction: binary.LittleEndian.Uint64(m[48:]),
	}, nil
}

// findMetas reads both meta pages. The second one is one page after the first, which has the page size. If the first cannot
// be read, all sizes are tried.
func findMetas(data []byte) (first, second meta, firstErr, secondErr error) {
	if first, firstErr = readMeta(data); firstErr == nil && sane(first.pageSize) {
		at := min(uint64(first.pageSize), uint64(len(data)))
		second, secondErr = readMeta(data[at:])
		return first, second, nil, secondErr
	}
	secondErr = fmt.Errorf("is not found")
	for size := uint64(1 << 10); size <= maxPageSize && size < uint64(len(data)); size *= 2 {
		if second, err := readMeta(data[size:]); err == nil && uint64(second.pageSize) == size {
			return first, second, firstErr, nil
		}
	}
	return first, second, firstErr, secondErr
}

func sane(pageSize uint32) bool {
	return pageSize >= 1<<10 && pageSize <= maxPageSize && pageSize&(pageSize-1) == 0
}

// scan reads a whole file. It says whether the file is bbolt's at all.
func (s *scanner) scan() (ours bool) {
	first, second, firstErr, secondErr := findMetas(s.data)
	if firstErr != nil && secondErr != nil {
		return false
	}
	newest := first
	if firstErr != nil || secondErr == nil && second.transaction > first.transaction {
		newest = second
	}
	// A transaction writes one of the two meta pages. The other page alone would be the state before it.
	for number, err := range []error{firstErr, secondErr} {
		if err != nil {
			s.wrong.add("meta page %d %v", number, err)
		}
	}
	s.pageSize, s.end, s.seen = uint64(newest.pageSize), newest.high, map[uint64]bool{}
	if s.end > math.MaxInt64/maxPageSize {
		s.wrong.add("the file says that it has %d pages", s.end)
		return true
	}
	if have, want := uint64(len(s.data)), s.end*s.pageSize; have < want {
		s.wrong.add("the file is cut: it has %d of %d bytes", have, want)
	}
	if newest.freelist != noFreelist {
		s.wrong.add("there is a list of free pages, which this program writes none of")
	}
	s.walk(newest.root, nil, nil, 0, func(flags uint32, name, value []byte) {
		if flags != 1 || len(value) < inBucket {
			s.wrong.add("%q is no table", name)
			return
		}
		s.readTable(string(name), value)
	})
	return true
}

// readTable reads a table by its header in the root.
func (s *scanner) readTable(name string, header []byte) {
	root, sequence := binary.LittleEndian.Uint64(header), binary.LittleEndian.Uint64(header[8:])
	s.table(name, sequence)
	before := len(s.wrong.problems)
	leaf := func(flags uint32, key, value []byte) {
		if flags != 0 {
			s.wrong.add("record %q is no record", key)
			return
		}
		s.record(name, key, value)
	}
	if root != 0 {
		s.walk(root, nil, nil, 0, leaf)
	} else {
		s.readPage(header[inBucket:], 0, nil, nil, 0, leaf) // a small table is inside the root
	}
	for at := before; at < len(s.wrong.problems); at++ {
		s.wrong.problems[at] = "table " + name + ": " + s.wrong.problems[at]
	}
}

// walk reads the tree at a page. Its keys must be at least low and less than high; nil is no bound.
func (s *scanner) walk(id uint64, low, high []byte, depth int, leaf func(flags uint32, key, value []byte)) {
	switch {
	case id < 2 || id >= s.end:
		s.wrong.add("page %d is not in the file", id)
		return
	case s.seen[id]:
		s.wrong.add("page %d has two places", id)
		return
	case depth > maxDepth:
		s.wrong.add("page %d is too deep", id)
		return
	}
	s.seen[id] = true
	size := uint64(len(s.data))
	if (id+1)*s.pageSize > size {
		s.wrong.add("page %d is beyond the end of the file", id)
		return
	}
	head := s.data[id*s.pageSize:]
	overflow := uint64(binary.LittleEndian.Uint32(head[12:]))
	if own := binary.LittleEndian.Uint64(head); own != id {
		s.wrong.add("page %d says that it is page %d", id, own)
	}
	last := id + overflow
	if last >= s.end {
		s.wrong.add("page %d goes beyond the pages of the file", id)
		last = id
	}
	for n := id + 1; n <= last; n++ {
		if s.seen[n] {
			s.wrong.add("page %d has two places", n)
			return
		}
		s.seen[n] = true
	}
	s.readPage(s.data[id*s.pageSize:min((last+1)*s.pageSize, size)], id, low, high, depth, leaf)
}

// readPage reads a page and the pages below it.
func (s *scanner) readPage(page []byte, id uint64, low, high []byte, depth int, leaf func(flags uint32, key, value []byte)) {
	if len(page) < pageHead {
		s.wrong.add("page %d is cut", id)
		return
	}
	kind, count := binary.LittleEndian.Uint16(page[8:]), int(binary.LittleEndian.Uint16(page[10:]))
	if kind != flagBranch && kind != flagLeaf || kind == flagBranch && count == 0 {
		s.wrong.add("page %d is of no known kind", id)
		return
	}
	if pageHead+count*elementSize > len(page) {
		s.wrong.add("page %d has fewer than its %d elements", id, count)
		count = (len(page) - pageHead) / elementSize
	}
	elements := make([]element, 0, count)
	for n := range count {
		at := pageHead + n*elementSize
		e, ok := readElement(page, at, kind)
		if !ok {
			s.wrong.add("element %d of page %d is beyond its end", n, id)
			continue
		}
		if len(elements) > 0 && bytes.Compare(elements[len(elements)-1].key, e.key) >= 0 || low != nil && bytes.Compare(e.key, low) < 0 || high != nil && bytes.Compare(e.key, high) >= 0 {
			s.wrong.add("element %d of page %d is out of order", n, id)
		}
		elements = append(elements, e)
	}
	for n, e := range elements {
		if kind == flagLeaf {
			leaf(e.flags, e.key, e.value)
			continue
		}
		bound := high
		if n+1 < len(elements) {
			bound = elements[n+1].key
		}
		s.walk(e.child, e.key, bound, depth+1, leaf)
	}
}

type element struct {
	flags      uint32
	key, value []byte
	child      uint64
}

// readElement reads the element at an offset of a page.
func readElement(page []byte, at int, kind uint16) (element, bool) {
	head := page[at:]
	var e element
	var position, keySize, valueSize uint64
	if kind == flagBranch {
		position, keySize, e.child = u32(head), u32(head[4:]), binary.LittleEndian.Uint64(head[8:])
	} else {
		e.flags, position, keySize, valueSize = binary.LittleEndian.Uint32(head), u32(head[4:]), u32(head[8:]), u32(head[12:])
	}
	begin := uint64(at) + position
	if begin+keySize+valueSize > uint64(len(page)) {
		return element{}, false
	}
	e.key, e.value = page[begin:begin+keySize], page[begin+keySize:begin+keySize+valueSize]
	return e, true
}

func u32(data []byte) uint64 { return uint64(binary.LittleEndian.Uint32(data)) }
