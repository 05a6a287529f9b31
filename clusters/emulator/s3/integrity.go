package s3

import (
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/podidentity/epi/clusters/emulator/s3/checksum"
)

// declared is what a request declares of its body (checking-object-integrity-upload).
type declared struct {
	// Algorithm and value of the checksum; "" if there is none.
	algorithm checksum.Algorithm
	value     string
	// md5 says that there is a Content-MD5 header; sum is the MD5 of the body.
	md5 bool
	sum [md5.Size]byte
}

// declaredChecksum reads the x-amz-checksum-* header. A request may have one at most.
func declaredChecksum(header http.Header) (declared, error) {
	var found declared
	for name, values := range header {
		suffix, ok := strings.CutPrefix(name, "X-Amz-Checksum-")
		if !ok || suffix == "Mode" || suffix == "Type" || suffix == "Algorithm" {
			continue
		}
		algorithm, known := checksum.Parse(suffix)
		switch {
		case !known:
			return found, unknownHeader(name)
		case found.algorithm != "" || len(values) > 1:
			return found, invalidRequest("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
		}
		found.algorithm, found.value = algorithm, values[0]
	}
	return found, nil
}

// unserved are the algorithms that S3 has and the emulator does not.
var unserved = []string{"MD5", "SHA512", "XXHASH64", "XXHASH3", "XXHASH128"}

// parseAlgorithm reads the value of a header that names an algorithm.
func parseAlgorithm(name, header string, unknown *Error) (checksum.Algorithm, error) {
	algorithm, ok := checksum.Parse(name)
	switch {
	case ok:
		return algorithm, nil
	case slices.Contains(unserved, strings.ToUpper(name)):
		return "", notImplemented(fmt.Sprintf("The checksum algorithm %s is not implemented: %s", strings.ToUpper(name), header))
	}
	return "", unknown
}

// checkAnnounced requires the checksum that x-amz-sdk-checksum-algorithm announces (PutObject, "x-amz-sdk-checksum-algorithm":
// "there must be a corresponding x-amz-checksum-algorithm or x-amz-trailer header sent").
func checkAnnounced(header http.Header, found declared) error {
	const name = "X-Amz-Sdk-Checksum-Algorithm"
	announced := header.Get(name)
	if announced == "" {
		return nil
	}
	algorithm, err := parseAlgorithm(announced, strings.ToLower(name), invalidRequest("Value for x-amz-sdk-checksum-algorithm header is invalid."))
	switch {
	case err != nil:
		return err
	case found.algorithm == "":
		return invalidRequest("x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.")
	case found.algorithm != algorithm:
		return invalidRequest("Value for x-amz-sdk-checksum-algorithm header is invalid.")
	}
	return nil
}

// checkBody compares the body with the checksums that the request declares.
func checkBody(header http.Header, body []byte) (declared, error) {
	found, err := declaredChecksum(header)
	if err != nil {
		return found, err
	}
	if err := checkAnnounced(header, found); err != nil {
		return found, err
	}
	if a := found.algorithm; a != "" {
		switch {
		case !a.Valid(found.value):
			return found, invalidRequest(fmt.Sprintf("Value for %s header is invalid.", strings.ToLower(a.Header())))
		case a.Sum(body) != found.value:
			return found, badDigest(fmt.Sprintf("The %s you specified did not match the calculated checksum.", a))
		}
	}
	found.sum = md5.Sum(body)
	if values := header["Content-Md5"]; len(values) > 0 {
		found.md5 = true
		want, err := base64.StdEncoding.DecodeString(values[0])
		switch {
		case err != nil || len(want) != md5.Size:
			return found, &Error{Code: "InvalidDigest", Status: http.StatusBadRequest, Message: "The Content-MD5 you specified was invalid."}
		case string(want) != string(found.sum[:]):
			return found, badDigest("The Content-MD5 you specified did not match what we received.")
		}
	}
	return found, nil
}
