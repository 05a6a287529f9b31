// Package policy parses IAM policy documents and decides requests by them, as the IAM User Guide documents. A decision is a
// pure function of request and policies, and names the statement that made it. The package uses neither AWS clients nor
// HTTP.
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

// Document is a parsed policy. Evaluation does not change it, so it may be shared.
type Document struct {
	// Version is Version2012 or Version2008. It is Version2008 also when the document names none.
	Version    string
	ID         string
	Statements []Statement
	text       string
	keys       []string
}

// Text returns the text that was parsed.
func (d *Document) Text() string { return d.text }

// Statement is one statement of a policy.
type Statement struct {
	// Index counts statements from 0 in the order of the document.
	Index int
	Sid   string
	// Deny reports the Effect.
	Deny bool

	// where has the places of the statement and its elements in the document.
	offset, sidOffset, principalOffset, resourceOffset int

	principals   []principalPattern
	hasPrincipal bool
	notPrincipal bool
	// services are those that the statement may apply to.
	services    serviceSet
	actions     []actionPattern
	notAction   bool
	resources   []arnPattern
	hasResource bool
	notResource bool
	conditions  []condition
}

// String names the statement as explanations do: `statement 2 "Sid"`.
func (s *Statement) String() string {
	if s.Sid == "" {
		return fmt.Sprintf("statement %d", s.Index+1)
	}
	return fmt.Sprintf("statement %d %q", s.Index+1, s.Sid)
}

// Actions returns the strings of the Action or NotAction element, in lower case.
func (s *Statement) Actions() []string {
	actions := make([]string, len(s.actions))
	for i := range s.actions {
		actions[i] = s.actions[i].raw
	}
	return actions
}

// Keys returns the condition keys, in lower case.
func (s *Statement) Keys() []string {
	keys := make([]string, len(s.conditions))
	for i := range s.conditions {
		keys[i] = s.conditions[i].key
	}
	return keys
}

// NotAction says whether the Actions are those of a NotAction element.
func (s *Statement) NotAction() bool { return s.notAction }

// Resources returns the strings of the Resource or NotResource element as they are written: "*" or
// ARNs with wildcards and variables. A trust policy has none.
func (s *Statement) Resources() []string {
	resources := make([]string, len(s.resources))
	for i := range s.resources {
		resources[i] = s.resources[i].raw
	}
	return resources
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
