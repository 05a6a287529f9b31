package policy

import (
	_ "embed"
	"fmt"
	"regexp"
	"strings"
)

// serviceNames are the names of the service principals that exist, without their domain: the prefixes of the
// service authorization reference
// (https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html),
// and those that are no prefix, from the pages of their services (reference_policies_elements_principal,
// "AWS service principals"). AWS has no list of them. A name with "?" after it is in no model of the AWS SDKs either,
// and was not checked against its page: to be one too many here refuses nothing that AWS takes.
//
//go:embed services.txt
var serviceNames string

var knownServices = func() map[string]bool {
	known := map[string]bool{}
	for _, name := range strings.Fields(serviceNames) {
		if name != "?" {
			known[name] = true
		}
	}
	return known
}()

// otherServices have another domain.
var otherServices = map[string]bool{"alexa-appkit.amazon.com": true, "alexa-connectedhome.amazon.com": true}

// serviceDomains end service principals; some have a region before it.
var (
	serviceDomains = []string{".amazonaws.com", ".amazonaws.com.cn"}
	serviceRegion  = regexp.MustCompile(`\.[a-z]{2,4}(-[a-z]+)+-[0-9]$`)
)

// isService says whether a service principal exists, as far as is known here.
func isService(principal string) bool {
	for _, domain := range serviceDomains {
		if name, ok := strings.CutSuffix(principal, domain); ok {
			return knownServices[name] || knownServices[serviceRegion.ReplaceAllString(name, "")]
		}
	}
	return otherServices[principal]
}

// serviceProblem is IAM's wording for a service principal that does not exist, and the name that may have
// been meant.
func serviceProblem(principal string) string {
	problem := fmt.Sprintf(`Invalid principal in policy: "SERVICE":%q`, principal)
	name, _, _ := strings.Cut(principal, ".amazonaws.com")
	for known := range knownServices {
		if isNear(name, known) {
			return problem + fmt.Sprintf(" (the emulator knows no such service principal; %s.amazonaws.com is one)", known)
		}
	}
	return problem + " (the emulator knows no such service principal)"
}

// isNear says whether one letter more or less, or another one, makes one text of the other.
func isNear(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(b)-len(a) > 1 || a == b {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	if len(a) == len(b) {
		return a[i+1:] == b[i+1:]
	}
	return a[i:] == b[i+1:]
}

// identityProviders have no ARN (reference_policies_elements_principal, "OIDC federated principals").
var identityProviders = map[string]bool{
	"accounts.google.com": true, "cognito-identity.amazonaws.com": true, "graph.facebook.com": true, "www.amazon.com": true,
}

var providerARN = regexp.MustCompile(`^arn:` + partitions + `:iam::[0-9]{12}:(oidc-provider|saml-provider)/[^*?${}]+$`)

// partitions are those that AWS has (reference-arns).
const partitions = `(?:aws|aws-cn|aws-us-gov|aws-eusc|aws-iso|aws-iso-b|aws-iso-e|aws-iso-f)`
