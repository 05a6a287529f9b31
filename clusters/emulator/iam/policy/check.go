package policy

import (
	"regexp"
	"slices"
	"strings"
)

func (d *Document) fail(s *Statement, offset int, element, problem string) error {
	e := &ParseError{Statement: s.Index + 1, Sid: s.Sid, Element: element, Problem: problem}
	e.Line, e.Column = position(d.text, offset)
	return e
}

// CheckIdentity reports what an identity-based, boundary or session policy must not contain (reference_policies_grammar,
// "Policy grammar notes"). The error is a *ParseError.
func (d *Document) CheckIdentity() error {
	for i := range d.Statements {
		s := &d.Statements[i]
		switch {
		case s.hasPrincipal:
			return d.fail(s, s.principalOffset, s.principalElement(), "Policy document should not specify a principal.")
		case !s.hasResource:
			return d.fail(s, s.offset, "Resource", "Policy statement must contain resources.")
		}
		if err := d.checkSid(s); err != nil {
			return err
		}
		if err := d.checkVendors(s); err != nil {
			return err
		}
		for j := range s.resources {
			if problem := iamResource(s.resources[j].raw); problem != "" {
				return d.fail(s, s.resources[j].offset, s.resourceElement(), problem)
			}
		}
	}
	return nil
}

// CheckTrust reports what a role's trust policy must not contain. The error is a *ParseError.
func (d *Document) CheckTrust() error {
	for i := range d.Statements {
		s := &d.Statements[i]
		switch {
		case !s.hasPrincipal:
			return d.fail(s, s.offset, "Principal", "Missing required field Principal")
		case s.notPrincipal:
			// reference_policies_elements_notprincipal: it is not allowed in a role trust policy.
			return d.fail(s, s.principalOffset, "NotPrincipal", "AssumeRole policy may not specify NotPrincipal")
		case s.hasResource:
			return d.fail(s, s.resourceOffset, s.resourceElement(), "Has prohibited field Resource")
		}
		if err := d.checkSid(s); err != nil {
			return err
		}
		for j := range s.principals {
			if p := &s.principals[j]; p.kind == canonicalUser {
				// reference_policies_elements_principal: only Amazon S3 has it.
				return d.fail(s, p.offset, "Principal.CanonicalUser", "Invalid principal in policy: \"CANONICALUSER\":\""+p.value+"\"")
			}
		}
		if err := d.checkPrincipals(s); err != nil {
			return err
		}
		for j := range s.actions {
			if a := &s.actions[j]; !isTrustAction(a) {
				return d.fail(s, a.offset, s.actionElement(), "AssumeRole policy may only specify STS AssumeRole actions.")
			}
		}
	}
	return nil
}

// CheckResource reports what the policy of a resource other than a role, such as a bucket, must not contain or lack: each
// statement needs a principal and a resource. The error is a *ParseError. A Sid may have characters that IAM's own policies
// do not allow (reference_policies_grammar, "sid_string").
func (d *Document) CheckResource() error {
	for i := range d.Statements {
		s := &d.Statements[i]
		switch {
		case !s.hasPrincipal:
			return d.fail(s, s.offset, "Principal", "Missing required field Principal")
		case s.notPrincipal && !s.Deny:
			// reference_policies_elements_notprincipal: "Using it with Allow is not supported."
			return d.fail(s, s.principalOffset, "NotPrincipal", "Allow with NotPrincipal is not supported")
		case !s.hasResource:
			return d.fail(s, s.offset, "Resource", "Missing required field Resource")
		}
		if err := d.checkPrincipals(s); err != nil {
			return err
		}
		if err := d.checkVendors(s); err != nil {
			return err
		}
	}
	return nil
}

// trustActions are the actions of trust policies: those that create role sessions, and those that allow parameters of them
// (https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecuritytokenservice.html, resource type
// role).
var trustActions = []string{"assumerole", "assumerolewithsaml", "assumerolewithwebidentity", "setcontext", "setsourceidentity", "tagsession"}

func isTrustAction(a *actionPattern) bool {
	return slices.ContainsFunc(trustActions, func(name string) bool { return a.service == "sts" && a.name.matches(name, nil) })
}

// checkVendors refuses wildcards before the colon of an action. Only "*" stands for all services
// (reference_policies_elements_action).
func (d *Document) checkVendors(s *Statement) error {
	for j := range s.actions {
		if a := &s.actions[j]; a.anyService {
			return d.fail(s, a.offset, s.actionElement(), "Vendor * is not valid")
		}
	}
	return nil
}

// checkPrincipals refuses principals that cannot exist: services that AWS does not have, and names that are no identity
// provider (reference_policies_elements_principal).
func (d *Document) checkPrincipals(s *Statement) error {
	for j := range s.principals {
		p := &s.principals[j]
		switch {
		case p.kind == servicePrincipal && !isService(p.value):
			return d.fail(s, p.offset, s.principalElement()+".Service", serviceProblem(p.value))
		case p.kind == federatedPrincipal && !identityProviders[p.value] && !providerARN.MatchString(p.value):
			return d.fail(s, p.offset, s.principalElement()+".Federated", "Invalid principal in policy: \"FEDERATED\":\""+p.value+"\"")
		}
	}
	return nil
}

// CheckWithin reports the first string of a Resource or NotResource element for which within is false. within says whether
// a string can only mean the resource that the policy is attached to. The error is a *ParseError with Amazon S3's text.
func (d *Document) CheckWithin(within func(resource string) bool) error {
	for i := range d.Statements {
		s := &d.Statements[i]
		for j := range s.resources {
			if r := &s.resources[j]; !within(r.raw) {
				return d.fail(s, r.offset, s.resourceElement(), "Policy has invalid resource")
			}
		}
	}
	return nil
}

var sidPattern = regexp.MustCompile(`^[0-9A-Za-z]*$`)

// checkSid applies the characters of IAM's own policies (reference_policies_grammar, "sid_string").
func (d *Document) checkSid(s *Statement) error {
	if sidPattern.MatchString(s.Sid) {
		return nil
	}
	return d.fail(s, s.sidOffset, "Sid", "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*")
}

// iamPaths are the beginnings of the names of IAM's resources.
var iamPaths = []string{
	"user/", "federated-user/", "role/", "group/", "instance-profile/", "mfa/", "server-certificate/", "policy/",
	"sms-mfa/", "saml-provider/", "oidc-provider/", "report/", "access-report/",
}

// iamResource returns IAM's text about a wrong ARN of a global resource.
func iamResource(raw string) string {
	parts := splitARN(raw)
	if len(parts) != arnParts {
		return ""
	}
	service, region, account, name := parts[2], parts[3], parts[4], parts[5]
	switch {
	case service == "s3" && region != "" && region != "*" && account == "":
		return "Resource " + raw + " can not contain region information."
	case service == "iam" && region != "" && region != "*":
		return "IAM resource " + raw + " cannot contain region information."
	case service == "iam" && name != "*" && !slices.ContainsFunc(iamPaths, func(path string) bool { return strings.HasPrefix(name, path) }):
		return "IAM resource path must either be \"*\" or start with " + strings.Join(iamPaths, ", ") + "."
	}
	return ""
}

func (s *Statement) principalElement() string { return element("Principal", s.notPrincipal) }
func (s *Statement) actionElement() string    { return element("Action", s.notAction) }
func (s *Statement) resourceElement() string  { return element("Resource", s.notResource) }

func element(name string, negated bool) string {
	if negated {
		return "Not" + name
	}
	return name
}
