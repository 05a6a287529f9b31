// Package policy parses IAM policy documents and decides requests by them, as the IAM User Guide
// documents it: a pure function of request and policies, with the statement that decided. It knows
// neither AWS clients nor HTTP.
package policy

import "fmt"

// Document is a parsed policy.
type Document struct {
	// Version is "2012-10-17" or "2008-10-17" (also when absent); variables work in the former only.
	Version    string
	ID         string
	Statements []Statement
}

// Statement is one statement of a policy.
type Statement struct {
	// Index counts statements from 0 in the order of the document.
	Index int
	Sid   string
	// Deny tells the Effect.
	Deny bool
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
	// Problem says what is wrong and what would be right.
	Problem string
}

func (e *ParseError) Error() string { return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Problem) }

// Parse reads a policy document; the error is a *ParseError.
func Parse(text []byte) (*Document, error) { return nil, &ParseError{Problem: "not written yet"} }

// Evaluate decides request by policies.
func Evaluate(request *Request, policies *Policies) Decision { return Decision{} }

// Explain says in a sentence what was decided and by which statement of which policy.
func (d Decision) Explain() string { return "" }
