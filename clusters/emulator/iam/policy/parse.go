package policy

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// maxText bounds what Parse reads: the largest documented policy has 20,480 characters.
const maxText = 64 << 10

// Parse reads a policy document by the grammar of reference_policies_grammar. It leaves to
// CheckIdentity and CheckTrust what only some kinds of policy may contain. The error is a
// *ParseError; where IAM has a wording for the problem, it is IAM's.
func Parse(text []byte) (*Document, error) {
	p := parser{doc: &Document{Version: Version2008, text: text}}
	if err := p.document(); err != nil {
		e := &ParseError{Problem: err.Error(), Element: p.element}
		if p.statement != nil {
			e.Statement, e.Sid = p.statement.Index+1, p.statement.Sid
		}
		offset := 0
		if syntax, ok := errors.AsType[*syntaxError](err); ok {
			offset = syntax.offset
		}
		e.Line, e.Column = position(text, offset)
		return nil, e
	}
	return p.doc, nil
}

// parser remembers where it is for the error message.
type parser struct {
	doc       *Document
	statement *Statement
	element   string
}

func problem(at node, format string, args ...any) error {
	return &syntaxError{at.offset, fmt.Sprintf(format, args...)}
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
		return problem(root, "Syntax errors in policy.: the document must be an object")
	}
	// The version is needed to read statements: before it, variables are plain text.
	var statements *node
	for i := range root.members {
		m := &root.members[i]
		p.element = m.name
		switch m.name {
		case "Version":
			if m.value.kind != stringNode || m.value.text != Version2012 && m.value.text != Version2008 {
				return problem(m.value, "The policy must contain a valid version string: %s or %s", Version2012, Version2008)
			}
			p.doc.Version = m.value.text
		case "Id":
			if m.value.kind != stringNode {
				return problem(m.value, "Syntax errors in policy.: Id must be a string")
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
		return problem(n, "Syntax errors in policy.: there is no statement")
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
				return problem(item, "Statement IDs (SID) in a single policy must be unique.")
			}
			sids[sid] = true
		}
	}
	return nil
}

func (p *parser) parseStatement(n node) error {
	p.element = "Statement"
	if n.kind != objectNode {
		return problem(n, "Syntax errors in policy.: a statement must be an object")
	}
	// The Sid first, so that every other error can name it.
	if i := slices.IndexFunc(n.members, func(m member) bool { return m.name == "Sid" }); i >= 0 {
		if err := p.sid(n.members[i].value); err != nil {
			return err
		}
	}
	seen := map[string]bool{}
	for _, m := range n.members {
		p.element = m.name
		group := strings.TrimPrefix(m.name, "Not")
		if seen[group] {
			return &syntaxError{m.offset, fmt.Sprintf("Syntax errors in policy.: %s and Not%s exclude each other", group, group)}
		}
		seen[group] = true
		if err := p.parseElement(m); err != nil {
			return err
		}
	}
	p.element = ""
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

func (p *parser) parseElement(m member) error {
	switch m.name {
	case "Sid":
		return nil
	case "Effect":
		if m.value.kind != stringNode || m.value.text != "Allow" && m.value.text != "Deny" {
			return problem(m.value, "Invalid effect: %q; it must be Allow or Deny", m.value.text)
		}
		p.statement.Deny = m.value.text == "Deny"
		return nil
	case "Principal", "NotPrincipal":
		p.statement.hasPrincipal, p.statement.notPrincipal = true, m.name == "NotPrincipal"
		return p.principals(m.value)
	case "Action", "NotAction":
		p.statement.notAction = m.name == "NotAction"
		return p.actions(m.value)
	case "Resource", "NotResource":
		p.statement.hasResource, p.statement.notResource = true, m.name == "NotResource"
		return p.resources(m.value)
	case "Condition":
		return p.conditions(m.value)
	}
	return &syntaxError{m.offset, fmt.Sprintf("Unknown field %s", m.name)}
}

var sidPattern = regexp.MustCompile(`^[0-9A-Za-z]*$`)

func (p *parser) sid(n node) error {
	p.element = "Sid"
	if n.kind != stringNode || !sidPattern.MatchString(n.text) {
		return problem(n, "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*")
	}
	p.statement.Sid = n.text
	return nil
}

// list reads a string or a non-empty array of strings.
func (p *parser) list(n node) ([]node, error) {
	items := []node{n}
	if n.kind == arrayNode {
		items = n.items
	}
	if len(items) == 0 {
		return nil, problem(n, "Syntax errors in policy.: %s must not be empty", p.element)
	}
	for _, item := range items {
		if item.kind != stringNode {
			return nil, problem(item, "Syntax errors in policy.: %s must be a string or a list of strings", p.element)
		}
	}
	return items, nil
}

var actionPattern = regexp.MustCompile(`^[A-Za-z0-9*?-]+:[A-Za-z0-9*?_-]+$`)

func (p *parser) actions(n node) error {
	items, err := p.list(n)
	if err != nil {
		return err
	}
	for _, item := range items {
		if item.text != "*" && !actionPattern.MatchString(item.text) {
			return problem(item, "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.: %q", item.text)
		}
		p.statement.actions = append(p.statement.actions, compile(strings.ToLower(item.text), true, false))
	}
	return nil
}

func (p *parser) resources(n node) error {
	items, err := p.list(n)
	if err != nil {
		return err
	}
	for _, item := range items {
		resource := compileARN(item.text, p.doc.Version == Version2012, true)
		if !resource.any && (len(resource.parts) != 6 || resource.parts[0].raw != "arn") {
			return problem(item, "Resource %s must be in ARN format or \"*\".", item.text)
		}
		p.statement.resources = append(p.statement.resources, resource)
	}
	return nil
}

func (p *parser) principals(n node) error {
	if n.kind == stringNode && n.text == "*" {
		p.statement.principals = []principalPattern{{kind: everyone}}
		return nil
	}
	element := p.element
	if n.kind != objectNode || len(n.members) == 0 {
		return problem(n, "Syntax errors in policy.: %s must be \"*\" or an object", element)
	}
	for _, m := range n.members {
		p.element = element + "." + m.name
		items, err := p.list(m.value)
		if err != nil {
			return err
		}
		for _, item := range items {
			pattern, err := parsePrincipal(m.name, item.text)
			if err != nil {
				return problem(item, "%v", err)
			}
			p.statement.principals = append(p.statement.principals, pattern)
		}
	}
	return nil
}

func (p *parser) conditions(n node) error {
	if n.kind != objectNode {
		return problem(n, "Syntax errors in policy.: Condition must be an object")
	}
	for _, m := range n.members {
		p.element = "Condition." + m.name
		template, ok := parseOperator(m.name)
		if !ok {
			return &syntaxError{m.offset, fmt.Sprintf("Invalid Condition type : %s.", m.name)}
		}
		if m.value.kind != objectNode {
			return problem(m.value, "Syntax errors in policy.: %s must be an object of keys", m.name)
		}
		for _, key := range m.value.members {
			c := template
			c.key = strings.ToLower(key.name)
			if !strings.Contains(c.key, ":") {
				return &syntaxError{key.offset, fmt.Sprintf("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.: %q", key.name)}
			}
			if err := p.conditionValues(&c, key.value); err != nil {
				return err
			}
			p.statement.conditions = append(p.statement.conditions, c)
		}
	}
	return nil
}

func (p *parser) conditionValues(c *condition, n node) error {
	items := []node{n}
	if n.kind == arrayNode {
		items = n.items
	}
	if len(items) == 0 {
		return problem(n, "Syntax errors in policy.: a condition key needs a value")
	}
	for _, item := range items {
		if item.kind != stringNode && item.kind != scalarNode {
			return problem(item, "Syntax errors in policy.: a condition value must be a string, a number or a boolean")
		}
		c.values = append(c.values, newValue(c.operator, item.text, p.doc.Version == Version2012))
	}
	return nil
}
