// Package awshost reads the host names of AWS: whether a name is AWS's, and which service, region and bucket it names.
package awshost

import (
	"net"
	"regexp"
	"slices"
	"strings"
)

// suffixes are the DNS suffixes of AWS's partitions, each with the suffix of its dual-stack names, from the AWS SDKs
// (https://github.com/aws/aws-sdk-go-v2/blob/main/internal/endpoints/awsrulesfn/partitions.json). A longer suffix comes
// before one that it ends in.
var suffixes = []string{
	"api.amazonwebservices.com.cn", "api.amazonwebservices.eu", "api.cloud-aws.adc-e.uk", "api.aws.hci.ic.gov", "api.aws.ic.gov", "api.aws.scloud", "api.aws",
	"amazonaws.com.cn", "amazonaws.com", "amazonaws.eu", "cloud.adc-e.uk", "csp.hci.ic.gov", "c2s.ic.gov", "sc2s.sgov.gov",
}

// Name has the parts of a host name of AWS.
type Name struct {
	// Service is the beginning of the name, such as "sts", without the mark of FIPS; "" if the name does not have a
	// service's form.
	Service string
	// Region such as "us-west-2"; "" in a global name.
	Region string
	// Bucket of a virtual-hosted request to S3; "" for none.
	Bucket string
}

// Parse reads a host, with or without a port; false if it is not AWS's. A dot at the end is ignored.
func Parse(host string) (Name, bool) {
	host = canonical(host)
	for _, suffix := range suffixes {
		rest, found := strings.CutSuffix(host, suffix)
		if !found {
			continue
		}
		if rest == "" {
			return Name{}, true
		}
		if prefix, found := strings.CutSuffix(rest, "."); found {
			return parse(strings.Split(prefix, ".")), true
		}
	}
	return Name{}, false
}

// Is says whether a host is AWS's.
func Is(host string) bool {
	_, ok := Parse(host)
	return ok
}

func canonical(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

var region = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+)+-[0-9]$`)

// parse reads the labels before the suffix.
func parse(labels []string) Name {
	if name, ok := parseS3(labels); ok {
		return name
	}
	// A few services have fips.SERVICE.REGION in place of SERVICE-fips.REGION.
	if len(labels) == 3 && labels[0] == "fips" {
		labels = labels[1:]
	}
	service := strings.TrimSuffix(labels[0], "-fips")
	switch {
	case len(labels) == 1:
		return Name{Service: service}
	case len(labels) == 2 && region.MatchString(labels[1]):
		return Name{Service: service, Region: labels[1]}
	}
	return Name{}
}

// parseS3 reads [BUCKET.]s3[-fips][.dualstack][.REGION] and the older [BUCKET.]s3-REGION, in which BUCKET
// may have dots (https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html,
// https://docs.aws.amazon.com/general/latest/gr/s3.html). The last labels decide: a bucket may be named s3.
func parseS3(labels []string) (Name, bool) {
	name, rest := Name{Service: "s3"}, slices.Clone(labels)
	last := func() string {
		if len(rest) == 0 {
			return ""
		}
		return rest[len(rest)-1]
	}
	if region.MatchString(last()) && !strings.HasPrefix(last(), "s3-") {
		name.Region, rest = last(), rest[:len(rest)-1]
		if last() == "dualstack" {
			rest = rest[:len(rest)-1]
		}
	}
	switch service := last(); {
	case service == "s3", service == "s3-fips" && name.Region != "":
	case name.Region == "" && region.MatchString(strings.TrimPrefix(service, "s3-")) && strings.HasPrefix(service, "s3-"):
		name.Region = strings.TrimPrefix(service, "s3-")
	case name.Region == "" && service == "s3-external-1":
		name.Region = "us-east-1"
	default:
		return Name{}, false
	}
	name.Bucket = strings.Join(rest[:len(rest)-1], ".")
	return name, true
}
