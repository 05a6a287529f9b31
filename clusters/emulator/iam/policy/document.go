// Package policy parses IAM policy documents and decides requests by them, as the IAM User Guide
// documents it: a pure function of request and policies, with the statement that decided. It knows
// neither AWS clients nor HTTP.
//
// References are to pages of https://docs.aws.amazon.com/IAM/latest/UserGuide/ by their file name.
package policy

import (
	"fmt"
	"strings"
)

// The versions of the policy language. Variables work in Version2012 only
// (reference_policies_variables).
const (
	Version2012 = "2012-10-17"
	Version2008 = "2008-10-17"
)

// Document is a parsed policy. It is not changed by evaluation and may be shared.
type Document struct {
	// Version is Version2012 or Version2008 (also when the document has none).
	Version    string
	ID         string
	Statements []Statement
	text       []byte
}

// Text returns what was parsed.
func (d *Document) Text() string { return string(d.text) }

// Statement is one statement of a policy.
type Statement struct {
	// Index counts statements from 0 in the order of the document.
	Index int
	Sid   string
	// Deny tells the Effect.
	Deny bool

	offset       int
	principals   []principalPattern
	hasPrincipal bool
	notPrincipal bool
	actions      []pattern
	notAction    bool
	resources    []arnPattern
	hasResource  bool
	notResource  bool
	conditions   []condition
}

// String names the statement as explanations do: `statement 2 "Sid"`.
func (s *Statement) String() string {
	if s.Sid == "" {
		return fmt.Sprintf("statement %d", s.Index+1)
	}
	return fmt.Sprintf("statement %d %q", s.Index+1, s.Sid)
}

// ParseError says why a document is malformed and where.
type ParseError struct {
	// Statement counts from 1; 0 when the error is outside of statements.
	Statement int
	// Sid of that statement, if it has one.
	Sid string
	// Element such as "Effect" or "Condition.StringEquals"; may be empty.
	Element string
	// Line and Column count from 1, the column in bytes.
	Line, Column int
	// Problem says what is wrong.
	Problem string
}

func (e *ParseError) Error() string {
	var where strings.Builder
	if e.Statement > 0 {
		fmt.Fprintf(&where, "statement %d", e.Statement)
		if e.Sid != "" {
			fmt.Fprintf(&where, " %q", e.Sid)
		}
		where.WriteString(", ")
	}
	if e.Element != "" {
		where.WriteString(e.Element + ", ")
	}
	return fmt.Sprintf("%s (%sline %d, column %d)", e.Problem, where.String(), e.Line, e.Column)
}

func (d *Document) fail(statement *Statement, element, problem string) error {
	e := &ParseError{Element: element, Problem: problem, Line: 1, Column: 1}
	if statement != nil {
		e.Statement, e.Sid = statement.Index+1, statement.Sid
		e.Line, e.Column = position(d.text, statement.offset)
	}
	return e
}

// CheckIdentity reports what would keep the document from being an identity-based, boundary or
// session policy (reference_policies_grammar, "Policy grammar notes"). The error is a *ParseError.
func (d *Document) CheckIdentity() error {
	for i := range d.Statements {
		s := &d.Statements[i]
		if s.hasPrincipal {
			return d.fail(s, "Principal", "Policy document should not specify a principal.")
		}
		if !s.hasResource {
			return d.fail(s, "Resource", "Policy statement must contain resources.")
		}
	}
	return nil
}

// CheckTrust reports what would keep the document from being a role's trust policy. The error is a
// *ParseError.
func (d *Document) CheckTrust() error {
	for i := range d.Statements {
		s := &d.Statements[i]
		switch {
		case !s.hasPrincipal:
			return d.fail(s, "Principal", "Missing required field Principal")
		case s.notPrincipal:
			// reference_policies_elements_notprincipal: not in a role trust policy.
			return d.fail(s, "NotPrincipal", "AssumeRole policy may not specify NotPrincipal")
		case s.hasResource:
			return d.fail(s, "Resource", "Has prohibited field Resource")
		}
		for _, action := range s.actions {
			if !strings.HasPrefix(action.raw, "sts:") {
				return d.fail(s, "Action", "AssumeRole policy may only specify STS AssumeRole actions.")
			}
		}
	}
	return nil
}
