package policy

import (
	_ "embed"
	"fmt"
	"regexp"
	"strings"
)

// serviceNames are the names of the existing service principals, without their domain. They are the prefixes of the service
// authorization reference
// (https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html),
// and names from the pages of other services (reference_policies_elements_principal, "AWS service principals"). AWS has no
// complete list. A name with "?" after it is in no model of the AWS SDKs, and was not checked against its page. A name too
// many refuses nothing that AWS accepts.
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

// serviceDomains are the ends of service principals. Some principals have a region before the domain.
var (
	serviceDomains = []string{".amazonaws.com", ".amazonaws.com.cn"}
	serviceRegion  = regexp.MustCompile(`\.[a-z]{2,4}(-[a-z]+)+-[0-9]$`)
)

// isService says whether a service principal exists, as far as this package knows.
func isService(principal string) bool {
	for _, domain := range serviceDomains {
		if name, ok := strings.CutSuffix(principal, domain); ok {
			return knownServices[name] || knownServices[serviceRegion.ReplaceAllString(name, "")]
		}
	}
	return otherServices[principal]
}

// serviceProblem is IAM's text about a service principal that does not exist, with the name that is probably meant.
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

// isNear says whether the texts differ by one letter that is added, missing or replaced.
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

// identityProviders are the providers without an ARN (reference_policies_elements_principal, "OIDC federated principals").
var identityProviders = map[string]bool{
	"accounts.google.com": true, "cognito-identity.amazonaws.com": true, "graph.facebook.com": true, "www.amazon.com": true,
}

var providerARN = regexp.MustCompile(`^arn:` + partitions + `:iam::[0-9]{12}:(oidc-provider|saml-provider)/[^*?${}]+$`)

// partitions are AWS's partitions (reference-arns).
const partitions = `(?:aws|aws-cn|aws-us-gov|aws-eusc|aws-iso|aws-iso-b|aws-iso-e|aws-iso-f)`
