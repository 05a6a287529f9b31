// Package checksum computes the checksums that S3 keeps with objects
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html).
package checksum

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"strings"
)

// Algorithm as x-amz-checksum-algorithm spells it.
type Algorithm string

// The algorithms.
const (
	CRC32     Algorithm = "CRC32"
	CRC32C    Algorithm = "CRC32C"
	CRC64NVME Algorithm = "CRC64NVME"
	SHA1      Algorithm = "SHA1"
	SHA256    Algorithm = "SHA256"
)

// Default is the algorithm that S3 uses when a client declares no checksum.
const Default = CRC64NVME

// The polynomial of CRC-64/NVME, in the reversed form of hash/crc64.
const nvme = 0x9a6c9329ac4bc9b5

var (
	castagnoliTable = crc32.MakeTable(crc32.Castagnoli)
	nvmeTable       = crc64.MakeTable(nvme)
)

// Algorithms are all of them.
func Algorithms() []Algorithm { return []Algorithm{CRC32, CRC32C, CRC64NVME, SHA1, SHA256} }

// Parse reads an algorithm's name.
func Parse(name string) (Algorithm, bool) {
	a := Algorithm(strings.ToUpper(name))
	return a, a.hash() != nil
}

// Header is the name of the header that carries the checksum, as net/http spells it.
func (a Algorithm) Header() string {
	switch a {
	case CRC32:
		return "X-Amz-Checksum-Crc32"
	case CRC32C:
		return "X-Amz-Checksum-Crc32c"
	case CRC64NVME:
		return "X-Amz-Checksum-Crc64nvme"
	case SHA1:
		return "X-Amz-Checksum-Sha1"
	}
	return "X-Amz-Checksum-Sha256"
}

func (a Algorithm) hash() hash.Hash {
	switch a {
	case CRC32:
		return crc32.NewIEEE()
	case CRC32C:
		return crc32.New(castagnoliTable)
	case CRC64NVME:
		return crc64.New(nvmeTable)
	case SHA1:
		return sha1.New()
	case SHA256:
		return sha256.New()
	}
	return nil
}

// Sum is the checksum of data in base64.
func (a Algorithm) Sum(data []byte) string {
	h := a.hash()
	_, _ = h.Write(data) // a hash's Write returns no error
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// Valid says whether text has the form of a checksum: base64 of the algorithm's number of bytes.
func (a Algorithm) Valid(text string) bool {
	sum, err := base64.StdEncoding.DecodeString(text)
	return err == nil && len(sum) == a.hash().Size()
}

// Type says what the checksum of a multipart upload covers.
type Type string

// The types.
const (
	FullObject Type = "FULL_OBJECT"
	Composite  Type = "COMPOSITE"
)

// DefaultType is the type of a multipart upload whose request names none.
func (a Algorithm) DefaultType() Type {
	if a == CRC64NVME {
		return FullObject
	}
	return Composite
}

// Allows says whether checksums of type t exist for the algorithm. CRCs can be of the full object. All but CRC64NVME can be
// composite.
func (a Algorithm) Allows(t Type) bool {
	switch t {
	case FullObject:
		return strings.HasPrefix(string(a), "CRC")
	case Composite:
		return a != CRC64NVME
	}
	return false
}

// Checksum is what S3 keeps with an object or a part.
type Checksum struct {
	Algorithm Algorithm `json:"algorithm"`
	// Value in base64; a composite one ends in "-" and the number of parts.
	Value string `json:"value"`
	Type  Type   `json:"type"`
}

// Of is the checksum of a whole object.
func (a Algorithm) Of(data []byte) Checksum {
	return Checksum{Algorithm: a, Value: a.Sum(data), Type: FullObject}
}

// Compose is the checksum of the checksums of an object's parts.
func (a Algorithm) Compose(parts []string) (Checksum, error) {
	h := a.hash()
	for n, part := range parts {
		sum, err := base64.StdEncoding.DecodeString(part)
		if err != nil {
			return Checksum{}, fmt.Errorf("compose %s: part %d: %w", a, n+1, err)
		}
		_, _ = h.Write(sum) // a hash's Write returns no error
	}
	value := fmt.Sprintf("%s-%d", base64.StdEncoding.EncodeToString(h.Sum(nil)), len(parts))
	return Checksum{Algorithm: a, Value: value, Type: Composite}, nil
}
