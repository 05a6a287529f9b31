package s3

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"
	"net/http"
	"strings"
)

// crc64NVME is the polynomial of CRC-64/NVME, reversed as hash/crc64 has them.
const crc64NVME = 0x9a6c9329ac4bc9b5

// checksums by the ends of their headers
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html).
var checksums = map[string]func() hash.Hash{
	"Crc32":     func() hash.Hash { return crc32.NewIEEE() },
	"Crc32c":    func() hash.Hash { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) },
	"Crc64nvme": func() hash.Hash { return crc64.New(crc64.MakeTable(crc64NVME)) },
	"Sha1":      sha1.New,
	"Sha256":    sha256.New,
}

const checksumPrefix = "X-Amz-Checksum-"

func checksumHeader(name string) bool {
	_, ok := checksums[strings.TrimPrefix(name, checksumPrefix)]
	return ok && strings.HasPrefix(name, checksumPrefix)
}

// checkChecksums compares the body with every checksum that the request declares.
func checkChecksums(r *http.Request) error {
	var body []byte
	for name, newHash := range checksums {
		declared := r.Header.Get(checksumPrefix + name)
		if declared == "" || r.Method != http.MethodPut && !r.URL.Query().Has("delete") {
			continue
		}
		if body == nil {
			var err error
			if body, err = io.ReadAll(r.Body); err != nil {
				return &Error{Code: "IncompleteBody", Status: http.StatusBadRequest, Message: "The request body terminated unexpectedly"}
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		hash := newHash()
		hash.Write(body) // A hash's Write returns no error.
		if base64.StdEncoding.EncodeToString(hash.Sum(nil)) != declared {
			return &Error{Code: "BadDigest", Status: http.StatusBadRequest, Message: fmt.Sprintf("The %s you specified did not match the calculated checksum.", strings.ToUpper(name))}
		}
	}
	return nil
}

// checkMD5 compares a body that the library does not see with Content-MD5.
func checkMD5(header http.Header, body []byte) error {
	declared := header.Get("Content-Md5")
	if sum := md5.Sum(body); declared != "" && declared != base64.StdEncoding.EncodeToString(sum[:]) {
		return &Error{Code: "BadDigest", Status: http.StatusBadRequest, Message: "The Content-MD5 you specified did not match what we received."}
	}
	return nil
}
