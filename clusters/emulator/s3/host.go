package s3

import (
	"net"
	"strings"

	"github.com/podidentity/epi/clusters/emulator/awshost"
)

// NamesBucket says whether a host names a bucket of S3.
func NamesBucket(host string) bool { return virtualBucket(host) != "" }

// virtualBucket returns the bucket that a host names (VirtualHosting); "" for a host of the path style. S3's own hosts, with or
// without BUCKET. before them, are in any region (https://docs.aws.amazon.com/general/latest/gr/s3.html):
//
//	s3.REGION.amazonaws.com, s3-REGION.amazonaws.com, s3.amazonaws.com, s3-external-1.amazonaws.com
//	s3.dualstack.REGION.amazonaws.com, s3-fips.REGION.amazonaws.com, s3-fips.dualstack.REGION.amazonaws.com
//
// and the same below localhost, where BUCKET.localhost is a bucket too. The signature's scope decides the region.
func virtualBucket(host string) string {
	if name, ok := awshost.Parse(host); ok {
		return name.Bucket
	}
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	rest, local := strings.CutSuffix(host, ".localhost")
	if !local {
		var aws bool
		if rest, aws = strings.CutSuffix(host, ".amazonaws.com"); !aws {
			return ""
		}
	}
	bucket, ok := beforeEndpoint(rest)
	switch {
	case ok:
		return bucket
	case local:
		return rest
	}
	return ""
}

// beforeEndpoint removes S3's endpoint from the end of a host.
func beforeEndpoint(host string) (before string, ok bool) {
	before, last := cutLast(host)
	if region(last) {
		if before, last = cutLast(before); last == "dualstack" {
			before, last = cutLast(before)
		}
	}
	legacy, dashed := strings.CutPrefix(last, "s3-")
	return before, last == "s3" || last == "s3-fips" || last == "s3-external-1" || dashed && region(legacy)
}

// cutLast cuts a host before its last label.
func cutLast(host string) (before, last string) {
	at := strings.LastIndexByte(host, '.')
	if at < 0 {
		return "", host
	}
	return host[:at], host[at+1:]
}

// region says whether a label has the form of a region: words of letters, and a digit at the end.
func region(label string) bool {
	words := strings.Split(label, "-")
	if len(words) < 3 {
		return false
	}
	number := words[len(words)-1]
	for _, word := range words[:len(words)-1] {
		if word == "" || strings.Trim(word, "abcdefghijklmnopqrstuvwxyz") != "" {
			return false
		}
	}
	return len(number) == 1 && number[0] >= '1' && number[0] <= '9'
}
