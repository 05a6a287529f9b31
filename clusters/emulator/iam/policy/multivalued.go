package policy

import "strings"

// multivalued has, in lower case, the condition keys that are multivalued by definition, whatever
// number of values a request has: those whose value type is "Multivalued"
// (reference_policies_condition-keys, reference_policies_iam-condition-keys) or whose type is "ArrayOf…"
// in the service authorization reference
// (https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html),
// of the services that the emulator decides for.
var multivalued = map[string]bool{
	"aws:calledvia":                 true,
	"aws:principalorgpaths":         true,
	"aws:principalservicenameslist": true,
	"aws:resourceorgpaths":          true,
	"aws:sourceorgpaths":            true,
	"aws:tagkeys":                   true,
	"aws:vpceorgpaths":              true,

	"cloudformation:resourcetypes": true,
	"cloudformation:targetregion":  true,

	"ec2:fistargetarns":                  true,
	"ec2:ikeversions":                    true,
	"ec2:phase1dhgroup":                  true,
	"ec2:phase1encryptionalgorithms":     true,
	"ec2:phase1integrityalgorithms":      true,
	"ec2:phase2dhgroup":                  true,
	"ec2:phase2encryptionalgorithms":     true,
	"ec2:phase2integrityalgorithms":      true,
	"ec2:vpceprivatednsspecifieddomains": true,

	"eks:encryptionconfigproviderkeyarns": true,
	"eks:kubernetesgroups":                true,
	"eks:namespaces":                      true,

	"iam:accountpropertynamespaces": true,

	"s3:inventoryaccessibleoptionalfields": true,
	"s3:requestobjecttagkeys":              true,

	"sts:identitytokenaudience":   true,
	"sts:requestcontextproviders": true,
	"sts:transitivetagkeys":       true,
}

// isMultivalued says whether a key, in lower case, is multivalued by definition. The claim amr of a web identity is, for
// any provider: the methods of authentication are a list.
func isMultivalued(key string) bool {
	return multivalued[key] || strings.HasSuffix(key, ":amr") && !strings.HasPrefix(key, "aws:")
}
