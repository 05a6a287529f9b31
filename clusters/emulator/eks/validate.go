package eks

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

const (
	maxClusterName   = 100
	associationIDLen = 19
	maxTags          = 50
	maxTagKey        = 128
	maxTagValue      = 256
)

var (
	clusterName = regexp.MustCompile(`^[0-9A-Za-z][A-Za-z0-9_-]*$`)
	// Kubernetes: a namespace is a DNS label, a service account a DNS subdomain (RFC 1123).
	dnsLabel     = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	dnsSubdomain = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)
	roleARN      = regexp.MustCompile(`^arn:aws:iam::([0-9]{12}):role(/[\x21-\x7e]*)?/[\w+=,.@-]{1,64}$`)
)

func checkNamespace(name string) error {
	switch {
	case name == "":
		return invalidParameter("The parameter namespace is required.")
	case !dnsLabel.MatchString(name):
		return invalidParameter("The parameter namespace must be the name of a Kubernetes namespace: at most 63 lower case letters, digits and hyphens.")
	}
	return nil
}

func checkServiceAccount(name string) error {
	switch {
	case name == "":
		return invalidParameter("The parameter serviceAccount is required.")
	case len(name) > 253 || !dnsSubdomain.MatchString(name):
		return invalidParameter("The parameter serviceAccount must be the name of a Kubernetes service account: at most 253 lower case letters, digits, hyphens and dots.")
	}
	return nil
}

// checkRoleARN requires the ARN of a role, of this account if account is not "".
func checkRoleARN(parameter, arn, account string) error {
	match := roleARN.FindStringSubmatch(arn)
	switch {
	case arn == "":
		return invalidParameter("The parameter %s is required.", parameter)
	case match == nil:
		return invalidParameter("The parameter %s is not the ARN of an IAM role.", parameter)
	case account != "" && match[1] != account:
		return invalidParameter("The parameter %s names a role of another account; use targetRoleArn for that.", parameter)
	}
	return nil
}

// checkAssociationID answers the text that EKS was seen to answer.
func checkAssociationID(id string) error {
	if len(id) != associationIDLen {
		return invalidParameter("The parameter associationId should be %d characters long.", associationIDLen)
	}
	return nil
}

// checkTags applies the restrictions that the API reference states for the member tags.
func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return invalidParameter("The parameter tags has %d tags; at most %d are allowed.", len(tags), maxTags)
	}
	for key, value := range tags {
		switch {
		case key == "" || utf8.RuneCountInString(key) > maxTagKey:
			return invalidParameter("A tag key must have 1 to %d characters.", maxTagKey)
		case utf8.RuneCountInString(value) > maxTagValue:
			return invalidParameter("The value of tag %s has more than %d characters.", key, maxTagValue)
		case strings.HasPrefix(strings.ToLower(key), "aws:"), strings.HasPrefix(strings.ToLower(value), "aws:"):
			return invalidParameter("The prefix aws: is reserved in tags.")
		}
	}
	return nil
}
