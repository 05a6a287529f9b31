package policy

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// maxText is the longest text that Parse reads. The largest documented policy has 20,480 characters.
const maxText = 64 << 10

// Parse reads a policy document by the grammar of reference_policies_grammar. CheckIdentity, CheckTrust and CheckResource
// check what only some kinds of policy may contain. The error is a *ParseError. It has IAM's text if IAM has one for the
// problem.
func Parse(text []byte) (*Document, error) {
	p := parser{doc: &Document{Version: Version2008, text: string(text)}}
	if err := p.document(); err != nil {
		e := &ParseError{Problem: err.Error(), Element: p.element}
		if p.statement != nil {
			e.Statement, e.Sid = p.statement.Index+1, p.statement.Sid
		}
		offset := 0
		if syntax, ok := errors.AsType[*syntaxError](err); ok {
			offset = syntax.offset
		}
		e.Line, e.Column = position(p.doc.text, offset)
		return nil, e
	}
	p.doc.findKeys()
	return p.doc, nil
}

// parser keeps its place for error messages.
type parser struct {
	doc       *Document
	statement *Statement
	element   string
}

func problem(at node, format string, args ...any) error {
	return &syntaxError{at.offset, fmt.Sprintf(format, args...)}
}

// syntax is a problem for which IAM gives no details.
func syntax(at node, format string, args ...any) error {
	return problem(at, "Syntax errors in policy.: "+format, args...)
}

// member enters an element that must occur once: "Individual elements must not contain multiple instances of the same key"
// (reference_policies_grammar).
func (p *parser) member(m *member, element string) error {
	p.element = element
	if m.repeated {
		return &syntaxError{m.offset, fmt.Sprintf("duplicate key %q", m.name)}
	}
	return nil
}

func (p *parser) document() error {
	if len(p.doc.text) > maxText {
		return &syntaxError{0, fmt.Sprintf("the document is longer than %d bytes", maxText)}
	}
	root, err := readJSON(p.doc.text)
	if err != nil {
		return err
	}
	if root.kind != objectNode {
		return syntax(root, "the document must be an object")
	}
	// The version is read first, because in older versions variables are plain text.
	var statements *node
	for i := range root.members {
		m := &root.members[i]
		if err := p.member(m, m.name); err != nil {
			return err
		}
		switch m.name {
		case "Version":
			if m.value.kind != stringNode || m.value.text != Version2012 && m.value.text != Version2008 {
				return problem(m.value, "The policy must contain a valid version string: %s or %s", Version2012, Version2008)
			}
			p.doc.Version = m.value.text
		case "Id":
			if m.value.kind != stringNode {
				return syntax(m.value, "Id must be a string")
			}
			p.doc.ID = m.value.text
		case "Statement":
			statements = &m.value
		default:
			return &syntaxError{m.offset, fmt.Sprintf("Unknown field %s", m.name)}
		}
	}
	p.element = ""
	if statements == nil {
		return problem(root, "Missing required field Statement")
	}
	return p.statements(*statements)
}

func (p *parser) statements(n node) error {
	p.element = "Statement"
	list := []node{n}
	if n.kind == arrayNode {
		list = n.items
	}
	if len(list) == 0 {
		return syntax(n, "there is no statement")
	}
	sids := map[string]bool{}
	p.doc.Statements = make([]Statement, len(list))
	for i, item := range list {
		p.statement = &p.doc.Statements[i]
		p.statement.Index, p.statement.offset = i, item.offset
		if err := p.parseStatement(item); err != nil {
			return err
		}
		if sid := p.statement.Sid; sid != "" {
			if sids[sid] {
				p.element = "Sid"
				return &syntaxError{p.statement.sidOffset, "Statement IDs (SID) in a single policy must be unique."}
			}
			sids[sid] = true
		}
	}
	return nil
}

func (p *parser) parseStatement(n node) error {
	p.element = "Statement"
	if n.kind != objectNode {
		return syntax(n, "a statement must be an object")
	}
	// The Sid is read first, so that every other error can name it.
	if i := slices.IndexFunc(n.members, func(m member) bool { return m.name == "Sid" }); i >= 0 {
		p.element = "Sid"
		sid := n.members[i].value
		if sid.kind != stringNode {
			return syntax(sid, "Sid must be a string")
		}
		p.statement.Sid, p.statement.sidOffset = sid.text, sid.offset
	}
	seen := map[string]bool{}
	for i := range n.members {
		m := &n.members[i]
		if err := p.member(m, m.name); err != nil {
			return err
		}
		group := strings.TrimPrefix(m.name, "Not")
		if seen[group] {
			return &syntaxError{m.offset, fmt.Sprintf("Syntax errors in policy.: %s and Not%s exclude each other", group, group)}
		}
		seen[group] = true
		if err := p.parseElement(m); err != nil {
			return err
		}
	}
	switch {
	case !seen["Effect"]:
		p.element = "Effect"
		return problem(n, "Missing required field Effect")
	case !seen["Action"]:
		p.element = "Action"
		return problem(n, "Policy statement must contain actions.")
	}
	return nil
}

func (p *parser) parseElement(m *member) error {
	s := p.statement
	switch m.name {
	case "Sid":
		return nil
	case "Effect":
		if m.value.kind != stringNode || m.value.text != "Allow" && m.value.text != "Deny" {
			return problem(m.value, "Invalid effect: %q; it must be Allow or Deny", m.value.text)
		}
		s.Deny = m.value.text == "Deny"
		return nil
	case "Principal", "NotPrincipal":
		s.hasPrincipal, s.notPrincipal, s.principalOffset = true, m.name == "NotPrincipal", m.offset
		return p.principals(m.value)
	case "Action", "NotAction":
		s.notAction = m.name == "NotAction"
		return p.actions(m.value)
	case "Resource", "NotResource":
		s.hasResource, s.notResource, s.resourceOffset = true, m.name == "NotResource", m.offset
		return p.resources(m.value)
	case "Condition":
		return p.conditions(m.value)
	}
	return &syntaxError{m.offset, fmt.Sprintf("Unknown field %s", m.name)}
}

// list reads a string or a non-empty array of strings.
func (p *parser) list(n node, empty string) ([]node, error) {
	items := []node{n}
	if n.kind == arrayNode {
		items = n.items
	}
	if len(items) == 0 {
		return nil, problem(n, "%s", empty)
	}
	for _, item := range items {
		if item.kind != stringNode {
			return nil, syntax(item, "%s must be a string or a list of strings", p.element)
		}
	}
	return items, nil
}

// serviceName accepts a star, which checkVendors refuses: policies that were saved earlier may have one.
var serviceName = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9.-]*|\*)$`)

func (p *parser) actions(n node) error {
	items, err := p.list(n, "Policy statement must contain actions.")
	if err != nil {
		return err
	}
	for _, item := range items {
		if item.text != "*" {
			service, name, found := strings.Cut(item.text, ":")
			switch {
			case !found || service == "" || name == "":
				return problem(item, "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.: %q", item.text)
			case strings.Contains(name, ":"):
				return problem(item, "Actions/Condition can contain only one colon.: %q", item.text)
			case !serviceName.MatchString(service):
				return problem(item, "Vendor %s is not valid", service)
			}
		}
		action := compileAction(item.text)
		action.offset = item.offset
		p.statement.services |= action.services()
		p.statement.actions = append(p.statement.actions, action)
	}
	if p.statement.notAction {
		p.statement.services = allServices
	}
	return nil
}

var partition = regexp.MustCompile(`^(` + partitions + `|[a-z-]*[*?][a-z*?-]*)$`)

func (p *parser) resources(n node) error {
	items, err := p.list(n, "Policy statement must contain resources.")
	if err != nil {
		return err
	}
	for _, item := range items {
		if problem := resourceProblem(item.text); problem != "" {
			return &syntaxError{item.offset, problem}
		}
		resource := compileResource(item.text, p.doc.Version == Version2012)
		resource.offset = item.offset
		p.statement.resources = append(p.statement.resources, resource)
	}
	return nil
}

// resourceProblem returns what is wrong with a string of a Resource element. An ARN with fewer than six components must end
// in a star, which stands for the missing ones.
func resourceProblem(raw string) string {
	if raw == "*" {
		return ""
	}
	parts := splitARN(raw)
	switch {
	case parts[0] != "arn" || len(parts) < 2 || len(parts) < arnParts && len(parts) > 2 && !strings.HasSuffix(raw, "*"):
		return fmt.Sprintf("Resource %s must be in ARN format or \"*\".", raw)
	case !partition.MatchString(parts[1]):
		return fmt.Sprintf("Partition %q is not valid for resource %q.", parts[1], raw)
	case len(parts) < 3 || parts[2] == "" || strings.ContainsAny(parts[2], "*?"):
		// reference_policies_elements_resource: the service segment must not have a wildcard.
		return "Resource vendor must be fully qualified and cannot contain regexes."
	}
	return ""
}

func (p *parser) principals(n node) error {
	if n.kind == stringNode && n.text == "*" {
		p.statement.principals = []principalPattern{{kind: everyone, offset: n.offset}}
		return nil
	}
	element := p.element
	if n.kind != objectNode || len(n.members) == 0 {
		return syntax(n, "%s must be \"*\" or an object", element)
	}
	for i := range n.members {
		m := &n.members[i]
		if err := p.member(m, element+"."+m.name); err != nil {
			return err
		}
		items, err := p.list(m.value, "Invalid principal in policy: "+m.name+" is empty")
		if err != nil {
			return err
		}
		for _, item := range items {
			pattern, err := parsePrincipal(m.name, item.text)
			if err != nil {
				return problem(item, "%v", err)
			}
			pattern.offset = item.offset
			p.statement.principals = append(p.statement.principals, pattern)
		}
	}
	return nil
}

func (p *parser) conditions(n node) error {
	if n.kind != objectNode {
		return syntax(n, "Condition must be an object")
	}
	for i := range n.members {
		m := &n.members[i]
		element := "Condition." + m.name
		if err := p.member(m, element); err != nil {
			return err
		}
		template, ok := parseOperator(m.name)
		if !ok {
			return &syntaxError{m.offset, fmt.Sprintf("Invalid Condition type : %s.", m.name)}
		}
		if m.value.kind != objectNode {
			return syntax(m.value, "%s must be an object of keys", m.name)
		}
		for j := range m.value.members {
			key := &m.value.members[j]
			if err := p.member(key, element+"."+key.name); err != nil {
				return err
			}
			if problem := keyProblem(key.name); problem != "" {
				return &syntaxError{key.offset, problem}
			}
			c := template
			c.key = strings.ToLower(key.name)
			c.multivalued = isMultivalued(c.key)
			if err := p.conditionValues(&c, key.value); err != nil {
				return err
			}
			p.statement.conditions = append(p.statement.conditions, c)
		}
	}
	return nil
}

// keyVendor is the first part of a condition key: a service, or the host and path of an identity provider.
var keyVendor = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]*$`)

// keyProblem returns what is wrong with a condition key. A key has neither wildcards nor variables. A star after a slash is
// part of a tag's key, such as in "aws:RequestTag/kubernetes.io/cluster/*"
// (https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AmazonEBSCSIDriverPolicy.html).
func keyProblem(key string) string {
	vendor, name, found := strings.Cut(key, ":")
	if kind, tag, ok := strings.Cut(name, "/"); ok && tag != "" && !strings.Contains(tag, "${") {
		name = kind
	}
	switch {
	case !found || !keyVendor.MatchString(vendor):
		return fmt.Sprintf("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.: %q", key)
	case name == "" || strings.HasSuffix(name, "/") || strings.ContainsAny(name, "*?${}"):
		return fmt.Sprintf("Invalid condition key : %q", key)
	}
	return ""
}

func (p *parser) conditionValues(c *condition, n node) error {
	items := []node{n}
	if n.kind == arrayNode {
		items = n.items
	}
	if len(items) == 0 {
		return syntax(n, "a condition key needs a value")
	}
	for _, item := range items {
		if item.kind != stringNode && item.kind != scalarNode {
			return syntax(item, "a condition value must be a string, a number or a boolean")
		}
		value := newValue(c.operator, item.text, p.doc.Version == Version2012)
		if !value.valid && c.operator.family == date {
			return problem(item, "The policy failed legacy parsing: %q is not a date", item.text)
		}
		c.values = append(c.values, value)
	}
	return nil
}
