package store

import (
	"encoding/binary"
	"errors"
	"hash/crc64"
)

// A record is its checksum and then its value. The checksum covers the table's name, the key and the value. A table's
// sequence, which bbolt does not use itself, combines the checksums of all its records, so that a missing record is noticed
// too. In a table of an older version the sequence is 0, and a record is its value only.
const (
	sumSize = 8
	// emptyTable is the sequence of a table without records.
	emptyTable = 0x6570695f73746174
)

var sumTable = crc64.MakeTable(crc64.ECMA)

var errSum = errors.New("the record is not what was written")

func sum(table string, key, value []byte) uint64 {
	var sizes [8]byte
	binary.LittleEndian.PutUint32(sizes[:], uint32(len(table)))
	binary.LittleEndian.PutUint32(sizes[4:], uint32(len(key)))
	s := crc64.Update(0, sumTable, sizes[:])
	s = crc64.Update(s, sumTable, []byte(table))
	s = crc64.Update(s, sumTable, key)
	s = crc64.Update(s, sumTable, value)
	return mix(s)
}

// mix makes checksums that differ in one bit differ in many bits. Otherwise they could cancel each other out in a table's
// sequence.
func mix(s uint64) uint64 {
	s ^= s >> 30
	s *= 0xbf58476d1ce4e5b9
	s ^= s >> 27
	s *= 0x94d049bb133111eb
	return s ^ s>>31
}

// seal puts the checksum before a value.
func seal(table string, key, value []byte) (record []byte, own uint64) {
	own = sum(table, key, value)
	record = binary.LittleEndian.AppendUint64(make([]byte, 0, sumSize+len(value)), own)
	return append(record, value...), own
}

// unseal returns the value of a record.
func unseal(table string, key, record []byte) (value []byte, own uint64, err error) {
	if len(record) < sumSize {
		return nil, 0, errSum
	}
	own, value = binary.LittleEndian.Uint64(record), record[sumSize:]
	if own != sum(table, key, value) {
		return nil, 0, errSum
	}
	return value, own, nil
}
